// avg_pool2d_backward: grad_input[p,y,x] = sum of grad_output / divisor over the windows that contain (y, x)
//
// An invocation computes {{ unit ~ " neighbouring input elements, which lie in the same windows" if unit > 1 else "one input element" }}, a workgroup {{ 64 * unit }}. Gathered, so
// no atomics.
{% if carried or not done %}
// Of those windows rows {{ outer_first }} to {{ outer_last }} and columns {{ inner_first }} to {{ inner_last }}{{ ", added to the sum so far" if carried }}.
{% endif %}
//
// grad_output ({{ planes }}, {{ oh }}, {{ ow }}), grad_input ({{ planes }}, {{ h }}, {{ w }})
{% include "common/group.wgsl" %}
{% include "common/avg_window.wgsl" %}
{% if unit > 1 %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type, load, number, store %}

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_input: array<{{ type(unit) }}>;

@compute @workgroup_size(64)
fn avg_pool2d_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * h * w // unit }}u) { return; }
  let plane = at / {{ h * w // unit }}u * {{ oh * ow }}u;
  let y = i32(at / {{ w // unit }}u % {{ h }}u) + {{ pad_top }};
  let x = i32(at % {{ w // unit }}u) * {{ unit }} + {{ pad_left }};
  let first_i = {{ div_i32("max(y - " ~ kernel_h ~ " + " ~ stride_h ~ ", 0)", stride_h) }};
  let first_j = {{ div_i32("max(x - " ~ kernel_w ~ " + " ~ stride_w ~ ", 0)", stride_w) }};
  let last_i = min({{ div_i32("y", stride_h) }}, {{ oh }} - 1);
  let last_j = min({{ div_i32("x", stride_w) }}, {{ ow }} - 1);
  var sum = {{ number(load("grad_input[at]", unit), unit, 0) if carried else "0.0" }};
  for (var i = first_i + {{ outer_first }}; i < min(first_i + {{ outer_last }}, last_i + 1); i++) {
    for (var j = first_j + {{ inner_first }}; j < min(first_j + {{ inner_last }}, last_j + 1); j++) {
      sum += grad_output[plane + u32(i) * {{ ow }}u + u32(j)] / divisor(i, j);
    }
  }
  {% for i in range(unit) %}
  let sum{{ i }} = sum;
  {% endfor %}
  grad_input[at] = {{ store("sum", unit) }};
}
