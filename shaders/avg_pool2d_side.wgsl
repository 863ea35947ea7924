// avg_pool2d_side: output[o,p,i] = sum of input[o,t,i]{{ " / divisor" if divide == "first" }} over {{ "the windows t that contain p" if backward else "the taps t of window p" }}{{ ", / divisor" if divide == "last" }}
//
// One of two passes of {{ "the gradient of an average pool" if backward else "an average pool" }}, along {{ "the height" if down else "the width" }} alone.
// An invocation computes {{ many ~ " neighbours along that side" if many > 1 else "one position of that side" }}{{ ", on into the next line" if straddle }}, which share their loads{{ ", of " ~ unit ~ " columns" if unit > 1 and not joined }};
// a workgroup is 64 invocations.
{% if carried or not done %}
// Terms {{ outer_first }} to {{ outer_last }} of those of an invocation{{ ", added to those before" if carried }}.
{% endif %}
//
// input (O, {{ length }}, {{ inner }}), output (O, {{ positions }}, {{ inner }}); O = {{ lines }}
{% include "common/group.wgsl" %}
{% if divide and area == 0 %}
{% include "common/avg_window.wgsl" %}
{% endif %}
{% if unit > 1 %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type, load, number, zero %}
{# Neighbouring columns that are loaded as one, and neighbouring positions that are stored as one. #}
{% set columns = 1 if joined else unit %}
{% set stored = unit if joined else 1 %}
{% set units = inner // columns %}

const LENGTH = {{ length }};
const POSITIONS = {{ positions }};
const UNITS = {{ units }};     // of a line's inner elements

@group(0) @binding(0) var<storage, read> input: array<{{ type(columns) }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ type(unit) }}>;

// The terms of position p: from the first to before the end.
{% if backward %}
fn first_term(p: i32) -> i32 { return {{ div_i32("max(p + " ~ (before + stride - kernel) ~ ", 0)", stride) }}; }
fn end_term(p: i32) -> i32 { return min({{ div_i32("p + " ~ before, stride) }} + 1, LENGTH); }
{% else %}
fn first_term(p: i32) -> i32 { return max(p * {{ stride }} - {{ before }}, 0); }
fn end_term(p: i32) -> i32 { return min(p * {{ stride }} + {{ kernel - before }}, LENGTH); }
{% endif %}

// A quotient whose errors do not all point one way, as those of drivers that multiply by a rounded reciprocal do: its
// remainder is divided once more, where it is finite.
fn quotient(sum: f32, by: f32) -> f32 {
  let first = sum / by;
  let rest = fma(-first, by, sum);
  return select(first, first + rest / by, abs(rest) <= abs(sum));
}
{# Divided as row i of windows and the columns from j on are. #}
{% macro divided(value, i, j) %}
{%- if columns > 1 %}vec{{ columns }}<f32>({% endif -%}
{%- for q in range(columns) -%}
quotient({{ number(value, columns, q) }}, {% if area %}{{ area }}.0{% else %}divisor({{ i }}, {{ j }}{{ " + " ~ q if q }}){% endif %}){{ ", " if not loop.last }}
{%- endfor -%}
{{- ")" if columns > 1 }}
{%- endmacro %}

@compute @workgroup_size(64)
fn avg_pool2d_side(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = i32(flat_group(workgroup) * 64u + lane.x);
  if (at >= {{ invocations }}) { return; }
  let i = {{ "at % UNITS" if units > 1 else "0" }};
  let run = {{ "at / UNITS" if units > 1 else "at" }};
  {% for q in range(many) %}
  {% if straddle %}
  let all{{ q }} = min(run * {{ many }} + {{ q }}, {{ lines * positions - 1 }});
  let o{{ q }} = all{{ q }} / POSITIONS;
  let p{{ q }} = all{{ q }} % POSITIONS;
  {% else %}
  let o{{ q }} = run / {{ runs }};
  let p{{ q }} = min(run % {{ runs }} * {{ many }} + {{ q }}, POSITIONS - 1);
  {% endif %}
  let first{{ q }} = o{{ q }} * LENGTH + first_term(p{{ q }});
  let end{{ q }} = o{{ q }} * LENGTH + end_term(p{{ q }});
  {% endfor %}
  {% if joined %}
  {% for s in range(0, many, stored) %}
  {% if carried %}
  let before{{ s }} = {{ load("output[min(run * " ~ many ~ " + " ~ s ~ ", " ~ (lines * positions - stored) ~ ") / " ~ stored ~ "]", stored) }};
  {% endif %}
  {% for q in range(s, s + stored) %}
  var sum{{ q }} = {{ ("before" ~ s ~ ("[" ~ (q - s) ~ "]" if stored > 1)) if carried else "0.0" }};
  {% endfor %}
  {% endfor %}
  {% else %}
  {% for q in range(many) %}
  var sum{{ q }} = {{ load("output[(o" ~ q ~ " * POSITIONS + p" ~ q ~ ") * UNITS + i]", unit) if carried else zero(unit) }};
  {% endfor %}
  {% endif %}
  for (var f = first0 + {{ outer_first }}; f < min(first0 + {{ outer_last }}, end{{ many - 1 }}); f++) {
    let loaded = {{ load("input[f * UNITS + i]", columns) }};
    {% if divide == "first" %}
    let t = f{{ " % LENGTH" if straddle or not down else " - o0 * LENGTH" }};
    let value = {{ divided("loaded", "t", "i * " ~ columns) if down else divided("loaded", "f / LENGTH % " ~ whole_oh, "t") }};
    {% else %}
    let value = loaded;
    {% endif %}
    {% for q in range(many) %}
    sum{{ q }} += {{ "value" if many == 1 else "select(" ~ zero(columns) ~ ", value, (f >= first" ~ q ~ ") & (f < end" ~ q ~ "))" }};
    {% endfor %}
  }
  {% for q in range(many) %}
  {% if divide == "last" and done %}
  let out{{ q }} = {{ divided("sum" ~ q, "p" ~ q, "i * " ~ columns) if down else divided("sum" ~ q, "o" ~ q ~ " % " ~ whole_oh, "p" ~ q) }};
  {% else %}
  let out{{ q }} = sum{{ q }};
  {% endif %}
  {% endfor %}
  {% for s in range(0, many, stored) %}
  {% set run_position = "run * " ~ many ~ " + " ~ s %}
  {% set inside = "" if whole_runs else "if (" ~ run_position ~ " < " ~ lines * positions ~ ") " if joined else "if (run % " ~ runs ~ " * " ~ many ~ " + " ~ s ~ " < POSITIONS) " %}
  {% if stored > 1 %}
  {% set to = {2: "to_pair(vec2<f32>(", 4: "to_four(vec4<f32>("}[stored] %}
  {{ inside }}{ output[({{ run_position }}) / {{ stored }}] = {{ to }}{% for q in range(s, s + stored) %}out{{ q }}{{ ", " if not loop.last }}{% endfor %})); }
  {% else %}
  {{ inside }}{ output[{{ run_position if joined else "(o" ~ s ~ " * POSITIONS + p" ~ s ~ ") * UNITS + i" }}] = {{ {1: "", 2: "to_pair", 4: "to_four"}[columns] }}(out{{ s }}); }
  {% endif %}
  {% endfor %}
}
