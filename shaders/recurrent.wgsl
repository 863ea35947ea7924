// recurrent ({{ kind }}): hidden[t] = cell(gates[t] + hidden[t {{ "+" if reverse else "-" }} 1] weight_hh^T, state), the mask's 0 keeps the state
//
// A step is two passes over the units: the product, in which an invocation computes {{ rows }} batch rows of {{ 4 * fours }} units of
// {{ "a gate" if together == 1 else "all gates" }}, then the cell, a row at a time. {% if slices > 1 %}An invocation meets
// the same units in both.
{% elif merged %}Here each
// invocation has all of its units at once and keeps their sums.
{% else %}In between the sums stand where the cell's results will: in {{ "reserve" if reserved else "hidden" }}. An
// invocation meets the same units in both.
{% endif %}
{% if whole %}
// One workgroup of {{ lanes }} invocations runs its rows through all steps: rows do not depend on each other. The states of the
// rows stand in workgroup memory, two steps of them, so that one barrier a step is enough.
{% if last_step - first_step < steps %}
// Here steps {{ first_step }} to {{ last_step }} alone, in their order; the launch before has left the state in hidden{{ " and cells" if kind == "lstm" }}.
{% endif %}
{% else %}
// One launch a step, workgroups of {{ lanes }} invocations along the units: the state comes from the step before it in device memory.
{% endif %}
{% if shuffle %}
// Each lane loads {{ 4 * fours }} terms of one row of the state and the subgroup passes them round, as in matmul.
{% endif %}
{% if slices > 1 %}
// {{ slices }} slices of the workgroup share the terms of the product, so that few units are still many invocations; the first
// begins with the gates, has the sum, keeps it in workgroup memory and computes the cell.
{% endif %}
//
// gates (T, B, {{ gates }} H), weight (H, {{ gates }}, {{ padded }}), which is weight_hh ({{ gates }}, H, H) transposed with the units of a gate padded, first_h and first_c (B, H), bias_hh ({{ gates }} H), mask (T, B); hidden and cells (T, B, H),
// reserve (T, B, 5 H). A binding may begin before the step's part: the offsets count elements.
{% include "common/group.wgsl" %}

