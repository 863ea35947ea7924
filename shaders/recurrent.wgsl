// recurrent ({{ kind }}): hidden[t] = cell(gates[t] + hidden[t {{ "+" if reverse else "-" }} 1] weight_hh^T, state), the mask's 0 keeps the state
//
// An invocation computes {{ rows }} batch rows of {{ 4 * fours }} neighbouring units, all {{ gates }} gates of them, so that the step after the
// product needs no other invocation. A workgroup is {{ lanes }} invocations along the units.
{% if whole %}
// One workgroup runs its rows through all steps, {{ tiles }} tiles of units one after another: rows do not depend on each
// other. The states of the rows stand in workgroup memory, two steps of them, so that one barrier a step is enough.
{% else %}
// One launch a step: the grid covers rows and units, the state comes from the step before it in device memory.
{% endif %}
{% if shuffle %}
// Each lane loads {{ 4 * fours }} terms of one row of the state and the subgroup passes them round, as in matmul.
{% endif %}
//
// gates (T, B, {{ gates }} H), weight (H, {{ row }}), which is weight_hh ({{ gates }} H, H) transposed, first_h and first_c (B, H), bias_hh ({{ gates }} H), mask (T, B); hidden and cells (T, B, H),
// reserve (T, B, 5 H). A binding may begin before the step's part: the offsets count elements.
{% include "common/group.wgsl" %}

