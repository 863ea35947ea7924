// copy: output[to(i)] = input[from(i)], both given by strides: concat, split, narrow and permute
//
// An invocation copies one {{ "vec4" if vec4 else "word" }}, a workgroup 64. Words are copied as bits, whatever their type.
//
// input and output (flat), {{ elements }} {{ "vec4" if vec4 else "words" }} copied
{% include "common/group.wgsl" %}
{% set word = "vec4<u32>" if vec4 else "u32" %}

@group(0) @binding(0) var<storage, read> input: array<{{ word }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ word }}>;

@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  output[{{ at.output }}] = input[{{ at.input }}];
}
