// norm_sums_join: each of {{ m }} pairs of sums from its {{ parts }} parts
//
// {{ lanes }} lanes go through the parts of one, {{ items }} pairs a workgroup; a tree adds the lanes. A fixed order.
//
// found ({{ parts }}, {{ m }}): the two sums
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> found_by: array<vec2<f32>>;
{% include "common/norm_sums_results.wgsl" %}

{% if lanes > 1 %}
var<workgroup> lanes: array<vec2<f32>, {{ lanes * items }}>;
{% endif %}

@compute @workgroup_size({{ lanes * items }})
fn norm_sums_join(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let own = lane.x % {{ lanes }}u;
  let item = group * {{ items }}u + lane.x / {{ lanes }}u;
  let live = item < {{ kept }}u;
  let m = min(item, {{ kept - 1 }}u);
  var found = vec2<f32>();
  for (var p = own; p < {{ parts }}u; p += {{ lanes }}u) { found += found_by[p * {{ m }}u + m + {{ first_input }}u]; }
{% include "common/norm_tree.wgsl" %}
  if (live && own == 0u) { finish(m + {{ first_kept }}u, found); }
}
