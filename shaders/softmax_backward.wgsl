// softmax_backward: grad_input = {{ "g - exp(y) sum(g)" if log else "y ((g - c) - sum((g - c) y)), c = sum(g y)," }} along a row, y the output, g the error
//
{% if not log %}
// Without c, y (g - sum(g y)), nothing is left where one y is nearly 1: g - sum(g y) is the difference of two numbers that agree in
// all digits. The differences from c are small there, and so are their roundings.
{% endif %}
//
// {{ "A workgroup of " ~ lanes if lanes > 1 else "An invocation" }} computes one row of length L, as in softmax.
//
// grad_output, output and grad_input ({{ outer }}, L = {{ length }}, {{ inner }})
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% include "common/row.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size({{ lanes * rows }})
fn softmax_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = row_of(flat_group(workgroup), lane.x);
  let own = lane_of(lane.x);
  if (row >= {{ outer * inner }}u) { return; }
  let base = row_base(row);
  var part = 0.0;
  for (var l = own; l < LENGTH; l += LANES) {
    let at = base + l * INNER;
    part += grad_output[at]{{ "" if log else " * output[at]" }};
  }
  let total = join_sum(own, part);
{% if not log %}
  var rest = 0.0;
  for (var l = own; l < LENGTH; l += LANES) {
    let at = base + l * INNER;
    rest += (grad_output[at] - total) * output[at];
  }
  let left = join_sum(own, rest);
{% endif %}
  for (var l = own; l < LENGTH; l += LANES) {
    let at = base + l * INNER;
{% if log %}
    grad_input[at] = grad_output[at] - exp_bounded(output[at]) * total;
{% else %}
    grad_input[at] = output[at] * ((grad_output[at] - total) - left);
{% endif %}
  }
}
