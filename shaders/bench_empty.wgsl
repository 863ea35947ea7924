// bench_empty: the cost of a dispatch that does nothing; its only store is never reached
//
// output (1)
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(1)
fn bench_empty(@builtin(workgroup_id) workgroup: vec3<u32>) {
  if (flat_group(workgroup) >= {{ groups }}u) { output[0] = vec4<f32>(1.0); }
}
