// matmul_workgroup: output[z,m,n] = bias[n] + sum_k a[z,m,k] b[z,k,n]
//
// A workgroup computes a block of {{ size }} x {{ size }} numbers and shares what it loads (common/workgroup_product.wgsl).
//
// a ({{ "Z, K, M" if trans_a else "Z, M, K" }}), b ({{ "Z, N, K" if trans_b else "Z, K, N" }}), bias (N), output (Z, M, N)
{% include "common/matmul.wgsl" %}
{% include "common/workgroup_blocks.wgsl" %}
{% set along_a = not trans_a %}
{% set along_b = trans_b %}
{% set whole_a = along_a and a_vec4 %}
{% set whole_b = along_b and b_vec4 %}

struct Position { begin: u32, line: u32 }

{# Name, lines (rows or columns), whether a line's terms are side by side, whether four that are side by side are one vec4. #}
{% for name, lines, along_terms, vec4 in [("a", "M", along_a, a_vec4), ("b", "N", along_b, b_vec4)] %}
fn position_{{ name }}(z: u32, line: u32) -> Position { return Position(begin_{{ name }}(z), line); }

fn four_of_{{ name }}(position: Position, k: u32) -> vec4<f32> {
  {% set step = "ROW_A" if name == "a" else "ROW_B" %}
  {% if vec4 and along_terms %}
  let found = four({{ name }}[(position.begin + min(position.line, {{ lines }} - 1u) * {{ step }} + min(k, K - 4u)) / 4u]);
  return select(vec4<f32>(), found, k < K);
  {% else %}
  let term = min(k, K - 1u);
  {% if vec4 %}
  let found = four({{ name }}[(position.begin + term * {{ step }} + min(position.line, {{ lines }} - 4u)) / 4u]);
  {% else %}
  {% for q in range(4) %}
  let line{{ q }} = min(position.line + {{ q }}u, {{ lines }} - 1u);
  {% endfor %}
  let found = vec4<f32>({% for q in range(4) %}{{ name }}[position.begin + {% if along_terms %}line{{ q }} * {{ step }} + term{% else %}term * {{ step }} + line{{ q }}{% endif %}]{{ ", " if q < 3 else "" }}{% endfor %});
  {% endif %}
  return select(vec4<f32>(), found, k < K);
  {% endif %}
}

{% endfor %}
fn finish(z: u32, row: u32, column: u32, sum: vec4<f32>) { store(z, row, column, sum + bias_of(column)); }

@compute @workgroup_size({{ across_lanes }}, {{ down_lanes }}, {{ slices }})
fn matmul_workgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
{% include "common/workgroup_product.wgsl" %}
}
