// norm_backward: grad_input = rstd (w g - ({{ "sum(w g) + " if centered }}x_hat sum(w g x_hat)) / count), g the error, x_hat the normalised input
//
// Sums and statistics are those of the elements that share them{{ "; of batch norm the sums are without the weight" if of_batch }}.
{% if fours %}
// Of each row, {{ row_lanes }} invocations of a workgroup of 64 compute four neighbours at a time, {{ stretch }} fours in all.
{% else %}
// An invocation computes four neighbours, of one row or of several.
{% endif %}
//
// grad_output, input and grad_input ({{ n }}, {{ g }}, {{ k }}, {{ l }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% from "common/norm_spread.wgsl" import spread, positions %}

@group(0) @binding(0) var<storage, read> grad_output: array<Four>;
@group(0) @binding(1) var<storage, read> input: array<Four>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Four>;
@group(0) @binding(3) var<storage, read> rstds: array<f32>;
@group(0) @binding(4) var<storage, read> products: array<f32>;
{% if centered %}
@group(0) @binding({{ binding.mean }}) var<storage, read> means: array<f32>;
@group(0) @binding({{ binding.sums }}) var<storage, read> sums: array<f32>;
{% endif %}
{% if weight %}
@group(0) @binding({{ binding.weight }}) var<storage, read> weights: array<{{ "f32" if per_row or not fours else "Four" }}>;
{% endif %}
{% include "common/norm_rows.wgsl" %}

const COUNT = {{ count }};

@compute @workgroup_size(64)
fn norm_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/norm_walk.wgsl" %}
{% if fours %}
  let rstd = rstd_of(rstds[at]);
  let scale = rstd{{ " * weights[parameter(row)]" if weight and per_row }};
  let slope = {{ "scale" if of_batch else "rstd" }} * rstd * (products[at] / COUNT);
  {% if centered %}
  let mean = means[at];
  let shift = {{ "scale" if of_batch else "rstd" }} * (sums[at] / COUNT);
  {% endif %}
  for (var v = begin + lane.x % {{ row_lanes }}u; v < end; v += {{ row_lanes }}u) {
    let error = four(grad_output[base + v]) * scale{{ " * four(weights[v + " ~ first_weight ~ "u])" if weight and not per_row }};
    let x = four(input[base + v]){{ " - mean" if centered }};
    grad_input[base + v] = to_four((error{{ " - shift" if centered }}) - x * slope);
  }
{% else %}
  let rstd = {{ spread("rstds", "statistic", l, "rstd_of") }};
  let scale = rstd{% if weight %} * {{ spread("weights", "parameter", l) if per_row else positions("weights") }}{% endif %};
  let slope = {{ "scale" if of_batch else "rstd" }} * rstd * ({{ spread("products", "statistic", l) }} / COUNT);
  {% if centered %}
  let mean = {{ spread("means", "statistic", l) }};
  let shift = {{ "scale" if of_batch else "rstd" }} * ({{ spread("sums", "statistic", l) }} / COUNT);
  {% endif %}
  let error = four(grad_output[i]) * scale;
  let x = four(input[i]){{ " - mean" if centered }};
  grad_input[i] = to_four((error{{ " - shift" if centered }}) - x * slope);
{% endif %}
}
