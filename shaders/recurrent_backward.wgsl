// recurrent_backward ({{ kind }}): the errors of the gates, from the last step of the forward pass to its first
//
//   dh = grad_hidden[t] + carry + grad_gates[step after] weight_hh, then the cell's derivative gives grad_gates[t]
//
// A step is two passes over the units: the product with the errors of the step after, in which an invocation computes
// {{ rows }} batch rows of {{ 4 * columns }} units, then the cell's derivative, 4 units of a row at a time. grad_state carries the
// errors of h and c from pass to pass and step to step: an invocation meets the same units in all of them.
// The product comes first, so that a launch needs no result of its own.
{% if whole %}
// One workgroup of {{ lanes }} invocations runs its rows through all steps; what they tell each other is grad_gates itself.
{% else %}
// One launch a step{{ ", the last of which only has the product left" if not pointwise else "" }}, workgroups of {{ lanes }} invocations along the units.
{% endif %}
{% if shuffle %}
// Each lane loads four terms of one row of the errors and the subgroup passes them round, as in matmul.
{% endif %}
//
// grad_hidden and grad_cells (T, B, H), weight_hh ({{ gates }} H, H), reserve (T, B, {{ saved }} H), mask (T, B); grad_gates and
// grad_hidden_gates (T, B, {{ gates }} H), grad_state (S, B, H). A binding may begin before the step's part: the offsets count elements.
{% include "common/group.wgsl" %}

