// bench_stream: the bandwidth of device memory. {{ "output[i] = a[i] + 3 b[i]" if triad else "output[i] = a[i]" }}
//
// An invocation moves 4 vec4, a workgroup of 64 a run of 256, striding by 64 so that neighbours read neighbours.
//
// a{{ ", b" if triad else "" }}, output ({{ vec4s }} vec4)
{% include "common/group.wgsl" %}

const VEC4S = {{ vec4s }}u;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
{% if triad %}
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
{% endif %}
@group(0) @binding({{ 2 if triad else 1 }}) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(64)
fn bench_stream(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  {% for j in range(4) %}
  let i{{ j }} = group * 256u + {{ 64 * j }}u + lane.x;
  if (i{{ j }} < VEC4S) {
    output[i{{ j }}] = {{ "fma(b[i" ~ j ~ "], vec4<f32>(3.0), a[i" ~ j ~ "])" if triad else "a[i" ~ j ~ "]" }};
  }
  {% endfor %}
}
