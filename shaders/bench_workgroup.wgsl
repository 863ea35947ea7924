// bench_workgroup: the bandwidth of reads from workgroup memory. sum[g] = what invocation 0 of workgroup g read
//
// 64 invocations fill 256 vec4 (4 KiB), then each reads {{ 4 * iterations }} of them, neighbours reading neighbours, into
// four accumulators.
//
// seed (256), sum (groups)
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> seed: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sum: array<vec4<f32>>;

var<workgroup> shared_values: array<vec4<f32>, 256>;

@compute @workgroup_size(64)
fn bench_workgroup(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  {% for j in range(4) %}
  shared_values[lane.x + {{ 64 * j }}u] = seed[lane.x + {{ 64 * j }}u];
  var s{{ j }} = vec4<f32>();
  {% endfor %}
  workgroupBarrier();
  for (var i = 0u; i < {{ iterations }}u; i++) {
    {% for j in range(4) %}
    s{{ j }} += shared_values[(lane.x + i + {{ 64 * j }}u) & 255u];
    {% endfor %}
  }
  if (lane.x == 0u && group < {{ groups }}u) { sum[group] = s0 + s1 + s2 + s3; }
}