const B = {{ batch }}u;
const H = {{ hidden }}u;
const T = {{ steps }}u;
const ROWS = {{ rows }}u;
// Terms of the product.
const G = {{ gates * hidden }}u;
{% include "common/math.wgsl" %}
{% include "common/recurrent.wgsl" %}
{% from "common/recurrent_memory.wgsl" import element, place, load, store, terms %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<{{ "f32" if b.name == "mask" else element }}>;
{% endfor %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{% set errors = "grad_hidden_gates" if gru else "grad_gates" %}
{# Whether a part of the error of h passes a step by, besides the product. #}
{% set carries_h = gru or masked %}

{# Four terms of the errors of one row, 0 behind the last. #}
{% macro errors_at(row) %}
{% set at = terms(errors, after_offset ~ "u + (after * B + " ~ row ~ ") * G", "G") %}
{{- at if vec4 else "only_first(G, " ~ at ~ ", 4u * k)" }}
{%- endmacro %}
{% macro product() %}
    for (var tile = first_tile; tile < first_tile + {{ tiles }}u; tile++) {
      {% for v in range(columns) %}
      {{ place("tile * " ~ columns ~ "u + " ~ v ~ "u", v) }}
      {% for i in range(rows) %}
      var dh{{ i }}_{{ v }} = {{ load("grad_state", "row" ~ i ~ " * H", v) if carries_h else "vec4<f32>()" }};
      {% endfor %}
      {% endfor %}
      for (var k = 0u; k < {{ (gates * hidden + 3) // 4 }}u; k++) {
        {% for v in range(columns) %}
        {% for e in range(4) %}
        let b{{ v }}_{{ e }} = {{ load("weight_hh", "min(4u * k + " ~ e ~ "u, G - 1u) * H", v) }};
        {% endfor %}
        {% endfor %}
        {% if shuffle %}
        {% for g in range(rows // 8) %}
        let held{{ g }} = {{ errors_at("held_row" ~ g) }};
        {% endfor %}
        {% endif %}
        {% for i in range(rows) %}
        {% if shuffle %}
        let a{{ i }} = subgroupShuffle(held{{ i // 8 }}, {{ i % 8 }}u);
        {% else %}
        let a{{ i }} = {{ errors_at("row" ~ i) }};
        {% endif %}
        {% for v in range(columns) %}
        {% for e in range(4) %}
        dh{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}[{{ e }}]), b{{ v }}_{{ e }}, dh{{ i }}_{{ v }});
        {% endfor %}
        {% endfor %}
        {% endfor %}
      }
      {% for v in range(columns) %}
      {% for i in range(rows) %}
      let ok{{ i }}_{{ v }} = (first_row + {{ i }}u < B) & (start{{ v }} < H);
      {{ store("ok" ~ i ~ "_" ~ v, "grad_state", "row" ~ i ~ " * H", "dh" ~ i ~ "_" ~ v, v) }}
      {% endfor %}
      {% endfor %}
    }
{% endmacro %}
@compute @workgroup_size({{ lanes }})
fn recurrent_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/recurrent_rows.wgsl" %}
  {% if whole %}
  for (var s = 0u; s <= T; s++) {
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
    for (var block = first_tile * {{ columns }}u; block < (first_tile + {{ tiles }}u) * {{ columns }}u; block++) {
    {{ place("block") }}
    if (start >= H) { break; }
    for (var row = first_row; row < min(first_row + ROWS, B); row++) {
    {% set at = "(t * B + row)" %}
    var dh = {{ load("grad_hidden", grad_hidden_offset ~ "u + " ~ at ~ " * H") }};
    {% if lstm %}
    var dc = {{ load("grad_cells", grad_cells_offset ~ "u + " ~ at ~ " * H") if grad_cells else "vec4<f32>()" }};
    {% endif %}
    {% if carry %}
    if ({{ carry }}) {
      dh += {{ load("grad_state", "row * H") }};
      {% if lstm %}
      dc += {{ load("grad_state", "(B + row) * H") }};
      {% endif %}
    }
    {% endif %}
    {% set kept = reserve_offset ~ "u + " ~ at ~ " * " ~ saved ~ "u * H + " %}
    {% if masked %}
    let within = select(0.0, 1.0, mask[{{ mask_offset }}u + t * B + row] != 0.0);
    {% endif %}
    {% set here = "within * " if masked else "" %}
    {% if lstm %}
    let i = {{ load("reserve", kept ~ "0u") }};
    let f = {{ load("reserve", kept ~ "H") }};
    let g = {{ load("reserve", kept ~ "2u * H") }};
    let o = {{ load("reserve", kept ~ "3u * H") }};
    let c = {{ load("reserve", kept ~ "4u * H") }};
    let tanh_c = tanh4(fma(f, c, i * g));
    let e = {{ here }}fma(dh * o, (1.0 - tanh_c) * (1.0 + tanh_c), dc);
    let e0 = e * g * i * (1.0 - i);
    let e1 = e * c * f * (1.0 - f);
    let e2 = e * i * (1.0 - g) * (1.0 + g);
    let e3 = {{ here }}dh * tanh_c * o * (1.0 - o);
    {% set past_h = "vec4<f32>()" %}
    {% set past_c = "e * f" %}
    {% elif gru %}
    let r = {{ load("reserve", kept ~ "0u") }};
    let u = {{ load("reserve", kept ~ "H") }};
    let n = {{ load("reserve", kept ~ "2u * H") }};
    let from_h = {{ load("reserve", kept ~ "3u * H") }};
    let h = {{ load("reserve", kept ~ "4u * H") }};
    let e2 = {{ here }}dh * (1.0 - u) * (1.0 - n) * (1.0 + n);
    let e1 = {{ here }}dh * (h - n) * u * (1.0 - u);
    let e0 = e2 * from_h * r * (1.0 - r);
    let last = e2 * r;
    {% set past_h = "dh * u" %}
    {% else %}
    let y = {{ load("reserve", kept ~ "0u") }};
    {% if kind == "rnn_tanh" %}
    let e0 = {{ here }}dh * (1.0 - y) * (1.0 + y);
    {% else %}
    let e0 = {{ here }}select(dh, vec4<f32>(), y <= vec4<f32>());
    {% endif %}
    {% set past_h = "vec4<f32>()" %}
    {% endif %}
    {% for q in range(gates) %}
    {{ store("", "grad_gates", grad_gates_offset ~ "u + " ~ at ~ " * G + " ~ q * hidden ~ "u", "e" ~ q) }}
    {% if gru %}
    {{ store("", "grad_hidden_gates", grad_hidden_gates_offset ~ "u + " ~ at ~ " * G + " ~ q * hidden ~ "u", "last" if q == 2 else "e" ~ q) }}
    {% endif %}
    {% endfor %}
    {% if carries_h %}
    {{ store("", "grad_state", "row * H", "select(dh, " ~ past_h ~ ", within != 0.0)" if masked else past_h) }}
    {% endif %}
    {% if lstm %}
    {{ store("", "grad_state", "(B + row) * H", "select(dc, " ~ past_c ~ ", within != 0.0)" if masked else past_c) }}
    {% endif %}
    }
    }
    {% endif %}
  }
}
