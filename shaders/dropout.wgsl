// dropout: output[i] = input[i] / (1 - p) where the random bits of element i are at least p 2^32, else 0
//
// An invocation computes one vec4 from two blocks of random bits, a workgroup 64. Buffers are padded to whole
// vec4.
//
// input, output ({{ vec4s }} vec4), counter (1)
{% include "common/group.wgsl" %}
{% include "common/threefry.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> counter: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(64)
fn dropout(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ vec4s }}u) { return; }
  let key = vec2<u32>({{ seed }}u, 0u);
  let block = 2u * ({{ first }}u + i);
  let bits = vec4<u32>(threefry(key, vec2<u32>(block, counter[0])), threefry(key, vec2<u32>(block + 1u, counter[0])));
  output[i] = select({{ scale }} * input[i], vec4<f32>(), bits < vec4<u32>({{ threshold }}u));
}
