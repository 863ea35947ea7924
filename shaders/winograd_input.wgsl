// winograd_input: transformed[j,l,c,t] = (B^T d B)[j,l] for tile t, {{ n }}x{{ n }} pixels d of source channel c
//
// Tiles overlap by 2 pixels, and pixels outside the image are zero. An invocation transforms four neighbouring tiles, a
// vec4, of one channel; tiles are numbered over the whole batch, line by line.
//
// source (N, {{ source_channels }}, {{ source_h }}, {{ source_w }}), transformed ({{ n }}, {{ n }}, {{ terms }}, {{ columns }}); channels beyond those of the source are zero
{% from "common/winograd.wgsl" import combination %}
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}

const FOURS = {{ columns // 4 }}u;
const TERMS = {{ terms }}u;
const TILES_W = {{ tiles_w }}u;
const TILES = {{ tiles_h * tiles_w }}u; // of an image
const PLANE = {{ source_h * source_w }}u;

@group(0) @binding(0) var<storage, read> source: array<{{ "Pair" if pairs else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> transformed: array<Four>;

@compute @workgroup_size(64)
fn winograd_input(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= TERMS * FOURS) { return; }
  let channel = at / FOURS;
  let real = channel < {{ source_channels }}u;
  {% for q in range(4) %}
  let tile{{ q }} = min(at % FOURS * 4u + {{ q }}u, {{ tiles }}u - 1u);
  let plane{{ q }} = (tile{{ q }} / TILES * {{ source_channels }}u + channel) * PLANE;
  // Numbers before the first wrap around and are beyond the last.
  let y{{ q }} = u32(i32(tile{{ q }} % TILES / TILES_W) * {{ m }} + ({{ begin_y }}));
  let x{{ q }} = u32(i32(tile{{ q }} % TILES_W) * {{ m }} + ({{ begin_x }}));
  {% for r in range(n) %}
  let line{{ r }}_{{ q }} = plane{{ q }} + (y{{ q }} + {{ r }}u) * {{ source_w }}u + x{{ q }};
  let in{{ r }}_{{ q }} = real & (y{{ q }} + {{ r }}u < {{ source_h }}u);
  {% endfor %}
  {% endfor %}
  {% if pairs %}
  {# Where lines are even, so are the places of pairs; a tile may begin at the second number of one. #}
  {% set odd = begin_x % 2 %}
  {% for p in range((n + odd + 1) // 2) %}
  {% for q in range(4) %}
  let over{{ p }}_{{ q }} = x{{ q }} + {{ 2 * p }}u - {{ odd }}u < {{ source_w }}u;
  {% endfor %}
  {% for r in range(n) %}
  {% for q in range(4) %}
  let ok{{ r }}_{{ p }}_{{ q }} = in{{ r }}_{{ q }} & over{{ p }}_{{ q }};
  let from{{ r }}_{{ p }}_{{ q }} = select(0u, line{{ r }}_{{ q }} + {{ 2 * p }}u - {{ odd }}u, ok{{ r }}_{{ p }}_{{ q }}) / 2u;
  let pair{{ r }}_{{ p }}_{{ q }} = select(vec2<f32>(), pair(source[from{{ r }}_{{ p }}_{{ q }}]), ok{{ r }}_{{ p }}_{{ q }});
  {% endfor %}
  {% endfor %}
  {% endfor %}
  {% endif %}
  {% for s in range(n) %}
  {% if pairs %}
  {% set place = s + begin_x % 2 %}
  {% for r in range(n) %}
  let d{{ r }}_{{ s }} = vec4<f32>({% for q in range(4) %}pair{{ r }}_{{ place // 2 }}_{{ q }}[{{ place % 2 }}]{{ ", " if q < 3 }}{% endfor %});
  {% endfor %}
  {% else %}
  {% for q in range(4) %}
  let over{{ s }}_{{ q }} = x{{ q }} + {{ s }}u < {{ source_w }}u;
  {% endfor %}
  {% for r in range(n) %}
  {% for q in range(4) %}
  let ok{{ r }}_{{ s }}_{{ q }} = in{{ r }}_{{ q }} & over{{ s }}_{{ q }};
  let from{{ r }}_{{ s }}_{{ q }} = select(0u, line{{ r }}_{{ q }} + {{ s }}u, ok{{ r }}_{{ s }}_{{ q }});
  {% endfor %}
  let d{{ r }}_{{ s }} = vec4<f32>({% for q in range(4) %}select(0.0, source[from{{ r }}_{{ s }}_{{ q }}], ok{{ r }}_{{ s }}_{{ q }}){{ ", " if q < 3 }}{% endfor %});
  {% endfor %}
  {% endif %}
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
