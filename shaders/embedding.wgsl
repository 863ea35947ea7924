// embedding: output[n,d] = weight[index[n],d], 0 for an index the table lacks
//
// An invocation copies one {{ "vec4" if vec4 else "element" }}, a workgroup 64.
//
// weight ({{ rows }}, D), indices ({{ count }}), output ({{ count }}, D); D = {{ width }} {{ "vec4" if vec4 else "elements" }}
{% include "common/group.wgsl" %}
{% set element = "Four" if vec4 else "f32" %}
{% if vec4 %}
{% include "common/four.wgsl" %}
{% endif %}

@group(0) @binding(0) var<storage, read> weight: array<{{ element }}>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<{{ element }}>;
// The first index that the table lacks.
@group(0) @binding(3) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size(64)
fn embedding(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ count * width }}u) { return; }
  let index = indices[{{ first_index }}u + at / {{ width }}u];
  {% if shown < rows %}
  // The table's rows from {{ first_row }} on.
  let known = index - {{ first_row }}u < {{ shown }}u;
  if (!known{{ " & (index < " ~ rows ~ "u)" if first_row == 0 }}) { return; }
  {% else %}
  let known = index < {{ rows }}u;
  {% endif %}
  if (!known) { atomicMin(&bad_row, {{ before }}u + at / {{ width }}u); }
  let place = {{ first_weight }}u + select(0u, index - {{ first_row }}u, known) * {{ width }}u + at % {{ width }}u;
  output[{{ first_output }}u + at] = select({{ element }}(), weight[place], known);
}
