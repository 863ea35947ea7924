// embedding_blocks: blocks[b,d] = sum of grad_output[n,d] over the {{ block }} sorted positions n of block b, in their order
//
// An invocation owns {{ many }} {{ "vec4" if vec4 else "elements" }} of a block whose positions all show one row; of the others nothing is written or read.
// Rows that are shown often are so added up by many invocations.
//
// grad_output ({{ count }}, D), sorted ({{ count }} pairs of an index and its position), blocks ({{ blocks }}, D); D = {{ width }} {{ "vec4" if vec4 else "elements" }}
{% include "common/group.wgsl" %}
{% set element = "vec4<f32>" if vec4 else "f32" %}
{% set stored = "Four" if vec4 else "f32" %}
{% set four = "four" if vec4 else "" %}
{% set to_four = "to_four" if vec4 else "" %}
{% if vec4 %}
{% include "common/four.wgsl" %}
{% endif %}

const BLOCK = {{ block }}u;
const WIDTH = {{ width }}u;
const TILES = {{ tiles }}u;       // of a row

@group(0) @binding(0) var<storage, read> grad_output: array<{{ stored }}>;
@group(0) @binding(1) var<storage, read> sorted: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> blocks: array<{{ stored }}>;

@compute @workgroup_size(64)
fn embedding_blocks(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ blocks * tiles }}u) { return; }
  let first = i / TILES * BLOCK;
  let column = i % TILES * {{ many }}u;
  if (sorted[first].x != sorted[first + BLOCK - 1u].x) { return; }
  {% for q in range(many) %}
  let c{{ q }} = min(column + {{ q }}u, WIDTH - 1u);
  var s{{ q }} = {{ element }}();
  {% endfor %}
  for (var at = first; at < first + BLOCK; at++) {
    let position = sorted[at].y * WIDTH;
    {% for q in range(many) %}
    s{{ q }} += {{ four }}(grad_output[position + c{{ q }}]);
    {% endfor %}
  }
  {% for q in range(many) %}
  {{ "if (column + " ~ q ~ "u < WIDTH) { " if width % many != 0 }}blocks[i / TILES * WIDTH + column + {{ q }}u] = {{ to_four }}(s{{ q }});{{ " }" if width % many != 0 }}
  {% endfor %}
}
