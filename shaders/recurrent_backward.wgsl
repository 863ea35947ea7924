// recurrent_backward ({{ kind }}): the errors of the gates, from the last step of the forward pass to its first
//
//   dh = grad_hidden[t] + carry + grad_gates[step after] weight_hh, then the cell's derivative gives grad_gates[t]
//
// A step is two passes over the units: the product with the errors of the step after, in which an invocation computes
// {{ rows }} batch rows of {{ 4 * fours }} units, then the cell's derivative, a row at a time. grad_state carries the
// errors of h and c from pass to pass and step to step: an invocation meets the same units in all of them.
// The product comes first, so that a launch needs no result of its own.
{% if whole %}
// One workgroup of {{ lanes }} invocations runs its rows through all steps; what they tell each other is grad_gates itself.
{% if last_step - first_step <= steps %}
// Here steps {{ first_step }} to {{ last_step }} alone, in the order of this pass.
{% endif %}
{% else %}
// One launch a step{{ ", the last of which only has the product left" if not pointwise else "" }}, workgroups of {{ lanes }} invocations along the units.
{% endif %}
{% if shuffle %}
// Each lane loads {{ 4 * fours }} terms of one row of the errors and the subgroup passes them round, as in matmul.
{% endif %}
{% if slices > 1 %}
// {{ slices }} slices of the workgroup share the terms of the product, so that few units are still many invocations; the first
// has their sum and computes the derivative.
{% endif %}
//
// grad_hidden and grad_cells (T, B, H), weight_hh ({{ gates }} H, {{ padded }}){{ ", its rows padded" if padded != hidden }}, reserve (T, B, {{ saved }} H), mask (T, B); grad_gates and
// grad_hidden_gates (T, B, {{ gates }} H), grad_state (S, B, H). A binding may begin before the step's part: the offsets count elements.
{% include "common/group.wgsl" %}

