// narrow_backward: grad_input[o,l,i] = grad_output[o,l - start,i] where start <= l < start + length, else 0
//
// An invocation computes one element, a workgroup 64.
//
// grad_output ({{ outer }}, {{ length }}, {{ inner }}), grad_input ({{ outer }}, {{ size }}, {{ inner }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(64)
fn narrow_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ outer * size * inner }}u) { return; }
  let l = at / {{ inner }}u % {{ size }}u;
  let inside = (l >= {{ start }}u) & (l < {{ start + length }}u);
  let row = at / {{ size * inner }}u * {{ length }}u + select(0u, l - {{ start }}u, inside);
  let place = {{ first_grad }}u + row * {{ inner }}u + at % {{ inner }}u;
  grad_input[{{ first }}u + at] = select(0.0, grad_output[place], inside);
}
