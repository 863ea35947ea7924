// recurrent_held_backward ({{ kind }}): the errors of the gates, from the last step of the forward pass to its first
//
//   dh = grad_hidden[t] + carry + grad_gates[step after] weight_hh, then the cell's derivative gives grad_gates[t]
//
// Few units: a subgroup of 8 runs a batch row through all steps, and each lane holds all weights of its units j, j + 8, ..
// in registers, and their errors, which the subgroup passes round. A workgroup, of one subgroup, has {{ rows }} rows, one after the other.
{% if last_step - first_step < steps %}
// Here steps {{ first_step }} to {{ last_step }} alone, in the order of this pass; the launch before has left the state's errors in grad_state.
{% endif %}
//
// grad_hidden and grad_cells (T, B, H), weight_hh ({{ gates }} H, H), reserve (T, B, {{ saved }} H), mask (T, B); grad_gates and
// grad_hidden_gates (T, B, {{ gates }} H), grad_state (S, B, H)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_held.wgsl" import own_units, weights, guard %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<f32>;
{% endfor %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{# What a step leaves that the row does not have: 0, whatever it holds. #}
{% set open, close = ("select(0.0, ", ", within)") if masked else ("", "") %}

@compute @workgroup_size(8)
fn recurrent_held_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  {{ own_units() }}
  {{ weights("weight_hh", false) }}
  for (var row = group * ROWS; row < min(group * ROWS + ROWS, B); row++) {
    {% for v in range(own) %}
    var carry_{{ v }} = {{ "grad_state[row * H + unit" ~ v ~ "]" if first_step > 0 else "0.0" }};
    {% if lstm %}
    var cell_carry_{{ v }} = {{ "grad_state[(B + row) * H + unit" ~ v ~ "]" if first_step > 0 else "0.0" }};
    {% endif %}
    {% endfor %}
    for (var s = {{ first_step }}u; s < {{ last_step }}u; s++) {
      let at = ({{ "s" if reverse else "T - 1u - s" }}) * B + row;
      {% if masked %}
      let within = mask[at] != 0.0;
      {% endif %}
      {% for v in range(own) %}
      {% for part in {"lstm": ["i", "f", "g", "o", "c"], "gru": ["r", "u", "n", "from_h", "h"]}[kind] | default(["y"]) %}
      let {{ part }}_{{ v }} = reserve[(at * {{ saved }}u + {{ loop.index0 }}u) * H + unit{{ v }}];
      {% endfor %}
      let dh_{{ v }} = grad_hidden[at * H + unit{{ v }}] + carry_{{ v }};
      {% if lstm %}
      let dc_{{ v }} = cell_carry_{{ v }}{{ " + grad_cells[at * H + unit" ~ v ~ "]" if grad_cells }};
      let tanh_c_{{ v }} = tanh_exact(fma(f_{{ v }}, c_{{ v }}, i_{{ v }} * g_{{ v }}));
      let e_{{ v }} = fma(dh_{{ v }} * o_{{ v }}, (1.0 - tanh_c_{{ v }}) * (1.0 + tanh_c_{{ v }}), dc_{{ v }});
      let e0_{{ v }} = {{ open }}e_{{ v }} * g_{{ v }} * i_{{ v }} * (1.0 - i_{{ v }}){{ close }};
      let e1_{{ v }} = {{ open }}e_{{ v }} * c_{{ v }} * f_{{ v }} * (1.0 - f_{{ v }}){{ close }};
      let e2_{{ v }} = {{ open }}e_{{ v }} * i_{{ v }} * (1.0 - g_{{ v }}) * (1.0 + g_{{ v }}){{ close }};
      let e3_{{ v }} = {{ open }}dh_{{ v }} * tanh_c_{{ v }} * o_{{ v }} * (1.0 - o_{{ v }}){{ close }};
      var past_h_{{ v }} = 0.0;
      cell_carry_{{ v }} = {{ "select(dc_" ~ v ~ ", e_" ~ v ~ " * f_" ~ v ~ ", within)" if masked else "e_" ~ v ~ " * f_" ~ v }};
      {% elif gru %}
      let e2_{{ v }} = {{ open }}dh_{{ v }} * (1.0 - u_{{ v }}) * (1.0 - n_{{ v }}) * (1.0 + n_{{ v }}){{ close }};
      let e1_{{ v }} = {{ open }}dh_{{ v }} * (h_{{ v }} - n_{{ v }}) * u_{{ v }} * (1.0 - u_{{ v }}){{ close }};
      let e0_{{ v }} = {{ open }}e2_{{ v }} * from_h_{{ v }} * r_{{ v }} * (1.0 - r_{{ v }}){{ close }};
      let last_{{ v }} = {{ open }}e2_{{ v }} * r_{{ v }}{{ close }};
      var past_h_{{ v }} = dh_{{ v }} * u_{{ v }};
      {% else %}
      {% if kind == "rnn_tanh" %}
      let e0_{{ v }} = {{ open }}dh_{{ v }} * (1.0 - y_{{ v }}) * (1.0 + y_{{ v }}){{ close }};
      {% else %}
      let e0_{{ v }} = {{ open }}relu4(vec4<f32>(dh_{{ v }}), vec4<f32>(y_{{ v }})).x{{ close }};
      {% endif %}
      var past_h_{{ v }} = 0.0;
      {% endif %}
      {% if masked %}
      past_h_{{ v }} = select(dh_{{ v }}, past_h_{{ v }}, within);
      {% endif %}
      {{ guard(v) }}{
        {% for q in range(gates) %}
        grad_gates[(at * {{ gates }}u + {{ q }}u) * H + unit{{ v }}] = e{{ q }}_{{ v }};
        {% if gru %}
        grad_hidden_gates[(at * {{ gates }}u + {{ q }}u) * H + unit{{ v }}] = {{ "last" if q == 2 else "e" ~ q }}_{{ v }};
        {% endif %}
        {% endfor %}
      }
      {% endfor %}
      {% for q in range(gates) %}
      {% for j in range(hidden) %}
      let a{{ q }}_{{ j }} = subgroupShuffle({{ "last" if gru and q == 2 else "e" ~ q }}_{{ j // 8 }}, {{ j % 8 }}u);
      {% for v in range(own) %}
      past_h_{{ v }} = fma(a{{ q }}_{{ j }}, w{{ q }}_{{ v }}_{{ j }}, past_h_{{ v }});
      {% endfor %}
      {% endfor %}
      {% endfor %}
      {% for v in range(own) %}
      carry_{{ v }} = past_h_{{ v }};
      {% endfor %}
    }
    {% for v in range(own) %}
    {{ guard(v) }}{
      grad_state[row * H + unit{{ v }}] = carry_{{ v }};
      {% if lstm %}
      grad_state[(B + row) * H + unit{{ v }}] = cell_carry_{{ v }};
      {% endif %}
    }
    {% endfor %}
  }
}
