// matmul_workgroup: output[z,m,n] = bias[n] + sum_k a[z,m,k] b[z,k,n]
//
// A workgroup computes a block of {{ size }} x {{ size }} numbers, an invocation {{ micro }} x {{ micro }} of them in registers. A turn
// copies {{ terms }} terms of the block's rows of a and columns of b to workgroup memory, so that what is loaded
// once from device memory is used {{ size }} times; while they are multiplied the next ones are on their way to
// registers (Nath, Tomov and Dongarra, "An Improved MAGMA GEMM for Fermi GPUs", 2010).
//
// The copy holds a term as fours: a vec4 is that term of four neighbouring rows, or columns. The fours of a term
// lie side by side and one more keeps terms apart, or invocations that store neighbouring terms would meet in one
// bank. Those of an invocation lie {{ lanes }} apart, so that neighbours read neighbours.
//
// a ({{ "Z, K, M" if trans_a else "Z, M, K" }}), b ({{ "Z, N, K" if trans_b else "Z, K, N" }}), bias (N), output (Z, M, N)
{% include "common/matmul.wgsl" %}
{# Fours of a term; fours that an invocation copies a turn, and that it multiplies. #}
{% set fours = size // 4 %}
{% set copies = fours * terms // (lanes * lanes) %}
{% set parts = micro // 4 %}
{# Name, lines (rows or columns), whether a line's terms are side by side, whether four lines are one vec4. #}
{% set operands = [("a", "M", not trans_a, a_vec4), ("b", "N", trans_b, b_vec4)] %}

const SIZE = {{ size }}u;
const TERMS = {{ terms }}u;
const PITCH = {{ fours + 1 }}u;

{% for name, lines, along_terms, vec4 in operands %}
var<workgroup> block_{{ name }}: array<vec4<f32>, {{ terms * (fours + 1) }}>;

// Term k of four lines of {{ name }}: 0 behind the last term, anything behind the last line.
fn four_of_{{ name }}(begin: u32, line: u32, k: u32) -> vec4<f32> {
  let term = min(k, K - 1u);
  {% if vec4 %}
  let found = four({{ name }}[(begin + term * {{ lines }} + min(line, {{ lines }} - 4u)) / 4u]);
  {% else %}
  {% for q in range(4) %}
  let line{{ q }} = min(line + {{ q }}u, {{ lines }} - 1u);
  {% endfor %}
  let found = vec4<f32>({% for q in range(4) %}{{ name }}[begin + {% if along_terms %}line{{ q }} * K + term{% else %}term * {{ lines }} + line{{ q }}{% endif %}]{{ ", " if q < 3 else "" }}{% endfor %});
  {% endif %}
  return select(vec4<f32>(), found, k < K);
}

{% endfor %}
@compute @workgroup_size({{ lanes }}, {{ lanes }})
fn matmul_workgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let z = group / (TILES_M * TILES_N);
  let first_a = (group / TILES_N) % TILES_M * SIZE;
  let first_b = group % TILES_N * SIZE;
  {# Neighbouring invocations load what is side by side. #}
  {% for name, lines, along_terms, vec4 in operands %}
  let from_{{ name }} = begin_{{ name }}(z);
  {% for c in range(copies) %}
  {% set item = "(index + " ~ c * lanes * lanes ~ "u)" %}
  let term_{{ name }}{{ c }} = {{ item }} {{ "% TERMS" if along_terms else "/ " ~ fours ~ "u" }};
  let four_{{ name }}{{ c }} = {{ item }} {{ "/ TERMS" if along_terms else "% " ~ fours ~ "u" }};
  var next_{{ name }}{{ c }} = four_of_{{ name }}(from_{{ name }}, first_{{ name }} + four_{{ name }}{{ c }} * 4u, term_{{ name }}{{ c }});
  {% endfor %}
  {% endfor %}
  {% for i in range(micro) %}
  {% for p in range(parts) %}
  var s{{ i }}_{{ p }} = vec4<f32>();
  {% endfor %}
  {% endfor %}
  for (var k = 0u; k < K; k += TERMS) {
    {% for name, lines, along_terms, vec4 in operands %}
    {% for c in range(copies) %}
    block_{{ name }}[term_{{ name }}{{ c }} * PITCH + four_{{ name }}{{ c }}] = next_{{ name }}{{ c }};
    {% endfor %}
    {% endfor %}
    workgroupBarrier();
    if (k + TERMS < K) {
      {% for name, lines, along_terms, vec4 in operands %}
      {% for c in range(copies) %}
      next_{{ name }}{{ c }} = four_of_{{ name }}(from_{{ name }}, first_{{ name }} + four_{{ name }}{{ c }} * 4u, k + TERMS + term_{{ name }}{{ c }});
      {% endfor %}
      {% endfor %}
    }
    {% for t in range(terms) %}
    {
      {% for p in range(parts) %}
      let a{{ p }} = block_a[{{ t }}u * PITCH + lane.y + {{ p * lanes }}u];
      let b{{ p }} = block_b[{{ t }}u * PITCH + lane.x + {{ p * lanes }}u];
      {% endfor %}
      {% for i in range(micro) %}
      {% for p in range(parts) %}
      s{{ i }}_{{ p }} = fma(vec4<f32>(a{{ i // 4 }}[{{ i % 4 }}]), b{{ p }}, s{{ i }}_{{ p }});
      {% endfor %}
      {% endfor %}
    }
    {% endfor %}
    workgroupBarrier();
  }
  {% for p in range(parts) %}
  let column{{ p }} = first_b + (lane.x + {{ p * lanes }}u) * 4u;
  let added{{ p }} = bias_of(column{{ p }});
  {% for i in range(micro) %}
  store(z, first_a + (lane.y + {{ i // 4 * lanes }}u) * 4u + {{ i % 4 }}u, column{{ p }}, s{{ i }}_{{ p }} + added{{ p }});
  {% endfor %}
  {% endfor %}
}
