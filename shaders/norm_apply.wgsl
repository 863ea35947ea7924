// norm_apply: output = epilogue({{ "(input - mean)" if centered else "input" }} * rstd{{ " * weight" if weight }}{{ " + bias" if bias }})
//
{% if fours %}
// Of each row, {{ row_lanes }} invocations of a workgroup of 64 compute four neighbours at a time, {{ stretch }} fours in all.
{% else %}
// An invocation computes four neighbours, of one row or of several.
{% endif %}
{% if eps %}
// What is bound as rstd is a variance.
{% endif %}
//
// input and output ({{ n }}, {{ g }}, {{ k }}, {{ l }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% from "common/norm_spread.wgsl" import spread, positions %}

@group(0) @binding(0) var<storage, read> input: array<Four>;
@group(0) @binding(1) var<storage, read_write> output: array<Four>;
@group(0) @binding(2) var<storage, read> rstds: array<f32>;
{% if centered %}
@group(0) @binding({{ binding.mean }}) var<storage, read> means: array<f32>;
{% endif %}
{% if weight %}
@group(0) @binding({{ binding.weight }}) var<storage, read> weights: array<{{ "f32" if per_row or not fours else "Four" }}>;
{% endif %}
{% if bias %}
@group(0) @binding({{ binding.bias }}) var<storage, read> biases: array<{{ "f32" if per_row or not fours else "Four" }}>;
{% endif %}
{% include "common/chain.wgsl" %}
{% include "common/norm_rows.wgsl" %}

@compute @workgroup_size(64)
fn norm_apply(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/norm_walk.wgsl" %}
{% if fours %}
  let scale = rstd_of(rstds[at]){{ " * weights[parameter(row)]" if weight and per_row }};
  {% if centered %}
  let mean = means[at];
  {% endif %}
  {% if bias and per_row %}
  let bias = biases[parameter(row)];
  {% endif %}
  for (var v = begin + lane.x % {{ row_lanes }}u; v < end; v += {{ row_lanes }}u) {
    let x = four(input[base + v]){{ " - mean" if centered }};
    {% if per_row %}
    let y = x * scale{{ " + bias" if bias }};
    {% else %}
    let y = x * scale{{ " * four(weights[v + " ~ first_weight ~ "u])" if weight }}{{ " + four(biases[v + " ~ first_weight ~ "u])" if bias }};
    {% endif %}
    output[base + v] = to_four(epilogue(y, base + v));
  }
{% else %}
  let scale = {{ spread("rstds", "statistic", l, "rstd_of") }}{% if weight %} * {{ spread("weights", "parameter", l) if per_row else positions("weights") }}{% endif %};
  {% if centered %}
  let mean = {{ spread("means", "statistic", l) }};
  {% endif %}
  let y = (four(input[i]){{ " - mean" if centered }}) * scale{% if bias %} + {{ spread("biases", "parameter", l) if per_row else positions("biases") }}{% endif %};
  output[i] = to_four(epilogue(y, i));
{% endif %}
}