const B = {{ batch }}u;
const H = {{ hidden }}u;
const T = {{ steps }}u;
const ROWS = {{ rows }}u;
// Words of {{ 4 * fours }} units, rounded up.
const WORDS = {{ (hidden + 4 * fours - 1) // (4 * fours) }}u;
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_memory.wgsl" import quad, word, element, place, split, load, terms, joined, store, multiply_add %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<{{ "f32" if b.name == "mask" else element }}>;
{% endfor %}
{% if whole %}
var<workgroup> state: array<{{ word }}, {{ 2 * rows * ((hidden + 4 * fours - 1) // (4 * fours)) }}>;
{% endif %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{# Whether a step needs the units' own state before it, besides the product. #}
{% set keeps_h = gru or masked %}

{# Some terms of the state of one row; what is behind the last unit is 0 in workgroup memory. #}
{% macro held_at(name, slot, row) %}
{% if whole %}
{% if vec4 %}
      {{ split(name, "state[from_state + " ~ slot ~ " * WORDS + k]") }}
{% else %}
      let {{ name }}_0 = four(state[from_state + {{ slot }} * WORDS + k]);
{% endif %}
{% elif vec4 %}
      {{ terms(name, previous, previous_offset ~ "u + " ~ row ~ " * H", "H") }}
{% else %}
      {{ terms(name ~ "_any", previous, previous_offset ~ "u + " ~ row ~ " * H", "H") }}
      let {{ name }}_0 = only_first(H, {{ name }}_any_0, 4u * k);
{% endif %}
{% endmacro %}
{# Keeps a row's state for the next step, 0 behind the last unit. #}
{% macro keep(slot, name) %}
{% if vec4 %}
      state[{{ slot }} * WORDS + start / {{ 4 * fours }}u] = {{ joined(name) }};
{% else %}
      state[{{ slot }} * WORDS + start / 4u] = word(only_first(H, {{ name }}_0, start));
{% endif %}
{% endmacro %}
@compute @workgroup_size({{ lanes }})
fn recurrent(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/recurrent_rows.wgsl" %}
  {% if whole %}
  for (var block = 0u; block < {{ tiles }}u; block++) {
    {{ place("block") }}
    if (start < {{ 4 * fours }}u * WORDS) {
      {% for i in range(rows) %}
      {{ load("h" ~ i, "first_h", "row" ~ i ~ " * H") }}
      {{ keep(i ~ "u", "h" ~ i) }}
      {% endfor %}
    }
  }
  workgroupBarrier();
  for (var s = 0u; s < T; s++) {
    let t = {{ "T - 1u - s" if reverse else "s" }};
    let before = {{ "t + 1u" if reverse else "t - 1u" }};
    let from_state = s % 2u * ROWS * WORDS;
    let to_slot = (s + 1u) % 2u * ROWS;
  {% else %}
  {
    let t = 0u;
  {% endif %}
    for (var block = first_tile; block < first_tile + {{ tiles }}u; block++) {
    {{ place("block") }}
    {# Some gates at a time: a longer loop does not fit a CPU's cache of decoded instructions. #}
    {% for first in range(0, gates, gates_at_once) %}
    {% set some = range(first, [first + gates_at_once, gates] | min) %}
    {% for q in some %}
    {% if bias %}
    {{ load("bias" ~ q, "bias_hh", q * hidden ~ "u") }}
    {% endif %}
    {% for i in range(rows) %}
    {% if not gru %}
    {{ load("x" ~ i ~ "_" ~ q, "gates", gates_offset ~ "u + ((t * B + row" ~ i ~ ") * " ~ gates ~ "u + " ~ q ~ "u) * H") }}
    {% endif %}
    {% for v in range(fours) %}
    var z{{ i }}_{{ q }}_{{ v }} = {{ "x" ~ i ~ "_" ~ q ~ "_" ~ v if not gru }}{{ " + " if bias and not gru }}{{ "bias" ~ q ~ "_" ~ v if bias }}{{ "vec4<f32>()" if gru and not bias }};
    {% endfor %}
    {% endfor %}
    {% endfor %}
    for (var k = 0u; k < WORDS; k++) {
      {% for q in some %}
      {% for e in range(4 * fours) %}
      {{ load("w" ~ q ~ "_" ~ e, "weight", "min(k * " ~ 4 * fours ~ "u + " ~ e ~ "u, H - 1u) * " ~ row ~ "u + " ~ q * hidden ~ "u") }}
      {% endfor %}
      {% endfor %}
      {% if shuffle %}
      {% for g in range(rows // 8) %}
{{ held_at("held" ~ g, "held_slot" ~ g, "held_row" ~ g) }}
      {% endfor %}
      {% endif %}
      {% for i in range(rows) %}
      {% if shuffle %}
      {% for f in range(fours) %}
      let a{{ i }}_{{ f }} = subgroupShuffle(held{{ i // 8 }}_{{ f }}, {{ i % 8 }}u);
      {% endfor %}
      {% else %}
{{ held_at("a" ~ i, i ~ "u", "row" ~ i) }}
      {% endif %}
      {% for q in some %}
{{ multiply_add("z" ~ i ~ "_" ~ q, "a" ~ i, "w" ~ q) }}
      {% endfor %}
      {% endfor %}
    }
    {% endfor %}
    {% for i in range(rows) %}
    {% set at = "(t * B + row" ~ i ~ ")" %}
    {% set ok = "ok" ~ i %}
    let ok{{ i }} = (first_row + {{ i }}u < B) & (start < H);
    {% if keeps_h and whole and vec4 %}
    {{ split("h" ~ i, "state[from_state + " ~ i ~ "u * WORDS + min(start / " ~ 4 * fours ~ "u, WORDS - 1u)]") }}
    {% elif keeps_h and whole %}
    let h{{ i }}_0 = four(state[from_state + {{ i }}u * WORDS + min(start / 4u, WORDS - 1u)]);
    {% elif keeps_h %}
    {{ load("h" ~ i, previous, previous_offset ~ "u + row" ~ i ~ " * H") }}
    {% endif %}
    {% if masked %}
    let within{{ i }} = mask[{{ mask_offset }}u + t * B + row{{ i }}] != 0.0;
    {% endif %}
    {% if lstm or gru %}
    {% set kept = reserve_offset ~ "u + " ~ at ~ " * 5u * H + " %}
    {% endif %}
    {% if lstm and whole %}
    {% for v in range(fours) %}
    var c{{ i }}_{{ v }}: vec4<f32>;
    {% endfor %}
    if (s == 0u) {
      {{ load("from", "first_c", "row" ~ i ~ " * H") }}
      {% for v in range(fours) %}
      c{{ i }}_{{ v }} = from_{{ v }};
      {% endfor %}
    } else {
      {{ load("from", "cells", "(before * B + row" ~ i ~ ") * H") }}
      {% for v in range(fours) %}
      c{{ i }}_{{ v }} = from_{{ v }};
      {% endfor %}
    }
    {% elif lstm %}
    {{ load("c" ~ i, previous_cell, previous_cell_offset ~ "u + row" ~ i ~ " * H") }}
    {% endif %}
    {% if gru %}
    {% set input = gates_offset ~ "u + " ~ at ~ " * 3u * H + " %}
    {% for q in range(3) %}
    {{ load("x" ~ i ~ "_" ~ q, "gates", input ~ q ~ "u * H") }}
    {% endfor %}
    {% endif %}
    {% for v in range(fours) %}
    {% set n = i ~ "_" ~ v %}
    {% if lstm %}
    let i{{ n }} = sigmoid4(z{{ i }}_0_{{ v }});
    let f{{ n }} = sigmoid4(z{{ i }}_1_{{ v }});
    let g{{ n }} = tanh4(z{{ i }}_2_{{ v }});
    let o{{ n }} = sigmoid4(z{{ i }}_3_{{ v }});
    let new_c{{ n }} = fma(f{{ n }}, c{{ n }}, i{{ n }} * g{{ n }});
    let new_h{{ n }} = o{{ n }} * tanh4(new_c{{ n }});
    {% elif gru %}
    let r{{ n }} = sigmoid4(x{{ i }}_0_{{ v }} + z{{ i }}_0_{{ v }});
    let u{{ n }} = sigmoid4(x{{ i }}_1_{{ v }} + z{{ i }}_1_{{ v }});
    let n{{ n }} = tanh4(fma(r{{ n }}, z{{ i }}_2_{{ v }}, x{{ i }}_2_{{ v }}));
    let new_h{{ n }} = fma(u{{ n }}, h{{ n }} - n{{ n }}, n{{ n }});
    {% elif kind == "rnn_tanh" %}
    let new_h{{ n }} = tanh4(z{{ i }}_0_{{ v }});
    {% else %}
    let new_h{{ n }} = max(z{{ i }}_0_{{ v }}, vec4<f32>());
    {% endif %}
    {% if masked %}
    let next_h{{ n }} = select(h{{ n }}, new_h{{ n }}, within{{ i }});
    {% if lstm %}
    let next_c{{ n }} = select(c{{ n }}, new_c{{ n }}, within{{ i }});
    {% endif %}
    {% endif %}
    {% endfor %}
    {% if lstm %}
    {% for part in ["i", "f", "g", "o", "c"] %}
    {{ store(ok, "reserve", kept ~ loop.index0 ~ "u * H", part ~ i) }}
    {% endfor %}
    {% elif gru %}
    {% for part in ["r" ~ i, "u" ~ i, "n" ~ i, "z" ~ i ~ "_2", "h" ~ i] %}
    {{ store(ok, "reserve", kept ~ loop.index0 ~ "u * H", part) }}
    {% endfor %}
    {% endif %}
    {% set next = "next" if masked else "new" %}
    {{ store(ok, "hidden", hidden_offset ~ "u + " ~ at ~ " * H", next ~ "_h" ~ i) }}
    {% if lstm %}
    {{ store(ok, "cells", cells_offset ~ "u + " ~ at ~ " * H", next ~ "_c" ~ i) }}
    {% endif %}
    {% endfor %}
    {% if whole %}
    {% set next = "next" if masked else "new" %}
    if (start < {{ 4 * fours }}u * WORDS) {
      {% for i in range(rows) %}
{{ keep("(to_slot + " ~ i ~ "u)", next ~ "_h" ~ i) }}
      {% endfor %}
    }
    {% endif %}
    }
    {% if whole %}
    workgroupBarrier();
    {% endif %}
  }
}