// Words of {{ 4 * fours }} units, rounded up.
const WORDS = {{ (hidden + 4 * fours - 1) // (4 * fours) }}u;
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_memory.wgsl" import word, element, position, split, load, load_weight, terms, joined, store, multiply_add, for_terms, begin, add_slices, own_sum %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<{{ {"mask": "f32", "weight": word}[b.name] | default(element) }}>;
{% endfor %}
{% if whole %}
var<workgroup> state: array<{{ word }}, {{ 2 * rows * ((hidden + 4 * fours - 1) // (4 * fours)) }}>;
{% endif %}
{% if slices > 1 %}
var<workgroup> partial: array<vec4<f32>, {{ halves[0] * lanes * rows * together }}>;
{% endif %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{% set sums = "reserve" if reserved else "hidden" %}
{# Whether a step needs the units' own state before it, besides the product. #}
{% set keeps_h = gru or masked %}

{# Some terms of the state of one row; what is behind the last unit is 0 in workgroup memory. #}
{% macro held_at(name, slot, row) %}
{% if whole %}
      {{ split(name, "state[from_state + " ~ slot ~ " * WORDS + k]") }}
{% else %}
      {{ terms(name, previous, previous_offset ~ "u + " ~ row ~ " * H", "H") }}
{% endif %}
{% endmacro %}
{# Where the sum of a row and gate stands until the cell reads it: in the reserve, where the GRU's last sum stays. #}
{% macro sum_at(row, gate) %}
{%- if reserved -%}
{{ reserve_offset }}u + ((t * B + {{ row }}) * 5u + {{ "select(" ~ gate ~ ", 3u, " ~ gate ~ " == 2u)" if gru else gate }}) * H
{%- else -%}
{{ hidden_offset }}u + (t * B + {{ row }}) * H
{%- endif -%}
{% endmacro %}
{# Whether the gates' input to gate q is added before the product: the GRU's last is not added to the sum. #}
{% macro in_sum(q) %}{{ "yes" if not (gru and q == 2) }}{% endmacro %}
{# Input and sum of gate q. #}
{% macro total(q, v) %}{{ "x" ~ q ~ "_" ~ v ~ " + " if slices == 1 }}z{{ q }}_{{ v }}{% endmacro %}
{% macro gate(q) %}{{ "q" if together == 1 else q ~ "u" }}{% endmacro %}
{# Keeps a row's state for the next step, 0 behind the last unit. #}
{% macro keep(slot, name) %}
{% if hidden == padded %}
      state[{{ slot }} * WORDS + start / {{ 4 * fours }}u] = {{ joined(name) }};
{% else %}
{% for v in range(fours) %}
      let kept_{{ v }} = only_first(H, {{ name }}_{{ v }}, start + {{ 4 * v }}u);
{% endfor %}
      state[{{ slot }} * WORDS + start / {{ 4 * fours }}u] = {{ joined("kept") }};
{% endif %}
{% endmacro %}
@compute @workgroup_size({{ lanes * slices }})
fn recurrent(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/recurrent_rows.wgsl" %}
  {% if whole %}
  for (var block = 0u; block < {{ tiles }}u; block++) {
    {{ position("block") }}
    if (start < {{ 4 * fours }}u * WORDS) {
      {% for i in range(rows) %}
      {% if first_step == 0 %}
      {{ load("h" ~ i, "first_h", "row" ~ i ~ " * H") }}
      {% else %}
      {{ load("h" ~ i, "hidden", "(" ~ before * batch ~ "u + row" ~ i ~ ") * H") }}
      {% endif %}
      { {{ keep((first_step % 2 * rows + i) ~ "u", "h" ~ i) }} }
      {% endfor %}
    }
  }
  {% if merged and bias %}
  {{ position("0u") }}
  {% for q in range(gates) %}
  {{ load("bias" ~ q, "bias_hh", q ~ "u * H") }}
  {% endfor %}
  {% endif %}
  workgroupBarrier();
  for (var s = {{ first_step }}u; s < {{ last_step }}u; s++) {
    let t = {{ "T - 1u - s" if reverse else "s" }};
    let before = {{ "t + 1u" if reverse else "t - 1u" }};
    let from_state = s % 2u * ROWS * WORDS;
    let to_slot = (s + 1u) % 2u * ROWS;
  {% else %}
  {
    let t = 0u;
  {% endif %}
    for (var block = first_tile; block < first_tile + {{ tiles }}u; block++) {
    {{ position("block") }}
    {% if together == 1 %}
    for (var q = 0u; q < {{ gates }}u; q++) {
    {% else %}
    {
    {% endif %}
      {% for q in range(together) %}
      {% if bias and not merged %}
      {{ load("bias" ~ q, "bias_hh", gate(q) ~ " * H") }}
      {% endif %}
      {% for i in range(rows) %}
      {% if slices > 1 and in_sum(q) %}
      {{ load("x" ~ i ~ "_" ~ q, "gates", gates_offset ~ "u + ((t * B + row" ~ i ~ ") * " ~ gates ~ "u + " ~ gate(q) ~ ") * H") }}
      {% endif %}
      {% for v in range(fours) %}
      {% if slices > 1 and in_sum(q) %}
      var z{{ i }}_{{ q }}_{{ v }} = {{ begin("x" ~ i ~ "_" ~ q ~ "_" ~ v ~ (" + bias" ~ q ~ "_" ~ v if bias)) }};
      {% else %}
      var z{{ i }}_{{ q }}_{{ v }} = {{ begin("bias" ~ q ~ "_" ~ v) if bias else "vec4<f32>()" }};
      {% endif %}
      {% endfor %}
      {% endfor %}
      {% endfor %}
      {{ for_terms((hidden + 4 * fours - 1) // (4 * fours)) }}
        {% for q in range(together) %}
        {% for e in range(4 * fours) %}
        {{ load_weight("w" ~ q ~ "_" ~ e, "weight", "min(k * " ~ 4 * fours ~ "u + " ~ e ~ "u, H - 1u) * " ~ row ~ "u + " ~ gate(q) ~ " * " ~ padded ~ "u") }}
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
        {% for q in range(together) %}
{{ multiply_add("z" ~ i ~ "_" ~ q, "a" ~ i, "w" ~ q) }}
        {% endfor %}
        {% endfor %}
      }
      {{ add_slices("z", rows * together, together) if slices > 1 }}
      {% if slices > 1 %}
      if (slice == 0u) {
        {% for i in range(rows) %}
        {% for q in range(together) %}
        {{ own_sum(i * together + q) }} = z{{ i }}_{{ q }}_0;
        {% endfor %}
        {% endfor %}
      }
      {% elif not merged %}
      {% for i in range(rows) %}
      let ok{{ i }} = (first_row + {{ i }}u < B) & (start < H);
      {% for q in range(together) %}
      {{ store("ok" ~ i, sums, sum_at("row" ~ i, gate(q)), "z" ~ i ~ "_" ~ q) }}
      {% endfor %}
      {% endfor %}
      {% endif %}
    {% if not merged %}
    }
    }
    for (var block = first_tile; block < first_tile + {{ tiles }}u; block++) {
    {{ position("block") }}
    {% endif %}
    if (start >= H{{ " || slice > 0u" if slices > 1 }}) { break; }
    for (var i = 0u; i < min(ROWS, B - first_row); i++) {
    let row = first_row + i;
    {% set at = "(t * B + row)" %}
    {% for q in range(gates) %}
    {% if slices > 1 %}
    let z{{ q }}_0 = {{ own_sum("i * " ~ gates ~ "u + " ~ q ~ "u") }};
    {% elif merged %}
    {% for v in range(fours) %}
    let z{{ q }}_{{ v }} = z0_{{ q }}_{{ v }};
    {% endfor %}
    {% else %}
    {{ load("z" ~ q, sums, sum_at("row", q ~ "u")) }}
    {% endif %}
    {% if slices == 1 or not in_sum(q) %}
    {{ load("x" ~ q, "gates", gates_offset ~ "u + (" ~ at ~ " * " ~ gates ~ "u + " ~ q ~ "u) * H") }}
    {% endif %}
    {% endfor %}
    {% if keeps_h and whole %}
    {{ split("h", "state[from_state + i * WORDS + start / " ~ 4 * fours ~ "u]") }}
    {% elif keeps_h %}
    {{ load("h", previous, previous_offset ~ "u + row * H") }}
    {% endif %}
    {% if lstm and whole %}
    {% for v in range(fours) %}
    var c_{{ v }}: vec4<f32>;
    {% endfor %}
    {% for from in [("s == 0u", "first_c", "row * H"), ("s > 0u", "cells", "(before * B + row) * H")] if first_step == 0 or from[1] == "cells" %}
    if ({{ from[0] }}) {
      {{ load("from", from[1], from[2]) }}
      {% for v in range(fours) %}
      c_{{ v }} = from_{{ v }};
      {% endfor %}
    }
    {% endfor %}
    {% elif lstm %}
    {{ load("c", previous_cell, previous_cell_offset ~ "u + row * H") }}
    {% endif %}
    {% if masked %}
    let within = mask[{{ mask_offset }}u + t * B + row] != 0.0;
    {% endif %}
    {% for v in range(fours) %}
    {% if lstm %}
    let i_{{ v }} = sigmoid4({{ total(0, v) }});
    let f_{{ v }} = sigmoid4({{ total(1, v) }});
    let g_{{ v }} = tanh4({{ total(2, v) }});
    let o_{{ v }} = sigmoid4({{ total(3, v) }});
    let new_c_{{ v }} = fma(f_{{ v }}, c_{{ v }}, i_{{ v }} * g_{{ v }});
    let new_h_{{ v }} = o_{{ v }} * tanh4(new_c_{{ v }});
    {% elif gru %}
    let r_{{ v }} = sigmoid4({{ total(0, v) }});
    let u_{{ v }} = sigmoid4({{ total(1, v) }});
    let n_{{ v }} = tanh4(fma(r_{{ v }}, z2_{{ v }}, x2_{{ v }}));
    let new_h_{{ v }} = fma(u_{{ v }}, h_{{ v }} - n_{{ v }}, n_{{ v }});
    {% elif kind == "rnn_tanh" %}
    let new_h_{{ v }} = tanh4({{ total(0, v) }});
    {% else %}
    let sum_{{ v }} = {{ total(0, v) }};
    let new_h_{{ v }} = relu4(sum_{{ v }}, sum_{{ v }});
    {% endif %}
    {% if masked %}
    let next_h_{{ v }} = select(h_{{ v }}, new_h_{{ v }}, within);
    {% if lstm %}
    let next_c_{{ v }} = select(c_{{ v }}, new_c_{{ v }}, within);
    {% endif %}
    {% endif %}
    {% endfor %}
    {% for part in {"lstm": ["i", "f", "g", "o", "c"], "gru": ["r", "u", "n", "z2" if slices > 1 or merged else "", "h"]}[kind] | default([]) %}
    {% if part %}
    {{ store("", "reserve", reserve_offset ~ "u + (" ~ at ~ " * 5u + " ~ loop.index0 ~ "u) * H", part) }}
    {% endif %}
    {% endfor %}
    {% set next = "next" if masked else "new" %}
    {{ store("", "hidden", hidden_offset ~ "u + " ~ at ~ " * H", next ~ "_h") }}
    {% if lstm %}
    {{ store("", "cells", cells_offset ~ "u + " ~ at ~ " * H", next ~ "_c") }}
    {% endif %}
    {% if whole %}
{{ keep("(to_slot + i)", next ~ "_h") }}
    {% endif %}
    }
    {% if merged %}
    }
    {% endif %}
    }
    {% if whole %}
    workgroupBarrier();
    {% endif %}
  }
}
