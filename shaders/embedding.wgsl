// embedding: output[n,d] = weight[index[n],d], 0 for an index the table lacks
//
// An invocation copies {{ many ~ " neighbours" if many > 1 else "one" }} of D, a workgroup is 64 invocations.
//
// weight ({{ rows }}, D), indices ({{ count }}), output ({{ count }}, D); D = {{ width }} {{ {1: "elements", 2: "pairs", 4: "vec4"}[unit] }}
{% include "common/group.wgsl" %}
{% if unit > 1 %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type %}

const WIDTH = {{ width }}u;
const TILES = {{ tiles }}u;       // of a row

@group(0) @binding(0) var<storage, read> weight: array<{{ type(unit) }}>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<{{ type(unit) }}>;
// The first index that the table lacks.
@group(0) @binding(3) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size(64)
fn embedding(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ count * tiles }}u) { return; }
  let n = at / TILES;
  let index = indices[{{ first_index }}u + n];
  {% if shown < rows %}
  // The table's rows from {{ first_row }} on.
  let known = index - {{ first_row }}u < {{ shown }}u;
  if (!known{{ " & (index < " ~ rows ~ "u)" if first_row == 0 }}) { return; }
  {% else %}
  let known = index < {{ rows }}u;
  {% endif %}
  if (!known) { atomicMin(&bad_row, {{ before }}u + n); }
  let begin = {{ first_weight }}u + select(0u, index - {{ first_row }}u, known) * WIDTH;
  let to = {{ first_output }}u + n * WIDTH;
  {% for q in range(many) %}
  let d{{ q }} = at % TILES * {{ many }}u + {{ q }}u;
  {{ "if (d" ~ q ~ " < WIDTH) { " if width % many != 0 }}output[to + d{{ q }}] = select({{ type(unit) }}(), weight[begin + d{{ q }}], known);{{ " }" if width % many != 0 }}
  {% endfor %}
}
