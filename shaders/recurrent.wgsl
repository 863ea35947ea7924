// recurrent ({{ kind }}): hidden[t] = cell(gates[t] + hidden[t {{ "+" if reverse else "-" }} 1] weight_hh^T, state), the mask's 0 keeps the state
//
// An invocation computes {{ rows }} batch rows of 4 neighbouring units, all {{ gates }} gates of them, so that the step after the
// product needs no other invocation. A workgroup is {{ lanes }} invocations along the units.
{% if whole %}
// One workgroup runs its rows through all steps, {{ tiles }} tiles of units one after another: rows do not depend on each
// other. The states of the rows stand in workgroup memory, two steps of them, so that one barrier a step is enough.
{% else %}
// One launch a step: the grid covers rows and units, the state comes from the step before it in device memory.
{% endif %}
{% if shuffle %}
// Each lane loads four terms of one row of the state and the subgroup passes them round, as in matmul.
{% endif %}
//
// gates (T, B, {{ gates }} H), weight_hh ({{ gates }} H, H), first_h and first_c (B, H), bias_hh ({{ gates }} H), mask (T, B); hidden and cells (T, B, H),
// reserve (T, B, 5 H). A binding may begin before the step's part: the offsets count elements.
{% include "common/group.wgsl" %}

const B = {{ batch }}u;
const H = {{ hidden }}u;
const T = {{ steps }}u;
const ROWS = {{ rows }}u;
// Units rounded up to whole vec4, and their vec4.
const H4 = {{ (hidden + 3) // 4 }}u;
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_memory.wgsl" import quad, element, place, load, store, terms %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<{{ "f32" if b.name == "mask" else element }}>;
{% endfor %}
{% if whole %}
var<workgroup> state: array<{{ quad }}, {{ 2 * rows * ((hidden + 3) // 4) }}>;
{% endif %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{# Whether a step needs the units' own state before it, besides the product. #}
{% set keeps_h = gru or masked %}

{# Four terms of the state of one row; lanes behind the last unit are 0 in workgroup memory. #}
{% macro held_at(slot, row) %}
{%- if whole %}four(state[from_state + {{ slot }} * H4 + k])
{%- elif vec4 %}{{ terms(previous, previous_offset ~ "u + " ~ row ~ " * H", "H") }}
{%- else %}only_first(H, {{ terms(previous, previous_offset ~ "u + " ~ row ~ " * H", "H") }}, 4u * k){% endif %}
{% endmacro %}
@compute @workgroup_size({{ lanes }})
fn recurrent(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/recurrent_rows.wgsl" %}
  {% if whole %}
  for (var block = 0u; block < {{ tiles }}u; block++) {
    {{ place("block") }}
    if (start < 4u * H4) {
      {% for i in range(rows) %}
      state[{{ i }}u * H4 + start / 4u] = word(only_first(H, {{ load("first_h", "row" ~ i ~ " * H") }}, start));
      {% endfor %}
    }
  }
  workgroupBarrier();
  for (var s = 0u; s < T; s++) {
    let t = {{ "T - 1u - s" if reverse else "s" }};
    let before = {{ "t + 1u" if reverse else "t - 1u" }};
    let from_state = s % 2u * ROWS * H4;
    let to_state = (s + 1u) % 2u * ROWS * H4;
  {% else %}
  {
    let t = 0u;
  {% endif %}
    for (var block = first_tile; block < first_tile + {{ tiles }}u; block++) {
    {{ place("block") }}
    {% for i in range(rows) %}
    let ok{{ i }} = (first_row + {{ i }}u < B) & (start < H);
    {% if keeps_h and whole %}
    let h{{ i }} = four(state[from_state + {{ i }}u * H4 + min(start / 4u, H4 - 1u)]);
    {% elif keeps_h %}
    let h{{ i }} = {{ load(previous, previous_offset ~ "u + row" ~ i ~ " * H") }};
    {% endif %}
    {% if lstm %}
    {% if whole %}
    var c{{ i }}: vec4<f32>;
    {% else %}
    let c{{ i }} = {{ load(previous_cell, previous_cell_offset ~ "u + row" ~ i ~ " * H") }};
    {% endif %}
    {% endif %}
    {% endfor %}
    {% if lstm and whole %}
    if (s == 0u) {
      {% for i in range(rows) %}
      c{{ i }} = {{ load("first_c", "row" ~ i ~ " * H") }};
      {% endfor %}
    } else {
      {% for i in range(rows) %}
      c{{ i }} = {{ load("cells", "(before * B + row" ~ i ~ ") * H") }};
      {% endfor %}
    }
    {% endif %}
    {# Some gates at a time: a longer loop does not fit a CPU's cache of decoded instructions. #}
    {% for first in range(0, gates, gates_at_once) %}
    {% set some = range(first, [first + gates_at_once, gates] | min) %}
    {% for i in range(rows) %}
    {% for q in some %}
    {% if gru %}
    var z{{ i }}_{{ q }} = {{ load("bias_hh", q * hidden ~ "u") if bias else "vec4<f32>()" }};
    {% else %}
    var z{{ i }}_{{ q }} = {{ load("gates", gates_offset ~ "u + ((t * B + row" ~ i ~ ") * " ~ gates ~ "u + " ~ q ~ "u) * H") }}{{ " + " ~ load("bias_hh", q * hidden ~ "u") if bias else "" }};
    {% endif %}
    {% endfor %}
    {% endfor %}
    for (var k = 0u; k < H4; k++) {
      {% for q in some %}
      {% for u in range(4) %}
      let w{{ q }}_{{ u }} = {{ terms("weight_hh", "(" ~ q * hidden ~ "u + " ~ ("unit + " ~ u ~ "u" if vec4 else "unit_" ~ u) ~ ") * H", "H") }};
      {% endfor %}
      {% for e in range(4) %}
      let b{{ q }}_{{ e }} = vec4<f32>(w{{ q }}_0[{{ e }}], w{{ q }}_1[{{ e }}], w{{ q }}_2[{{ e }}], w{{ q }}_3[{{ e }}]);
      {% endfor %}
      {% endfor %}
      {% if shuffle %}
      {% for g in range(rows // 8) %}
      let held{{ g }} = {{ held_at("held_slot" ~ g, "held_row" ~ g) }};
      {% endfor %}
      {% endif %}
      {% for i in range(rows) %}
      {% if shuffle %}
      let a{{ i }} = subgroupShuffle(held{{ i // 8 }}, {{ i % 8 }}u);
      {% else %}
      let a{{ i }} = {{ held_at(i ~ "u", "row" ~ i) }};
      {% endif %}
      {% for q in some %}
      {% for e in range(4) %}
      z{{ i }}_{{ q }} = fma(vec4<f32>(a{{ i }}[{{ e }}]), b{{ q }}_{{ e }}, z{{ i }}_{{ q }});
      {% endfor %}
      {% endfor %}
      {% endfor %}
    }
    {% endfor %}
    {% for i in range(rows) %}
    {% set at = "(t * B + row" ~ i ~ ")" %}
    {% set ok = "ok" ~ i %}
    {% if lstm or gru %}
    {% set kept = reserve_offset ~ "u + " ~ at ~ " * 5u * H + " %}
    {% endif %}
    {% if lstm %}
    let i{{ i }} = sigmoid4(z{{ i }}_0);
    let f{{ i }} = sigmoid4(z{{ i }}_1);
    let g{{ i }} = tanh4(z{{ i }}_2);
    let o{{ i }} = sigmoid4(z{{ i }}_3);
    {{ store(ok, "reserve", kept ~ "0u", "i" ~ i) }}
    {{ store(ok, "reserve", kept ~ "H", "f" ~ i) }}
    {{ store(ok, "reserve", kept ~ "2u * H", "g" ~ i) }}
    {{ store(ok, "reserve", kept ~ "3u * H", "o" ~ i) }}
    {{ store(ok, "reserve", kept ~ "4u * H", "c" ~ i) }}
    let new_c{{ i }} = fma(f{{ i }}, c{{ i }}, i{{ i }} * g{{ i }});
    let new_h{{ i }} = o{{ i }} * tanh4(new_c{{ i }});
    {% elif gru %}
    {% set input = gates_offset ~ "u + " ~ at ~ " * 3u * H + " %}
    let r{{ i }} = sigmoid4({{ load("gates", input ~ "0u") }} + z{{ i }}_0);
    let u_{{ i }} = sigmoid4({{ load("gates", input ~ "H") }} + z{{ i }}_1);
    let n{{ i }} = tanh4(fma(r{{ i }}, z{{ i }}_2, {{ load("gates", input ~ "2u * H") }}));
    {{ store(ok, "reserve", kept ~ "0u", "r" ~ i) }}
    {{ store(ok, "reserve", kept ~ "H", "u_" ~ i) }}
    {{ store(ok, "reserve", kept ~ "2u * H", "n" ~ i) }}
    {{ store(ok, "reserve", kept ~ "3u * H", "z" ~ i ~ "_2") }}
    {{ store(ok, "reserve", kept ~ "4u * H", "h" ~ i) }}
    let new_h{{ i }} = fma(u_{{ i }}, h{{ i }} - n{{ i }}, n{{ i }});
    {% elif kind == "rnn_tanh" %}
    let new_h{{ i }} = tanh4(z{{ i }}_0);
    {% else %}
    let new_h{{ i }} = max(z{{ i }}_0, vec4<f32>());
    {% endif %}
    {% if masked %}
    let within{{ i }} = mask[{{ mask_offset }}u + t * B + row{{ i }}] != 0.0;
    let next_h{{ i }} = select(h{{ i }}, new_h{{ i }}, within{{ i }});
    {% if lstm %}
    let next_c{{ i }} = select(c{{ i }}, new_c{{ i }}, within{{ i }});
    {% endif %}
    {% endif %}
    {% set next = "next" if masked else "new" %}
    {{ store(ok, "hidden", hidden_offset ~ "u + " ~ at ~ " * H", next ~ "_h" ~ i) }}
    {% if lstm %}
    {{ store(ok, "cells", cells_offset ~ "u + " ~ at ~ " * H", next ~ "_c" ~ i) }}
    {% endif %}
    {% endfor %}
    {% if whole %}
    {% set next = "next" if masked else "new" %}
    if (start < 4u * H4) {
      {% for i in range(rows) %}
      state[to_state + {{ i }}u * H4 + start / 4u] = word(only_first(H, {{ next }}_h{{ i }}, start));
      {% endfor %}
    }
    {% endif %}
    }
    {% if whole %}
    workgroupBarrier();
    {% endif %}
  }
}
