// binary: output[i] = a[i] {{ operator }} b[i], broadcast
//
// An invocation computes one element, a workgroup 64; stretched dimensions have stride 0.
//
// a, b (each broadcast to the output), output ({{ elements }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn binary(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  let from_a = {% for d in dims %}(i / {{ d.div }}u % {{ d.size }}u) * {{ d.a }}u + {% endfor %}0u;
  let from_b = {% for d in dims %}(i / {{ d.div }}u % {{ d.size }}u) * {{ d.b }}u + {% endfor %}0u;
  output[i] = a[from_a] {{ operator }} b[from_b];
}
