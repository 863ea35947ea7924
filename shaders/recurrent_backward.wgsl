// recurrent_backward ({{ kind }}): the errors of the gates, from the last step of the forward pass to its first
//
//   dh = grad_hidden[t] + carry + grad_gates[step after] weight_hh, then the cell's derivative gives grad_gates[t]
//
// An invocation computes {{ rows }} batch rows of 4 neighbouring units; a workgroup is {{ lanes }} invocations along the units.
// The product with the errors of the step after comes first, so that a launch needs no result of its own.
{% if whole %}
// One workgroup runs its rows through all steps; what its invocations tell each other is grad_gates itself.
{% else %}
// One launch a step{{ ", the last of which only has the product left" if not pointwise else "" }}: grad_state carries the errors of h and c.
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
{% set element = "vec4<f32>" if vec4 else "f32" %}

{% for b in bindings %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ b.access }}> {{ b.name }}: array<{{ "f32" if b.name == "mask" else element }}>;
{% endfor %}
{% set lstm = kind == "lstm" %}
{% set gru = kind == "gru" %}
{% set errors = "grad_hidden_gates" if gru else "grad_gates" %}

{# The four units of this invocation in a row that begins at element `base`. #}
{% macro load(buffer, base) %}{% if vec4 %}{{ buffer }}[({{ base }} + unit) / 4u]{% else %}vec4<f32>({% for q in range(4) %}{{ buffer }}[{{ base }} + u{{ q }}]{{ ", " if q < 3 else "" }}{% endfor %}){% endif %}{% endmacro %}
{% macro store(row, buffer, base, value) %}
    {% if full %}
    {{ buffer }}[({{ base }} + unit) / 4u] = {{ value }};
    {% elif vec4 %}
    if (row_ok{{ row }} & (start < H)) { {{ buffer }}[({{ base }} + unit) / 4u] = {{ value }}; }
    {% else %}
    {% for q in range(4) %}
    if (row_ok{{ row }} & (start + {{ q }}u < H)) { {{ buffer }}[{{ base }} + u{{ q }}] = {{ value }}[{{ q }}]; }
    {% endfor %}
    {% endif %}
{% endmacro %}
{# Four terms of the errors of one row, 0 behind the last. #}
{% macro errors_at(row) %}
{%- if vec4 %}{{ errors }}[({{ after_offset }}u + (after * B + {{ row }}) * G) / 4u + k]
{%- else %}select(vec4<f32>(), vec4<f32>({% for e in range(4) %}{{ errors }}[{{ after_offset }}u + (after * B + {{ row }}) * G + min(4u * k + {{ e }}u, G - 1u)]{{ ", " if e < 3 else "" }}{% endfor %}), vec4<u32>(4u * k, 4u * k + 1u, 4u * k + 2u, 4u * k + 3u) < vec4<u32>(G)){% endif %}
{% endmacro %}
{% macro product() %}
    for (var k = 0u; k < {{ (gates * hidden + 3) // 4 }}u; k++) {
      {% for e in range(4) %}
      let b{{ e }} = {{ load("weight_hh", "min(4u * k + " ~ e ~ "u, G - 1u) * H") }};
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
      {% for e in range(4) %}
      dh{{ i }} = fma(vec4<f32>(a{{ i }}[{{ e }}]), b{{ e }}, dh{{ i }});
      {% endfor %}
      {% endfor %}
    }
{% endmacro %}
@compute @workgroup_size({{ lanes }})
fn recurrent_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
{% include "common/recurrent_place.wgsl" %}
  {% if shuffle %}
  {% for g in range(rows // 8) %}
  let held_row{{ g }} = min(first_row + {{ g * 8 }}u + lane.x % 8u, B - 1u);
  {% endfor %}
  {% endif %}
  {% for i in range(rows) %}
  {% set zero = whole or not product_first %}
  var dh{{ i }} = {{ "vec4<f32>()" if zero else load("grad_state", "row" ~ i ~ " * H") }};
  {% if lstm %}
  var dc{{ i }} = {{ "vec4<f32>()" if zero else load("grad_state", "(B + row" ~ i ~ ") * H") }};
  {% endif %}
  {% endfor %}
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
    {% for i in range(rows) %}
    {% set at = "(t * B + row" ~ i ~ ")" %}
    dh{{ i }} += {{ load("grad_hidden", grad_hidden_offset ~ "u + " ~ at ~ " * H") }};
    {% if grad_cells %}
    dc{{ i }} += {{ load("grad_cells", grad_cells_offset ~ "u + " ~ at ~ " * H") }};
    {% endif %}
    {% set kept = reserve_offset ~ "u + " ~ at ~ " * " ~ saved ~ "u * H + " %}
    {% if masked %}
    let within{{ i }} = select(0.0, 1.0, mask[{{ mask_offset }}u + t * B + row{{ i }}] != 0.0);
    {% set here = "within" ~ i ~ " * " %}
    {% else %}
    {% set here = "" %}
    {% endif %}
    {% if lstm %}
    let i{{ i }} = {{ load("reserve", kept ~ "0u") }};
    let f{{ i }} = {{ load("reserve", kept ~ "H") }};
    let g{{ i }} = {{ load("reserve", kept ~ "2u * H") }};
    let o{{ i }} = {{ load("reserve", kept ~ "3u * H") }};
    let c{{ i }} = {{ load("reserve", kept ~ "4u * H") }};
    let tanh_c{{ i }} = tanh4(fma(f{{ i }}, c{{ i }}, i{{ i }} * g{{ i }}));
    let e{{ i }} = {{ here }}fma(dh{{ i }} * o{{ i }}, (1.0 - tanh_c{{ i }}) * (1.0 + tanh_c{{ i }}), dc{{ i }});
    let e{{ i }}_0 = e{{ i }} * g{{ i }} * i{{ i }} * (1.0 - i{{ i }});
    let e{{ i }}_1 = e{{ i }} * c{{ i }} * f{{ i }} * (1.0 - f{{ i }});
    let e{{ i }}_2 = e{{ i }} * i{{ i }} * (1.0 - g{{ i }}) * (1.0 + g{{ i }});
    let e{{ i }}_3 = {{ here }}dh{{ i }} * tanh_c{{ i }} * o{{ i }} * (1.0 - o{{ i }});
    {% if masked %}
    dc{{ i }} = select(dc{{ i }}, e{{ i }} * f{{ i }}, within{{ i }} != 0.0);
    dh{{ i }} = select(dh{{ i }}, vec4<f32>(), within{{ i }} != 0.0);
    {% else %}
    dc{{ i }} = e{{ i }} * f{{ i }};
    dh{{ i }} = vec4<f32>();
    {% endif %}
    {% elif gru %}
    let r{{ i }} = {{ load("reserve", kept ~ "0u") }};
    let u_{{ i }} = {{ load("reserve", kept ~ "H") }};
    let n{{ i }} = {{ load("reserve", kept ~ "2u * H") }};
    let from_h{{ i }} = {{ load("reserve", kept ~ "3u * H") }};
    let h{{ i }} = {{ load("reserve", kept ~ "4u * H") }};
    let e{{ i }}_2 = {{ here }}dh{{ i }} * (1.0 - u_{{ i }}) * (1.0 - n{{ i }}) * (1.0 + n{{ i }});
    let e{{ i }}_1 = {{ here }}dh{{ i }} * (h{{ i }} - n{{ i }}) * u_{{ i }} * (1.0 - u_{{ i }});
    let e{{ i }}_0 = e{{ i }}_2 * from_h{{ i }} * r{{ i }} * (1.0 - r{{ i }});
    let last{{ i }} = e{{ i }}_2 * r{{ i }};
    {% if masked %}
    dh{{ i }} = select(dh{{ i }}, dh{{ i }} * u_{{ i }}, within{{ i }} != 0.0);
    {% else %}
    dh{{ i }} = dh{{ i }} * u_{{ i }};
    {% endif %}
    {% else %}
    let y{{ i }} = {{ load("reserve", kept ~ "0u") }};
    {% if kind == "rnn_tanh" %}
    let e{{ i }}_0 = {{ here }}dh{{ i }} * (1.0 - y{{ i }}) * (1.0 + y{{ i }});
    {% else %}
    let e{{ i }}_0 = {{ here }}select(dh{{ i }}, vec4<f32>(), y{{ i }} <= vec4<f32>());
    {% endif %}
    {% if masked %}
    dh{{ i }} = select(dh{{ i }}, vec4<f32>(), within{{ i }} != 0.0);
    {% else %}
    dh{{ i }} = vec4<f32>();
    {% endif %}
    {% endif %}
    {% for q in range(gates) %}
    {{ store(i, "grad_gates", grad_gates_offset ~ "u + " ~ at ~ " * G + " ~ q * hidden ~ "u", "e" ~ i ~ "_" ~ q) }}
    {% if gru %}
    {{ store(i, "grad_hidden_gates", grad_hidden_gates_offset ~ "u + " ~ at ~ " * G + " ~ q * hidden ~ "u", ("last" ~ i) if q == 2 else ("e" ~ i ~ "_" ~ q)) }}
    {% endif %}
    {% endfor %}
    {% endfor %}
    {% endif %}
  }
  {% for i in range(rows) %}
  {{ store(i, "grad_state", "row" ~ i ~ " * H", "dh" ~ i) }}
  {% if lstm %}
  {{ store(i, "grad_state", "(B + row" ~ i ~ ") * H", "dc" ~ i) }}
  {% endif %}
  {% endfor %}
}
