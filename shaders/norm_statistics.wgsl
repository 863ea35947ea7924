// norm_statistics: {{ "mean, variance and 1 / sqrt(variance + eps)" if centered else "1 / sqrt(mean of squares + eps)" }} over A and B of a tensor (A, M, B)
//
// {{ lanes }} lanes go through {{ "the numbers of each m" if done else "a run of the numbers of each m" }}, {{ items }} of these a workgroup: each lane four times four at a time, of which it
// computes {{ "mean and squared deviations" if centered else "the squares" }}, and joins these with what it has; then a tree joins the lanes. A fixed order.
{% if centered %}
// All is relative to a pivot, the first number of the run: nothing is lost where the mean is large and the deviation is not.
{% endif %}
{% if not done %}
// A second pass joins the {{ parts }} parts.
{% endif %}
//
// input ({{ a }}, {{ m }}, {{ b }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% from "common/norm_window.wgsl" import window %}

@group(0) @binding(0) var<storage, read> input: array<Four>;
{% include "common/norm_results.wgsl" %}

{% if lanes > 1 %}
var<workgroup> lanes: array<vec3<f32>, {{ lanes * items }}>;
{% endif %}

{# {{ count }} fours: what they are, as a part. #}
{% macro block(count) %}
{% for j in range(count) %}
{% if centered %}
      let d{{ j }} = {{ "four(input[at" ~ j ~ "]) - pivot" if aligned else "select(vec4<f32>(), four(input[at" ~ j ~ "]) - pivot, within" ~ j ~ ")" }};
{% else %}
      let d{{ j }} = {{ "four(input[at" ~ j ~ "])" if aligned else "select(vec4<f32>(), four(input[at" ~ j ~ "]), within" ~ j ~ ")" }};
{% endif %}
{% endfor %}
{% if aligned %}
      let numbers = {{ 4 * count }}.0;
{% else %}
      let ones = {% for j in range(count) %}select(vec4<f32>(), vec4<f32>(1.0), within{{ j }}){{ " + " if not loop.last }}{% endfor %};
      let numbers = (ones.x + ones.y) + (ones.z + ones.w);
{% endif %}
{% if centered %}
      let four_sum = {% for j in range(count) %}d{{ j }}{{ " + " if not loop.last }}{% endfor %};
      let mean = ((four_sum.x + four_sum.y) + (four_sum.z + four_sum.w)) {{ "* " ~ 1 / (4 * count) if aligned else "/ max(numbers, 1.0)" }};
{% for j in range(count) %}
      let e{{ j }} = {{ "d" ~ j ~ " - mean" if aligned else "select(vec4<f32>(), d" ~ j ~ " - mean, within" ~ j ~ ")" }};
{% endfor %}
{% set name = "e" %}
{% else %}
      let mean = 0.0;
{% set name = "d" %}
{% endif %}
      let squares = {% for j in range(count) %}{{ name }}{{ j }} * {{ name }}{{ j }}{{ " + " if not loop.last }}{% endfor %};
      found = joined(found, vec3<f32>(numbers, mean, (squares.x + squares.y) + (squares.z + squares.w)));
{% endmacro %}

@compute @workgroup_size({{ lanes * items }})
fn norm_statistics(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/norm_run.wgsl" %}
{% if not aligned %}
  let last_four = arrayLength(&input) - 1u;
{% endif %}
{% if centered %}
  let pivot = four(input[start / 4u])[start % 4u];
{% else %}
  let pivot = 0.0;
{% endif %}
  var found = vec3<f32>();
  let whole = terms / {{ 4 * lanes }}u * {{ 4 * lanes }}u;
  for (var t = own; t < whole; t += {{ 4 * lanes }}u) {
{% for j in range(4) %}
{{ window(j, "t + " ~ j * lanes ~ "u", aligned, m * b) }}
{% endfor %}
{{ block(4) }}
  }
  for (var t = whole + own; t < terms; t += {{ lanes }}u) {
{{ window(0, "t", aligned, m * b) }}
{{ block(1) }}
  }
{% include "common/norm_tree.wgsl" %}
{% if done %}
  if (live && own == 0u) { finish(m + {{ first_kept }}u, pivot, found); }
{% else %}
  if (live && own == 0u) { parts[{{ to_part }}] = vec4<f32>(found, pivot); }
{% endif %}
}
