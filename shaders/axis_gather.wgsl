// axis_gather: output[a,t,b] = input[a,position(t),b]{{ ", 0x" ~ fill ~ " as bits where t has no input" if gaps }}
//
// An invocation copies {{ {"row": "one vec4 of neighbouring b", "quad": "the words of four neighbouring t", "word": "one word"}[how] }}, a workgroup 64. Words are copied as bits, whatever their type.
{% if rule %}
// Where a word comes from follows from t: {{ rule|length }} run{{ "s" if rule|length > 1 }} of positions that lie evenly apart.
{% else %}
// Where a word comes from is looked up.
{% endif %}
//
// input ({{ outer }}, {{ inputs }}, {{ inner }}), output ({{ outer }}, {{ outputs }}, {{ inner }}) {{ "vec4" if how == "row" else "words" }}
{% include "common/group.wgsl" %}
{# Two words of 64 bits are loaded and stored faster where loads are loops over the lanes. #}
{% set four = "vec2<u64>" if wide else "vec4<u32>" %}
{% set word = four if how == "row" else "u32" %}
{% set stored = "u32" if how == "word" else four %}
{% set looked = "vec4<u32>" if how == "quad" else "u32" %}

@group(0) @binding(0) var<storage, read> input: array<{{ word }}>;
{% if not rule %}
// Of each t its input's position in a plane (inputs, inner); all ones for none.
@group(0) @binding(1) var<storage, read> positions: array<{{ looked }}>;
{% endif %}
@group(0) @binding({{ 1 if rule else 2 }}) var<storage, read_write> output: array<{{ stored }}>;

{% if rule %}
// All ones where t has no input.
fn position(t: u32) -> u32 {
  {% for run in rule %}
  {{ "" if loop.last else "if (t < " ~ run.end ~ "u) { " }}return {{ "0xffffffffu" if run.gap else "t * " ~ run.step ~ "u + " ~ run.first ~ "u" }};{{ "" if loop.last else " }" }}
  {% endfor %}
}
{% endif %}

@compute @workgroup_size(64)
fn axis_gather(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ units }}u) { return; }
  {% if how == "quad" %}
  let plane = {{ first_input }}u + i / {{ outputs // 4 }}u * {{ inputs }}u;
  {% if rule %}
  let t = i % {{ outputs // 4 }}u * 4u;
  let at = vec4<u32>(position(t), position(t + 1u), position(t + 2u), position(t + 3u));
  {% else %}
  let at = positions[i % {{ outputs // 4 }}u];
  {% endif %}
  {% for q in range(4) %}
  {% if gaps %}
  let inside{{ q }} = at[{{ q }}] != 0xffffffffu;
  let w{{ q }} = select(0x{{ fill }}u, input[plane + select(0u, at[{{ q }}], inside{{ q }})], inside{{ q }});
  {% else %}
  let w{{ q }} = input[plane + at[{{ q }}]];
  {% endif %}
  {% endfor %}
  output[{{ first_output // 4 }}u + i] = {{ "vec2<u64>(u64(w0) | (u64(w1) << 32u), u64(w2) | (u64(w3) << 32u))" if wide else "vec4<u32>(w0, w1, w2, w3)" }};
  {% else %}
  {% set unit = 4 if how == "row" else 1 %}
  let t = i / {{ inner }}u % {{ outputs }}u;
  let at = {{ "position(t)" if rule else "positions[t]" }};
  let plane = {{ first_input // unit }}u + i / {{ outputs * inner }}u * {{ inputs * inner }}u + i % {{ inner }}u;
  {% if gaps %}
  let inside = at != 0xffffffffu;
  {% set nothing = "vec2<u64>(u64(0x" ~ fill ~ "u) | (u64(0x" ~ fill ~ "u) << 32u))" if wide and how == "row" else word ~ "(0x" ~ fill ~ "u)" %}
  output[{{ first_output // unit }}u + i] = select({{ nothing }}, input[plane + select(0u, at, inside)], inside);
  {% else %}
  output[{{ first_output // unit }}u + i] = input[plane + at];
  {% endif %}
  {% endif %}
}
