// where: output[i] = a[i] where condition[i] is not 0, else b[i], all broadcast; NaN and what is denormal is not 0
//
// An invocation computes one element, a workgroup 64; stretched dimensions have stride 0.
//
// condition, a, b (each broadcast to the output), output ({{ elements }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> condition: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn where_(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  let chosen = (bitcast<u32>(condition[{{ at.condition }}]) & 0x7fffffffu) != 0u;
  output[{{ at.output }}] = select(b[{{ at.b }}], a[{{ at.a }}], chosen);
}
