// binary: output[i] = a[i] {{ operator }} b[i], broadcast
//
{% if flat %}
// Shapes are equal: an invocation computes {{ per_lane }} vec4, a workgroup of 64 a run of them. Buffers are
// padded to whole vec4.
//
// a, b, output ({{ vec4s }} vec4)
{% else %}
// An invocation computes one element, a workgroup 64; stretched dimensions have stride 0.
//
// a, b (each broadcast to the output), output ({{ elements }})
{% endif %}
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> a: array<{{ "vec4<f32>" if flat else "f32" }}>;
@group(0) @binding(1) var<storage, read> b: array<{{ "vec4<f32>" if flat else "f32" }}>;
@group(0) @binding(2) var<storage, read_write> output: array<{{ "vec4<f32>" if flat else "f32" }}>;

@compute @workgroup_size(64)
fn binary(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= GROUPS) { return; }
{% if flat %}
  {% for j in range(per_lane) %}
  let i{{ j }} = group * {{ 64 * per_lane }}u + {{ 64 * j }}u + lane.x;
  if (i{{ j }} < {{ vec4s }}u) { output[i{{ j }}] = a[i{{ j }}] {{ operator }} b[i{{ j }}]; }
  {% endfor %}
{% else %}
  let i = group * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  let from_a = {% for d in dims %}(i / {{ d.div }}u % {{ d.size }}u) * {{ d.a }}u + {% endfor %}0u;
  let from_b = {% for d in dims %}(i / {{ d.div }}u % {{ d.size }}u) * {{ d.b }}u + {% endfor %}0u;
  output[i] = a[from_a] {{ operator }} b[from_b];
{% endif %}
}
