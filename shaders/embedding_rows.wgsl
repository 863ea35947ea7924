// embedding_rows: grad_weight[v,d] = sum of grad_output[n,d] over the n with index[n] = v, in the order of n
//
{% if few %}
// An invocation owns {{ many }} {{ "vec4" if vec4 else "elements" }} of the row that position p shows, if it is the first to show it where positions are
// sorted; rows that none shows are zeros already (embedding_zeros.wgsl).
{% else %}
// An invocation owns {{ many }} {{ "vec4" if vec4 else "elements" }} of row v, whose positions lie side by side where they are sorted, from starts[v] to starts[v + 1].
{% endif %}
{% if blocks > 0 %}
// Whole blocks of {{ block }} of them were added before (embedding_blocks.wgsl). The order is fixed: no atomics, the same bits every time.
{% endif %}
//
// grad_output ({{ count }}, D), sorted ({{ count }} pairs of an index and its position), {{ "starts, " if not few }}{{ "blocks (" ~ blocks ~ ", D), " if blocks > 0 }}grad_weight ({{ rows }}, D){{ " from row " ~ first_row ~ " on" if first_row > 0 }}; D = {{ width }} {{ "vec4" if vec4 else "elements" }}
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
{% if few %}
const COUNT = {{ count }}u;
{% endif %}

@group(0) @binding(0) var<storage, read> grad_output: array<{{ stored }}>;
@group(0) @binding(1) var<storage, read> sorted: array<vec2<u32>>;
{% set binding = 2 if few else 3 %}
{% if not few %}
@group(0) @binding(2) var<storage, read> starts: array<u32>;
{% endif %}
{% if blocks > 0 %}
@group(0) @binding({{ binding }}) var<storage, read> blocks: array<{{ stored }}>;
{% endif %}
@group(0) @binding({{ binding + 1 if blocks > 0 else binding }}) var<storage, read_write> grad_weight: array<{{ stored }}>;

@compute @workgroup_size(64)
fn embedding_rows(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  {% if few %}
  if (i >= {{ count * tiles }}u) { return; }
  var at = i / TILES;
  let v = sorted[at].x;
  let row = v - {{ first_row }}u;
  if (row >= {{ rows }}u) { return; }
  if (at > 0u && sorted[at - 1u].x == v) { return; }
  {% else %}
  if (i >= {{ rows * tiles }}u) { return; }
  let row = i / TILES;
  let v = {{ first_row }}u + row;
  {% endif %}
  let first = i % TILES * {{ many }}u;
  {% for q in range(many) %}
  let c{{ q }} = min(first + {{ q }}u, WIDTH - 1u);
  var s{{ q }} = {{ element }}();
  {% endfor %}
  {% if not few %}
  let last = starts[v + 1u];
  var at = starts[v];
  {% endif %}
  while ({{ "at < COUNT && sorted[at].x == v" if few else "at < last" }}) {
    {% if blocks > 0 %}
    {% set whole = "at + " ~ block ~ "u <= COUNT && sorted[at + " ~ (block - 1) ~ "u].x == v" if few else "at + " ~ block ~ "u <= last" %}
    if (at % {{ block }}u == 0u && {{ whole }}) {
      let block = at / {{ block }}u * WIDTH;
      {% for q in range(many) %}
      s{{ q }} += {{ four }}(blocks[block + c{{ q }}]);
      {% endfor %}
      at += {{ block }}u;
      continue;
    }
    {% endif %}
    let position = sorted[at].y * WIDTH;
    {% for q in range(many) %}
    s{{ q }} += {{ four }}(grad_output[position + c{{ q }}]);
    {% endfor %}
    at++;
  }
  {% for q in range(many) %}
  {{ "if (first + " ~ q ~ "u < WIDTH) { " if width % many != 0 }}grad_weight[row * WIDTH + first + {{ q }}u] = {{ to_four }}(s{{ q }});{{ " }" if width % many != 0 }}
  {% endfor %}
}
