// embedding_zeros: grad_weight[v,d] = 0
//
// An invocation stores {{ many }} times {{ unit ~ " neighbours" if unit > 1 else "one element" }}, a workgroup is 64 invocations. The rows that are shown come after
// (embedding_rows.wgsl).
//
// grad_weight ({{ elements }})
{% include "common/group.wgsl" %}
{% if unit > 1 %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type %}

const UNITS = {{ elements // unit }}u;

@group(0) @binding(0) var<storage, read_write> grad_weight: array<{{ type(unit) }}>;

@compute @workgroup_size(64)
fn embedding_zeros(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let first = (flat_group(workgroup) * 64u + lane.x) * {{ many }}u;
  {% for q in range(many) %}
  if (first + {{ q }}u < UNITS) { grad_weight[first + {{ q }}u] = {{ type(unit) }}(); }
  {% endfor %}
}