// Terms of the product.
const G = {{ gates * hidden }}u;
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_memory.wgsl" import word, element, position, split, load, load_weight, terms, joined, store, multiply_add, for_terms, begin, add_slices, own_sum %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<{{ {"mask": "f32", "weight_hh": word}[b.name] | default(element) }}>;
{% endfor %}
{% if slices > 1 %}
var<workgroup> partial: array<vec4<f32>, {{ halves[0] * lanes * rows }}>;
{% endif %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{% set errors = "grad_hidden_gates" if gru else "grad_gates" %}
{# Whether a part of the error of h passes a step by, besides the product. #}
{% set carries_h = gru or masked %}

{# Some terms of the errors of one row, 0 behind the last. #}
{% macro errors_at(name, row) %}
{% set base = after_offset ~ "u + (after * B + " ~ row ~ ") * G" %}
        {{ terms(name, errors, base, "G") }}
{% endmacro %}
{% macro product() %}
    for (var block = first_tile; block < first_tile + {{ tiles }}u; block++) {
      {{ position("block") }}
      {% for i in range(rows) %}
      {% if carries_h %}
      {{ load("carry" ~ i, "grad_state", "row" ~ i ~ " * H") }}
      {% endif %}
      {% for v in range(fours) %}
      var dh{{ i }}_{{ v }} = {{ begin("carry" ~ i ~ "_" ~ v) if carries_h else "vec4<f32>()" }};
      {% endfor %}
      {% endfor %}
      {{ for_terms((gates * hidden + 4 * fours - 1) // (4 * fours)) }}
        {% for e in range(4 * fours) %}
        {{ load_weight("w_" ~ e, "weight_hh", "min(k * " ~ 4 * fours ~ "u + " ~ e ~ "u, G - 1u) * " ~ padded ~ "u") }}
        {% endfor %}
        {% if shuffle %}
        {% for g in range(rows // 8) %}
{{ errors_at("held" ~ g, "held_row" ~ g) }}
        {% endfor %}
        {% endif %}
        {% for i in range(rows) %}
        {% if shuffle %}
        {% for f in range(fours) %}
        let a{{ i }}_{{ f }} = subgroupShuffle(held{{ i // 8 }}_{{ f }}, {{ i % 8 }}u);
        {% endfor %}
        {% else %}
{{ errors_at("a" ~ i, "row" ~ i) }}
        {% endif %}
{{ multiply_add("dh" ~ i, "a" ~ i, "w") }}
        {% endfor %}
      }
      {{ add_slices("dh", rows, 0) if slices > 1 }}
      {% for i in range(rows) %}
      let ok{{ i }} = (first_row + {{ i }}u < B) & (start < H){{ " & (slice == 0u)" if slices > 1 }};
      {{ store("ok" ~ i, "grad_state", "row" ~ i ~ " * H", "dh" ~ i) }}
      {% if slices > 1 %}
      if (slice == 0u) { {{ own_sum(i) }} = dh{{ i }}_0; }
      {% endif %}
      {% endfor %}
    }
{% endmacro %}
@compute @workgroup_size({{ lanes * slices }})
fn recurrent_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/recurrent_rows.wgsl" %}
  {% if whole %}
  for (var s = {{ first_step }}u; s < {{ last_step }}u; s++) {
    let t = {{ "s" if reverse else "T - 1u - s" }};
    let after = {{ "s - 1u" if reverse else "T - s" }};
    storageBarrier();
    if (s > 0u) {
    {{ product() }}
    }
    if (s == T) { break; }
  {% else %}
  {
    {% if product_first %}
    let after = 0u;
    {{ product() }}
    {% endif %}
    let t = 0u;
  {% endif %}
    {% if pointwise %}
    {% set carry = "s > 0u" if whole else "true" if product_first else "" %}
    for (var block = first_tile; block < first_tile + {{ tiles }}u; block++) {
    {{ position("block") }}
    if (start >= H{{ " || slice > 0u" if slices > 1 }}) { break; }
    for (var row = first_row; row < min(first_row + ROWS, B); row++) {
    {% set at = "(t * B + row)" %}
    {% set kept = reserve_offset ~ "u + " ~ at ~ " * " ~ saved ~ "u * H + " %}
    {{ load("from_above", "grad_hidden", grad_hidden_offset ~ "u + " ~ at ~ " * H") }}
    {% if grad_cells %}
    {{ load("cell_from_above", "grad_cells", grad_cells_offset ~ "u + " ~ at ~ " * H") }}
    {% endif %}
    {% for part in {"lstm": ["i", "f", "g", "o", "c"], "gru": ["r", "u", "n", "from_h", "h"]}[kind] | default(["y"]) %}
    {{ load(part, "reserve", kept ~ loop.index0 ~ "u * H") }}
    {% endfor %}
    {% for v in range(fours) %}
    var dh_{{ v }} = from_above_{{ v }};
    {% if lstm %}
    var dc_{{ v }} = {{ "cell_from_above_" ~ v if grad_cells else "vec4<f32>()" }};
    {% endif %}
    {% endfor %}
    {% if carry %}
    if ({{ carry }}) {
      {% if slices > 1 %}
      let carry_0 = {{ own_sum("row - first_row") }};
      {% else %}
      {{ load("carry", "grad_state", "row * H") }}
      {% endif %}
      {% if lstm %}
      {{ load("cell_carry", "grad_state", "(B + row) * H") }}
      {% endif %}
      {% for v in range(fours) %}
      dh_{{ v }} += carry_{{ v }};
      {% if lstm %}
      dc_{{ v }} += cell_carry_{{ v }};
      {% endif %}
      {% endfor %}
    }
    {% endif %}
    {% if masked %}
    let within = mask[{{ mask_offset }}u + t * B + row] != 0.0;
    {% endif %}
    {# What a step leaves that the row does not have: 0, whatever it holds. #}
    {% set open, close = ("select(vec4<f32>(), ", ", within)") if masked else ("", "") %}
    {% for v in range(fours) %}
    {% if lstm %}
    let tanh_c_{{ v }} = tanh4(fma(f_{{ v }}, c_{{ v }}, i_{{ v }} * g_{{ v }}));
    let e_{{ v }} = fma(dh_{{ v }} * o_{{ v }}, (1.0 - tanh_c_{{ v }}) * (1.0 + tanh_c_{{ v }}), dc_{{ v }});
    let e0_{{ v }} = {{ open }}e_{{ v }} * g_{{ v }} * i_{{ v }} * (1.0 - i_{{ v }}){{ close }};
    let e1_{{ v }} = {{ open }}e_{{ v }} * c_{{ v }} * f_{{ v }} * (1.0 - f_{{ v }}){{ close }};
    let e2_{{ v }} = {{ open }}e_{{ v }} * i_{{ v }} * (1.0 - g_{{ v }}) * (1.0 + g_{{ v }}){{ close }};
    let e3_{{ v }} = {{ open }}dh_{{ v }} * tanh_c_{{ v }} * o_{{ v }} * (1.0 - o_{{ v }}){{ close }};
    let past_h_{{ v }} = vec4<f32>();
    let past_c_{{ v }} = {{ "select(dc_" ~ v ~ ", e_" ~ v ~ " * f_" ~ v ~ ", within)" if masked else "e_" ~ v ~ " * f_" ~ v }};
    {% elif gru %}
    let e2_{{ v }} = {{ open }}dh_{{ v }} * (1.0 - u_{{ v }}) * (1.0 - n_{{ v }}) * (1.0 + n_{{ v }}){{ close }};
    let e1_{{ v }} = {{ open }}dh_{{ v }} * (h_{{ v }} - n_{{ v }}) * u_{{ v }} * (1.0 - u_{{ v }}){{ close }};
    let e0_{{ v }} = {{ open }}e2_{{ v }} * from_h_{{ v }} * r_{{ v }} * (1.0 - r_{{ v }}){{ close }};
    let last_{{ v }} = {{ open }}e2_{{ v }} * r_{{ v }}{{ close }};
    let past_h_{{ v }} = dh_{{ v }} * u_{{ v }};
    {% else %}
    {% if kind == "rnn_tanh" %}
    let e0_{{ v }} = {{ open }}dh_{{ v }} * (1.0 - y_{{ v }}) * (1.0 + y_{{ v }}){{ close }};
    {% else %}
    let e0_{{ v }} = {{ open }}relu4(dh_{{ v }}, y_{{ v }}){{ close }};
    {% endif %}
    let past_h_{{ v }} = vec4<f32>();
    {% endif %}
    {% if carries_h %}
    let pass_h_{{ v }} = {{ "select(dh_" ~ v ~ ", past_h_" ~ v ~ ", within)" if masked else "past_h_" ~ v }};
    {% endif %}
    {% endfor %}
    {% for q in range(gates) %}
    {{ store("", "grad_gates", grad_gates_offset ~ "u + " ~ at ~ " * G + " ~ q * hidden ~ "u", "e" ~ q) }}
    {% if gru %}
    {{ store("", "grad_hidden_gates", grad_hidden_gates_offset ~ "u + " ~ at ~ " * G + " ~ q * hidden ~ "u", "last" if q == 2 else "e" ~ q) }}
    {% endif %}
    {% endfor %}
    {% if carries_h %}
    {{ store("", "grad_state", "row * H", "pass_h") }}
    {% endif %}
    {% if lstm %}
    {{ store("", "grad_state", "(B + row) * H", "past_c") }}
    {% endif %}
    }
    }
    {% endif %}
  }
}
