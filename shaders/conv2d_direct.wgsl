// conv2d_direct: {{ "grad_input[n,c,y,x] = sum_k,r,s grad_output[n,k,y+p-r*d,..] weight[k,c,r,s]" if backward else "output[n,k,y,x] = bias[k] + sum_c,r,s input[n,c,y*s+r*d-p,..] weight[k,c,r,s]" }}
//
// For groups of few target channels, as those of a depthwise convolution: there is no matrix to speak of. An invocation
// computes all {{ rows }} target channels of a group, {{ many * spans }} neighbouring pixels of {{ tall }} lines; a workgroup is 64 of
// them, side by side. Of each source channel it loads the weights once and every line once, {{ unit }} pixels at a time.
//
// source (N, {{ source_channels }}, {{ source_h }}, {{ source_w }}), weight (K, C / G, R, S), bias (K), target (N, {{ target_channels }}, {{ target_h }}, {{ target_w }})
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% from "common/units.wgsl" import type, load, number, zero %}
{% set vector = "f32" if many == 1 else "vec" ~ many ~ "<f32>" %}

const ROWS = {{ rows }}u;         // target channels of a group
const TERMS = {{ terms }}u;        // source channels of a group
const BLOCKS = {{ blocks }}u;       // groups
const RUNS = {{ runs }}u;         // of a line{{ ", the last of which reaches into the one before" if ragged }}
const STRIPS = {{ strips }}u;       // of an image, {{ tall }} lines each
const WIDTH = {{ source_w // unit }};        // of a source line, in elements of the binding

@group(0) @binding(0) var<storage, read> source: array<{{ type(unit) }}>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
{% if bias %}
@group(0) @binding(2) var<storage, read> bias: array<f32>;
{% endif %}
@group(0) @binding({{ 3 if bias else 2 }}) var<storage, read_write> output: array<{{ "f32" if ragged else type(many) }}>;

@compute @workgroup_size(64)
fn conv2d_direct(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ images }}u * BLOCKS * STRIPS * RUNS) { return; }
  let strip = at / RUNS % STRIPS;
  let block = at / (RUNS * STRIPS) % BLOCKS;
  let image = at / (RUNS * STRIPS * BLOCKS);
  let y = i32(strip) * {{ tall * stride_h }};
  let x = {{ "min(" if ragged }}i32(at % RUNS) * {{ step }}{{ ", " ~ last ~ ")" if ragged }}; // in elements of the binding
  {% for i in range(rows) %}
  {% for t in range(tall * spans) %}
  var s{{ i }}_{{ t }} = {{ vector }}({{ "bias[block * ROWS + " ~ i ~ "u]" if bias else "0.0" }});
  {% endfor %}
  {% endfor %}
  for (var c = 0u; c < TERMS; c++) {
    let plane = i32(((image * BLOCKS + block) * TERMS + c) * {{ source_h }}u) * WIDTH + x;
    {% for i in range(rows) %}
    let weights{{ i }} = block * {{ group_stride }}u + {{ i * row_stride }}u + c * {{ term_stride }}u;
    {% for r in range(kernel_h) %}
    {% for s in range(kernel_w) %}
    let w{{ i }}_{{ r }}_{{ s }} = {{ vector }}(weight[weights{{ i }} + {{ r * kernel_w + s }}u]);
    {% endfor %}
    {% endfor %}
    {% endfor %}
{% include "common/conv2d_lines.wgsl" %}
  }
  {% for t in range(tall) %}
  {{ "if (strip * " ~ tall ~ "u + " ~ t ~ "u < " ~ target_h ~ "u) {" if target_h % tall != 0 }}
  {% for i in range(rows) %}
  {
    let line = ((image * BLOCKS + block) * ROWS + {{ i }}u) * {{ target_h }}u + strip * {{ tall }}u + {{ t }}u;
    {% if ragged %}
    let to = line * {{ target_w }}u + min(at % RUNS * {{ many * spans }}u, {{ target_w - many * spans }}u);
    {% for q in range(many * spans) %}
    output[to + {{ q }}u] = epilogue(s{{ i }}_{{ t * spans + q // many }}[{{ q % many }}], to + {{ q }}u);
    {% endfor %}
    {% else %}
    let to = line * RUNS + at % RUNS;
    {% if many == 2 %}
    output[to] = to_pair(vec2<f32>(epilogue(s{{ i }}_{{ t }}.x, 2u * to), epilogue(s{{ i }}_{{ t }}.y, 2u * to + 1u)));
    {% else %}
    output[to] = {{ "to_four" if many == 4 }}(epilogue(s{{ i }}_{{ t }}, to));
    {% endif %}
    {% endif %}
  }
  {% endfor %}
  {{ "}" if target_h % tall != 0 }}
  {% endfor %}
}
