// embedding_rows: grad_weight[v,d] = sum of grad_output[n,d] over the n with index[n] = v, in the order of n
//
// An invocation owns {{ many }} {{ "vec4" if vec4 else "elements" }} of row v, whose places lie side by side where they are sorted, from starts[v] to starts[v + 1].
{% if blocks > 0 %}
// Whole blocks of {{ block }} of them were added before (embedding_blocks.wgsl). The order is fixed: no atomics, the same bits every time.
{% endif %}
//
// grad_output ({{ count }}, D), sorted ({{ count }} pairs of an index and its place), starts, {{ "blocks (" ~ blocks ~ ", D), " if blocks > 0 }}grad_weight ({{ rows }}, D){{ " from row " ~ first_row ~ " on" if first_row > 0 }}; D = {{ width }} {{ "vec4" if vec4 else "elements" }}
{% include "common/group.wgsl" %}
{% set element = "vec4<f32>" if vec4 else "f32" %}
{% set stored = "Four" if vec4 else "f32" %}
{% set four = "four" if vec4 else "" %}
{% set to_four = "to_four" if vec4 else "" %}
{% if vec4 %}
{% include "common/four.wgsl" %}
{% endif %}

const WIDTH = {{ width }}u;
const TILES = {{ tiles }}u;       // of a row

@group(0) @binding(0) var<storage, read> grad_output: array<{{ stored }}>;
@group(0) @binding(1) var<storage, read> sorted: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
{% if blocks > 0 %}
@group(0) @binding(3) var<storage, read> blocks: array<{{ stored }}>;
{% endif %}
@group(0) @binding({{ 4 if blocks > 0 else 3 }}) var<storage, read_write> grad_weight: array<{{ stored }}>;

@compute @workgroup_size(64)
fn embedding_rows(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ rows * tiles }}u) { return; }
  let row = i / TILES;
  let v = {{ first_row }}u + row;
  let first = i % TILES * {{ many }}u;
  {% for q in range(many) %}
  let c{{ q }} = min(first + {{ q }}u, WIDTH - 1u);
  var s{{ q }} = {{ element }}();
  {% endfor %}
  let last = starts[v + 1u];
  var at = starts[v];
  while (at < last) {
    {% if blocks > 0 %}
    if (at % {{ block }}u == 0u && at + {{ block }}u <= last) {
      let block = at / {{ block }}u * WIDTH;
      {% for q in range(many) %}
      s{{ q }} += {{ four }}(blocks[block + c{{ q }}]);
      {% endfor %}
      at += {{ block }}u;
      continue;
    }
    {% endif %}
    let place = sorted[at].y * WIDTH;
    {% for q in range(many) %}
    s{{ q }} += {{ four }}(grad_output[place + c{{ q }}]);
    {% endfor %}
    at++;
  }
  {% for q in range(many) %}
  {{ "if (first + " ~ q ~ "u < WIDTH) { " if width % many != 0 }}grad_weight[row * WIDTH + first + {{ q }}u] = {{ to_four }}(s{{ q }});{{ " }" if width % many != 0 }}
  {% endfor %}
}
