// winograd_output: target[n,k,y,x] = bias[k] + (A^T p A)[y % {{ m }},x % {{ m }}] for the {{ n }}x{{ n }} products p of a tile
//
// An invocation transforms four neighbouring tiles of one channel, stores the pixels that lie inside the image and
// applies what is fused.
//
// products ({{ n }}, {{ n }}, {{ rows }}, {{ columns }}), bias (K), target (N, {{ rows }}, {{ target_h }}, {{ target_w }})
{% from "common/winograd.wgsl" import combination %}
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}

const FOURS = {{ columns // 4 }}u;
const ROWS = {{ rows }}u;
const TILES_W = {{ tiles_w }}u;
const TILES = {{ tiles_h * tiles_w }}u; // of an image
const PLANE = {{ target_h * target_w }}u;

@group(0) @binding(0) var<storage, read> products: array<Four>;
{% if bias %}
@group(0) @binding(1) var<storage, read> bias: array<f32>;
{% endif %}
@group(0) @binding({{ 2 if bias else 1 }}) var<storage, read_write> output: array<{{ "Four" if out_vec4 else "Pair" if pairs else "f32" }}>;

@compute @workgroup_size(64)
fn winograd_output(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= ROWS * FOURS) { return; }
  let channel = at / FOURS;
  {% for j in range(n) %}
  {% for l in range(n) %}
  let p{{ j }}_{{ l }} = four(products[at + {{ j * n + l }}u * (ROWS * FOURS)]);
  {% endfor %}
  {% for x in range(m) %}
  let v{{ x }}_{{ j }} = {{ combination(transforms.target[x], "p" ~ j ~ "_", "") }};
  {% endfor %}
  {% endfor %}
  {% for y in range(m) %}
  {% for x in range(m) %}
  let s{{ y }}_{{ x }} = {{ "bias[channel] + " if bias }}{{ combination(transforms.target[y], "v" ~ x ~ "_", "") }};
  {% endfor %}
  {% endfor %}
  {% for q in range(4) %}
  let tile{{ q }} = at % FOURS * 4u + {{ q }}u;
  if (tile{{ q }} < {{ tiles }}u) {
    let y = {{ div_u32("tile" ~ q ~ " % TILES", tiles_w) }} * {{ m }}u;
    let x = tile{{ q }} % TILES_W * {{ m }}u;
    let first = (tile{{ q }} / TILES * ROWS + channel) * PLANE + y * {{ target_w }}u + x;
    {% for i in range(m) %}
    if (y + {{ i }}u < {{ target_h }}u) {
      {% if out_vec4 %}
      let to = (first + {{ i * target_w }}u) / 4u;
      output[to] = to_four(epilogue(vec4<f32>({% for x in range(4) %}s{{ i }}_{{ x }}[{{ q }}]{{ ", " if x < 3 }}{% endfor %}), to));
      {% elif pairs %}
      {% for x in range(0, m, 2) %}
      if (x + {{ x }}u < {{ target_w }}u) {
        let to{{ x }} = first + {{ i * target_w + x }}u;
        output[to{{ x }} / 2u] = to_pair(vec2<f32>(epilogue(s{{ i }}_{{ x }}[{{ q }}], to{{ x }}), epilogue(s{{ i }}_{{ x + 1 }}[{{ q }}], to{{ x }} + 1u)));
      }
      {% endfor %}
      {% else %}
      {% for x in range(m) %}
      if (x + {{ x }}u < {{ target_w }}u) { output[first + {{ i * target_w + x }}u] = epilogue(s{{ i }}_{{ x }}[{{ q }}], first + {{ i * target_w + x }}u); }
      {% endfor %}
      {% endif %}
    }
    {% endfor %}
  }
  {% endfor %}
}
