// max_pool2d_backward: grad_input[p,y,x] = sum of grad_output over the windows whose winner is (y, x)
//
// An invocation computes one input element, a workgroup 64. It visits the windows that can contain it: those
// whose first row lies in y + pad - extent < i * s <= y + pad. Gathered, so no atomics.
//
// grad_output and indices ({{ planes }}, {{ oh }}, {{ ow }}), grad_input ({{ planes }}, {{ h }}, {{ w }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(64)
fn max_pool2d_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * h * w }}u) { return; }
  let plane = at / {{ h * w }}u * {{ oh * ow }}u;
  let here = at % {{ h * w }}u;
{% if single %}
  // Windows do not overlap: one window at most.
  let i = here / {{ w }}u / {{ stride_h }}u;
  let j = here % {{ w }}u / {{ stride_w }}u;
  let ok = (i < {{ oh }}u) & (j < {{ ow }}u);
  let from_window = plane + select(0u, i * {{ ow }}u + j, ok);
  grad_input[at] = select(0.0, grad_output[from_window], ok & (indices[from_window] == here));
{% else %}
  let y = i32(here / {{ w }}u) + {{ pad_top }};
  let x = i32(here % {{ w }}u) + {{ pad_left }};
  let first_i = max(y - {{ extent_h }} + {{ stride_h }}, 0) / {{ stride_h }};
  let first_j = max(x - {{ extent_w }} + {{ stride_w }}, 0) / {{ stride_w }};
  let last_i = min(y / {{ stride_h }}, {{ oh }} - 1);
  let last_j = min(x / {{ stride_w }}, {{ ow }} - 1);
  var sum = 0.0;
  for (var i = first_i; i <= last_i; i++) {
    for (var j = first_j; j <= last_j; j++) {
      let from_window = plane + u32(i) * {{ ow }}u + u32(j);
      sum += select(0.0, grad_output[from_window], indices[from_window] == here);
    }
  }
  grad_input[at] = sum;
{% endif %}
}
