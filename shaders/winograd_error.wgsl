// winograd_error: transformed[j,l,t,k] = (A e A^T)[j,l] for tile t, {{ m }}x{{ m }} pixels e of the error of channel k
//
// The transform of the target, transposed: for the gradient of the weight. Pixels outside the error are zero, and so
// are tiles behind the last and channels that fill up fours. An invocation transforms one tile of four neighbouring
// channels, a vec4.
//
// error (N, {{ rows }}, {{ target_h }}, {{ target_w }}), transformed ({{ n }}, {{ n }}, {{ columns }}, {{ filters }})
{% from "common/winograd.wgsl" import combination %}
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{# Pixels of a load. #}
{% set run = 4 if fours else 2 if pairs else 1 %}

const QUARTERS = {{ filters // 4 }}u;
const COLUMNS = {{ columns }}u;
const TILES_W = {{ tiles_w }}u;
const TILES = {{ tiles_h * tiles_w }}u; // of an image
const PLANE = {{ target_h * target_w }}u;

@group(0) @binding(0) var<storage, read> error: array<{{ "Four" if fours else "Pair" if pairs else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> transformed: array<Four>;

@compute @workgroup_size(64)
fn winograd_error(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= COLUMNS * QUARTERS) { return; }
  let tile = at / QUARTERS;
  let inside = tile < {{ tiles }}u;
  let y = {{ div_u32("tile % TILES", tiles_w) }} * {{ m }}u;
  let x = tile % TILES_W * {{ m }}u;
  {% for q in range(4) %}
  let channel{{ q }} = at % QUARTERS * 4u + {{ q }}u;
  let real{{ q }} = inside & (channel{{ q }} < {{ rows }}u);
  let first{{ q }} = (tile / TILES * {{ rows }}u + channel{{ q }}) * PLANE + y * {{ target_w }}u + x;
  {% endfor %}
  {% for r in range(m) %}
  {% for p in range(0, m, run) %}
  let in{{ r }}_{{ p }} = (y + {{ r }}u < {{ target_h }}u) & (x + {{ p }}u < {{ target_w }}u);
  {% for q in range(4) %}
  let ok{{ r }}_{{ p }}_{{ q }} = real{{ q }} & in{{ r }}_{{ p }};
  let from{{ r }}_{{ p }}_{{ q }} = select(0u, first{{ q }} + {{ r * target_w + p }}u, ok{{ r }}_{{ p }}_{{ q }});
  {% if fours %}
  let e{{ r }}_{{ p }}_{{ q }} = select(vec4<f32>(), four(error[from{{ r }}_{{ p }}_{{ q }} / 4u]), ok{{ r }}_{{ p }}_{{ q }});
  {% elif pairs %}
  let e{{ r }}_{{ p }}_{{ q }} = select(vec2<f32>(), pair(error[from{{ r }}_{{ p }}_{{ q }} / 2u]), ok{{ r }}_{{ p }}_{{ q }});
  {% else %}
  let e{{ r }}_{{ p }}_{{ q }} = select(0.0, error[from{{ r }}_{{ p }}_{{ q }}], ok{{ r }}_{{ p }}_{{ q }});
  {% endif %}
  {% endfor %}
  {% for s in range(p, p + run) %}
  let d{{ r }}_{{ s }} = vec4<f32>({% for q in range(4) %}e{{ r }}_{{ p }}_{{ q }}{{ "[" ~ (s - p) ~ "]" if run > 1 }}{{ ", " if q < 3 }}{% endfor %});
  {% endfor %}
  {% endfor %}
  {% endfor %}
  {% for j in range(n) %}
  {% for s in range(m) %}
  let v{{ j }}_{{ s }} = {{ combination(transforms.error[j], "d", "_" ~ s) }};
  {% endfor %}
  {% for l in range(n) %}
  transformed[at + {{ j * n + l }}u * (COLUMNS * QUARTERS)] = to_four({{ combination(transforms.error[l], "v" ~ j ~ "_", "") }});
  {% endfor %}
  {% endfor %}
}
