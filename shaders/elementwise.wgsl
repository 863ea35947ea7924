// elementwise: output[i] = epilogue(input[i]): one function of tensors, or a chain of them, with the other operands of its
// shape or broadcast to it
//
// A workgroup of 64 computes a run of {{ 64 * per_lane }} vec4, each invocation {{ per_lane }} of them, striding by
// 64 so that neighbours read neighbours. Buffers are padded to whole vec4, and the length is the binding's, so
// that one pipeline serves every size where nothing is broadcast.
//
// input, others (each broadcast to the output), output (any shape)
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<{{ element }}>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(64)
fn elementwise(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let first = flat_group(workgroup) * {{ 64 * per_lane }}u + lane.x;
  let end = min(first + {{ 64 * per_lane }}u, arrayLength(&output));
  for (var i = first; i < end; i += 64u) {
    output[i] = epilogue({{ load }}, i);
  }
}
