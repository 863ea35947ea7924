// recurrent_held ({{ kind }}): hidden[t] = cell(gates[t] + hidden[t {{ "+" if reverse else "-" }} 1] weight_hh^T, state), the mask's 0 keeps the state
//
// Few units: a subgroup of 8 runs a batch row through all steps, and each lane holds all weights of its units j, j + 8, ..
// in registers, and their states, which the subgroup passes round. A workgroup, of one subgroup, has {{ rows }} rows, one after the other.
{% if last_step - first_step < steps %}
// Here steps {{ first_step }} to {{ last_step }} alone, in their order; the launch before has left the state in hidden{{ " and cells" if kind == "lstm" }}.
{% endif %}
//
// gates (T, B, {{ gates }} H), weight_hh ({{ gates }} H, H), first_h and first_c (B, H), bias_hh ({{ gates }} H), mask (T, B); hidden and cells (T, B, H),
// reserve (T, B, 5 H)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_held.wgsl" import own_units, weights, guard %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<f32>;
{% endfor %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{# Input and sum of gate q. #}
{% macro total(q, v) %}x{{ q }}_{{ v }} + z{{ q }}_{{ v }}{% endmacro %}

@compute @workgroup_size(8)
fn recurrent_held(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  {{ own_units() }}
  {{ weights("weight_hh", true) }}
  {% for q in range(gates) if bias %}
  {% for v in range(own) %}
  let bias{{ q }}_{{ v }} = bias_hh[{{ q * hidden }}u + unit{{ v }}];
  {% endfor %}
  {% endfor %}
  for (var row = group * ROWS; row < min(group * ROWS + ROWS, B); row++) {
    {% for v in range(own) %}
    {% if first_step == 0 %}
    var h_{{ v }} = first_h[row * H + unit{{ v }}];
    {% if lstm %}
    var c_{{ v }} = first_c[row * H + unit{{ v }}];
    {% endif %}
    {% else %}
    var h_{{ v }} = hidden[({{ before * batch }}u + row) * H + unit{{ v }}];
    {% if lstm %}
    var c_{{ v }} = cells[({{ before * batch }}u + row) * H + unit{{ v }}];
    {% endif %}
    {% endif %}
    {% endfor %}
    for (var s = {{ first_step }}u; s < {{ last_step }}u; s++) {
      let at = ({{ "T - 1u - s" if reverse else "s" }}) * B + row;
      {% for q in range(gates) %}
      {% for v in range(own) %}
      let x{{ q }}_{{ v }} = gates[(at * {{ gates }}u + {{ q }}u) * H + unit{{ v }}];
      var z{{ q }}_{{ v }} = {{ "bias" ~ q ~ "_" ~ v if bias else "0.0" }};
      {% endfor %}
      {% endfor %}
      {% for j in range(hidden) %}
      let a{{ j }} = subgroupShuffle(h_{{ j // 8 }}, {{ j % 8 }}u);
      {% for q in range(gates) %}
      {% for v in range(own) %}
      z{{ q }}_{{ v }} = fma(a{{ j }}, w{{ q }}_{{ v }}_{{ j }}, z{{ q }}_{{ v }});
      {% endfor %}
      {% endfor %}
      {% endfor %}
      {% if masked %}
      let within = mask[at] != 0.0;
      {% endif %}
      {% for v in range(own) %}
      {% if lstm %}
      let i_{{ v }} = logistic({{ total(0, v) }});
      let f_{{ v }} = logistic({{ total(1, v) }});
      let g_{{ v }} = tanh_exact({{ total(2, v) }});
      let o_{{ v }} = logistic({{ total(3, v) }});
      let new_c_{{ v }} = fma(f_{{ v }}, c_{{ v }}, i_{{ v }} * g_{{ v }});
      let new_h_{{ v }} = o_{{ v }} * tanh_exact(new_c_{{ v }});
      {% elif gru %}
      let r_{{ v }} = logistic({{ total(0, v) }});
      let u_{{ v }} = logistic({{ total(1, v) }});
      let n_{{ v }} = tanh_exact(fma(r_{{ v }}, z2_{{ v }}, x2_{{ v }}));
      let new_h_{{ v }} = fma(u_{{ v }}, h_{{ v }} - n_{{ v }}, n_{{ v }});
      {% elif kind == "rnn_tanh" %}
      let new_h_{{ v }} = tanh_exact({{ total(0, v) }});
      {% else %}
      let new_h_{{ v }} = relu4(vec4<f32>({{ total(0, v) }}), vec4<f32>({{ total(0, v) }})).x;
      {% endif %}
      {{ guard(v) }}{
        {% for part in {"lstm": ["i", "f", "g", "o", "c"], "gru": ["r", "u", "n", "z2", "h"]}[kind] | default([]) %}
        reserve[(at * 5u + {{ loop.index0 }}u) * H + unit{{ v }}] = {{ part }}_{{ v }};
        {% endfor %}
        hidden[at * H + unit{{ v }}] = {{ "select(h_" ~ v ~ ", new_h_" ~ v ~ ", within)" if masked else "new_h_" ~ v }};
        {% if lstm %}
        cells[at * H + unit{{ v }}] = {{ "select(c_" ~ v ~ ", new_c_" ~ v ~ ", within)" if masked else "new_c_" ~ v }};
        {% endif %}
      }
      {% endfor %}
      {% for v in range(own) %}
      h_{{ v }} = {{ "select(h_" ~ v ~ ", new_h_" ~ v ~ ", within)" if masked else "new_h_" ~ v }};
      {% if lstm %}
      c_{{ v }} = {{ "select(c_" ~ v ~ ", new_c_" ~ v ~ ", within)" if masked else "new_c_" ~ v }};
      {% endif %}
      {% endfor %}
    }
  }
}
