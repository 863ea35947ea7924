// norm_sums: sums of g{{ " w" if weight }} and of g{{ " w" if weight }} x_hat over A and B of tensors (A, M, B), g the error, x_hat the normalised input
//
// {{ lanes }} lanes go through {{ "the numbers of each m" if done else "a run of the numbers of each m" }}, {{ items }} of these a workgroup: each lane four at a time; then a tree adds the
// lanes. A fixed order. {{ "" if done else "A second pass adds the " ~ parts ~ " parts." }}
//
// grad_output and input ({{ a }}, {{ m }}, {{ b }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% from "common/norm_window.wgsl" import window %}

@group(0) @binding(0) var<storage, read> grad_output: array<Four>;
@group(0) @binding(1) var<storage, read> input: array<Four>;
@group(0) @binding(2) var<storage, read> rstds: array<f32>;
{% if centered %}
@group(0) @binding({{ binding.mean }}) var<storage, read> means: array<f32>;
{% endif %}
{% if weight %}
@group(0) @binding({{ binding.weight }}) var<storage, read> weights: array<{{ "Four" if aligned else "f32" }}>;
{% endif %}
{% include "common/norm_sums_results.wgsl" %}

{% if lanes > 1 %}
var<workgroup> lanes: array<vec2<f32>, {{ lanes * items }}>;
{% endif %}

{% macro term(j) %}
{% if weight and aligned %}
      let w{{ j }} = four(weights[{{ first_position }} + t{{ j }} % windows]);
{% elif weight %}
      let p{{ j }} = min(four{{ j }} * 4u + vec4<u32>(0u, 1u, 2u, 3u) - from{{ j }}, vec4<u32>(length - 1u)) + {{ first_position }};
      let w{{ j }} = vec4<f32>({% for q in range(4) %}weights[p{{ j }}[{{ q }}]]{{ ", " if q < 3 }}{% endfor %});
{% endif %}
      let own{{ j }} = four(grad_output[at{{ j }}]){{ " * w" ~ j if weight }};
      let g{{ j }} = {{ "own" ~ j if aligned else "select(vec4<f32>(), own" ~ j ~ ", within" ~ j ~ ")" }};
      let x{{ j }} = four(input[at{{ j }}]){{ " - mean" if centered }};
{% if centered %}
      errors += g{{ j }};
{% endif %}
      products_of += {{ "g" ~ j ~ " * x" ~ j if aligned else "select(vec4<f32>(), g" ~ j ~ " * x" ~ j ~ ", within" ~ j ~ ")" }};
{% endmacro %}

@compute @workgroup_size({{ lanes * items }})
fn norm_sums(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/norm_run.wgsl" %}
{% if not aligned %}
  let last_four = arrayLength(&input) - 1u;
{% endif %}
  let statistic = {{ statistic }};
{% if centered %}
  let mean = means[statistic];
{% endif %}
{% if eps %}
  let rstd = 1.0 / sqrt(rstds[statistic] + {{ eps }});
{% else %}
  let rstd = rstds[statistic];
{% endif %}
  var errors = vec4<f32>();
  var products_of = vec4<f32>();
  let whole = terms / {{ 4 * lanes }}u * {{ 4 * lanes }}u;
  for (var t = own; t < whole; t += {{ 4 * lanes }}u) {
{% for j in range(4) %}
{{ window(j, "t + " ~ j * lanes ~ "u", aligned, m * b) }}
{{ term(j) }}
{% endfor %}
  }
  for (var t = whole + own; t < terms; t += {{ lanes }}u) {
{{ window(0, "t", aligned, m * b) }}
{{ term(0) }}
  }
  var found = vec2<f32>((errors.x + errors.y) + (errors.z + errors.w), ((products_of.x + products_of.y) + (products_of.z + products_of.w)) * rstd);
{% include "common/norm_tree.wgsl" %}
{% if done %}
  if (live && own == 0u) { finish(m + {{ first_kept }}u, found); }
{% else %}
  if (live && own == 0u) { parts[{{ to_part }}] = found; }
{% endif %}
}
