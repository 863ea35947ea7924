// norm_statistics_join: the statistics of each of {{ m }} groups from what its {{ parts }} parts found
//
// {{ lanes }} lanes go through the parts of one, {{ items }} groups a workgroup; a tree joins the lanes. A fixed order.
//
// found ({{ parts }}, {{ m }}): count, mean above a pivot, squared deviations, pivot
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> found_by: array<vec4<f32>>;
{% include "common/norm_results.wgsl" %}

{% if lanes > 1 %}
var<workgroup> lanes: array<vec3<f32>, {{ lanes * items }}>;
{% endif %}

@compute @workgroup_size({{ lanes * items }})
fn norm_statistics_join(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let own = lane.x % {{ lanes }}u;
  let item = group * {{ items }}u + lane.x / {{ lanes }}u;
  let live = item < {{ kept }}u;
  let m = min(item, {{ kept - 1 }}u);
  let pivot = found_by[m + {{ first_input }}u].w;
  var found = vec3<f32>();
  for (var p = own; p < {{ parts }}u; p += {{ lanes }}u) {
    let part = found_by[p * {{ m }}u + m + {{ first_input }}u];
    found = joined(found, vec3<f32>(part.x, {{ "part.w - pivot + part.y" if centered else "0.0" }}, part.z));
  }
{% include "common/norm_tree.wgsl" %}
  if (live && own == 0u) { finish(m + {{ first_kept }}u, pivot, found); }
}
