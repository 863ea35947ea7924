// winograd_input: transformed[j,l,c,t] = (B^T d B)[j,l] for tile t, {{ n }}x{{ n }} pixels d of source channel c
//
// Tiles overlap by 2 pixels, and pixels outside the image are zero. An invocation transforms four neighbouring tiles, a
// vec4, of one channel; tiles are numbered over the whole batch, line by line.
{% if together > 1 %}
// Of the four, {{ together }} lie in one line, whose pixels are loaded once, {{ unit }} at a time.
{% else %}
// The pixels of each are loaded {{ unit }} at a time.
{% endif %}
//
// source (N, {{ source_channels }}, {{ source_h }}, {{ source_w }}), transformed ({{ n }}, {{ n }}, {{ terms }}, {{ columns }}); channels beyond those of the source are zero
{% from "common/winograd.wgsl" import combination %}
{% from "common/units.wgsl" import type, load, number, zero %}
{# Lines of pixels that are loaded, and loads of each: the first may begin before the first tile. #}
{% set spans = 4 // together %}
{% set loads = (skip + (together - 1) * m + n + unit - 1) // unit %}
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}

const FOURS = {{ columns // 4 }}u;
const TERMS = {{ terms }}u;
const TILES_W = {{ tiles_w }}u;
const TILES = {{ tiles_h * tiles_w }}u; // of an image
const PLANE = {{ source_h * source_w }}u;

@group(0) @binding(0) var<storage, read> source: array<{{ type(unit) }}>;
@group(0) @binding(1) var<storage, read_write> transformed: array<Four>;

@compute @workgroup_size(64)
fn winograd_input(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= TERMS * FOURS) { return; }
  let channel = at / FOURS;
  let real = channel < {{ source_channels }}u;
  {% for q in range(spans) %}
  let tile{{ q }} = min(at % FOURS * 4u + {{ q * together }}u, {{ tiles - together }}u);
  let plane{{ q }} = (tile{{ q }} / TILES * {{ source_channels }}u + channel) * PLANE;
  // Numbers before the first wrap around and are beyond the last.
  let y{{ q }} = u32({{ div_i32("i32(tile" ~ q ~ " % TILES)", tiles_w) }} * {{ m }} + ({{ begin_y }}));
  let x{{ q }} = u32(i32(tile{{ q }} % TILES_W) * {{ m }} + ({{ begin_x - skip }}));
  {% for r in range(n) %}
  let line{{ r }}_{{ q }} = plane{{ q }} + (y{{ q }} + {{ r }}u) * {{ source_w }}u + x{{ q }};
  let in{{ r }}_{{ q }} = real & (y{{ q }} + {{ r }}u < {{ source_h }}u);
  {% endfor %}
  {% for p in range(loads) %}
  {% set column = begin_x - skip + p * unit %}
  {% if together == tiles_w and (column < 0 or column >= source_w) %}
  {% for r in range(n) %}
  let pixels{{ r }}_{{ p }}_{{ q }} = {{ zero(unit) }};
  {% endfor %}
  {% else %}
  let over{{ p }}_{{ q }} = x{{ q }} + {{ p * unit }}u < {{ source_w }}u;
  {% for r in range(n) %}
  let ok{{ r }}_{{ p }}_{{ q }} = in{{ r }}_{{ q }} & over{{ p }}_{{ q }};
  let from{{ r }}_{{ p }}_{{ q }} = select(0u, line{{ r }}_{{ q }} + {{ p * unit }}u, ok{{ r }}_{{ p }}_{{ q }}) / {{ unit }}u;
  let pixels{{ r }}_{{ p }}_{{ q }} = select({{ zero(unit) }}, {{ load("source[from" ~ r ~ "_" ~ p ~ "_" ~ q ~ "]", unit) }}, ok{{ r }}_{{ p }}_{{ q }});
  {% endfor %}
  {% endif %}
  {% endfor %}
  {% endfor %}
  {% for s in range(n) %}
  {% for r in range(n) %}
  let d{{ r }}_{{ s }} = vec4<f32>({% for q in range(4) %}{% set position = skip + s + q % together * m %}{{ number("pixels" ~ r ~ "_" ~ position // unit ~ "_" ~ q // together, unit, position % unit) }}{{ ", " if q < 3 }}{% endfor %});
  {% endfor %}
  {% for j in range(n) %}
  let v{{ j }}_{{ s }} = {{ combination(transforms.source[j], "d", "_" ~ s) }};
  {% endfor %}
  {% endfor %}
  {% for j in range(n) %}
  {% for l in range(n) %}
  transformed[at + {{ j * n + l }}u * (TERMS * FOURS)] = to_four({{ combination(transforms.source[l], "v" ~ j ~ "_", "") }});
  {% endfor %}
  {% endfor %}
}
