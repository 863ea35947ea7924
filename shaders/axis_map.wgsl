// axis_map: output[a,t,b] = sum of weight[t,e] input[a,column[t,e],b] over the entries e of t, in their order
//
// An invocation computes {{ "one vec4 of neighbouring b" if vec4 else "one element" }} of t {{ "for " ~ rows ~ " neighbouring a, which have the same weights" if rows > 1 }}, a workgroup 64.
{% if pairs > 0 %}
// Each t has {{ pairs }} pair{{ "s" if pairs > 1 }} of entries{{ ", those behind its last of weight 0" if ragged }}.
{% else %}
// The entries of t are those from starts[t] to starts[t + 1]{{ ", of which the " ~ first ~ "th and those behind it are added here" if carried }}.
{% endif %}
//
// input ({{ outer }}, {{ inputs }}, {{ inner }}), output ({{ outer }}, {{ outputs }}, {{ inner }}) {{ "vec4" if vec4 else "elements" }}
{% include "common/group.wgsl" %}
{% set element = "vec4<f32>" if vec4 else "f32" %}
{% set stored = "Four" if vec4 else "f32" %}
{% set four = "four" if vec4 else "" %}
{% set to_four = "to_four" if vec4 else "" %}
{% set unit = 4 if vec4 else 1 %}
{% if vec4 %}
{% include "common/four.wgsl" %}
{% endif %}

const INNER = {{ inner }}u;
const INPUT_PLANE = {{ inputs * inner }}u;
const OUTPUT_PLANE = {{ outputs * inner }}u;

@group(0) @binding(0) var<storage, read> input: array<{{ stored }}>;
{% if pairs > 0 %}
// Two entries each: a position in a plane (inputs, inner) and the bits of its weight.
@group(0) @binding(1) var<storage, read> entries: array<vec4<u32>>;
{% else %}
@group(0) @binding(1) var<storage, read> starts: array<u32>;
// Of each a position in a plane (inputs, inner) and the bits of its weight.
@group(0) @binding(2) var<storage, read> entries: array<vec2<u32>>;
{% endif %}
@group(0) @binding({{ 2 if pairs > 0 else 3 }}) var<storage, read_write> output: array<{{ stored }}>;

@compute @workgroup_size(64)
fn axis_map(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ units }}u) { return; }
  let t = i / INNER % {{ outputs }}u;
  let a = i / OUTPUT_PLANE * {{ rows }}u;
  let source = {{ first_input // unit }}u + a * INPUT_PLANE + i % INNER;
  let to = {{ first_output // unit }}u + a * OUTPUT_PLANE + i % OUTPUT_PLANE;
  {% for r in range(rows) %}
  var s{{ r }} = {{ four ~ "(output[to + " ~ r ~ "u * OUTPUT_PLANE])" if carried else element ~ "()" }};
  {% endfor %}
  {% if pairs > 0 %}
  {% for p in range(pairs) %}
  let e{{ p }} = entries[t * {{ pairs }}u + {{ p }}u];
  {% for half in ["xy", "zw"] %}
  {% set position = "e" ~ p ~ "." ~ half[0] %}
  {% set weight = "w" ~ p ~ half[0] %}
  let {{ weight }} = bitcast<f32>(e{{ p }}.{{ half[1] }});
  {% for r in range(rows) %}
  {% set sum = "fma(" ~ element ~ "(" ~ weight ~ "), " ~ four ~ "(input[source + " ~ r ~ "u * INPUT_PLANE + " ~ position ~ "]), s" ~ r ~ ")" %}
  s{{ r }} = {{ "select(s" ~ r ~ ", " ~ sum ~ ", " ~ weight ~ " != 0.0)" if ragged else sum }};
  {% endfor %}
  {% endfor %}
  {% endfor %}
  {% else %}
  let last = {{ "min(starts[t] + " ~ last ~ "u, starts[t + 1u])" if cut else "starts[t + 1u]" }};
  for (var e = starts[t] + {{ first }}u; e < last; e++) {
    let entry = entries[e];
    let weight = {{ element }}(bitcast<f32>(entry.y));
    {% for r in range(rows) %}
    s{{ r }} = fma(weight, {{ four }}(input[source + {{ r }}u * INPUT_PLANE + entry.x]), s{{ r }});
    {% endfor %}
  }
  {% endif %}
  {% for r in range(rows) %}
  output[to + {{ r }}u * OUTPUT_PLANE] = {{ to_four }}(s{{ r }});
  {% endfor %}
}
