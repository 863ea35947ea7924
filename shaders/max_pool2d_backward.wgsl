// max_pool2d_backward: grad_input[p,y,x] = sum of grad_output over the windows whose winner is (y, x)
//
{% if unroll %}
// An invocation computes the {{ stride_h }}x{{ across }} input elements of {{ across // stride_w }} strides of a plane, a workgroup 64
// times as many. Every window that can contain one of them is loaded once, {{ together }} at a time. Gathered, so no
// atomics.
{% else %}
// An invocation computes one input element, a workgroup 64. It visits the windows that can contain it: those
// whose first row lies in y + pad - extent < i * s <= y + pad. Gathered, so no atomics.
{% if carried or not done %}
// Of those windows rows {{ outer_first }} to {{ outer_last }} and columns {{ inner_first }} to {{ inner_last }}{{ ", added to the sum so far" if carried }}.
{% endif %}
{% endif %}
//
// grad_output and indices ({{ planes }}, {{ oh }}, {{ ow }}), grad_input ({{ planes }}, {{ h }}, {{ w }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% include "common/chain.wgsl" %}
{% from "common/units.wgsl" import type, type_u32, load, load_u32, store, store_u32, number %}

@group(0) @binding(0) var<storage, read> grad_output: array<{{ type(together) }}>;
@group(0) @binding(1) var<storage, read> indices: array<{{ type_u32(together, wide) }}>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<{{ type(unit) }}>;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn max_pool2d_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
{% if unroll %}
  if (at >= {{ planes * cells * runs }}u) { return; }
  let plane = at / {{ cells * runs }}u;
  let i = i32(at / {{ runs }}u % {{ cells }}u);
  let j = i32(at % {{ runs }}u);
  {% set width = ow // together %}
  {% for row in rows %}
  {% set r = loop.index0 %}
  {% for u in columns %}
  {% set c = loop.index0 %}
  {% set position = "plane * " ~ oh * width ~ "u + u32((i + " ~ row.at ~ ") * " ~ width ~ " + j * " ~ step ~ " + " ~ u.at ~ ")" %}
  {% if row.outside or u.outside %}
  let inside{{ r }}_{{ c }} = {{ "(u32(i + " ~ row.at ~ ") < " ~ oh ~ "u)" if row.outside }}{{ " & " if row.outside and u.outside }}{{ "(u32(j * " ~ step ~ " + " ~ u.at ~ ") < " ~ width ~ "u)" if u.outside }};
  let window{{ r }}_{{ c }} = select(0u, {{ position }}, inside{{ r }}_{{ c }});
  let winner{{ r }}_{{ c }} = select({{ type_u32(together, false) }}(NONE), {{ load_u32("indices[window" ~ r ~ "_" ~ c ~ "]", together, wide) }}, inside{{ r }}_{{ c }});
  {% else %}
  let window{{ r }}_{{ c }} = {{ position }};
  let winner{{ r }}_{{ c }} = {{ load_u32("indices[window" ~ r ~ "_" ~ c ~ "]", together, wide) }};
  {% endif %}
  let error{{ r }}_{{ c }} = {{ load("grad_output[window" ~ r ~ "_" ~ c ~ "]", together) }};
  {% endfor %}
  {% endfor %}
  {% for elements in pixels %}
  {
    let y = u32(i) * {{ stride_h }}u + {{ loop.index0 }}u;
    let x = u32(j) * {{ across }}u;
    let here = y * {{ w }}u + x;
    let first = plane * {{ h * w }}u + here;
    {% for windows in elements %}
    let sum{{ loop.index0 }} = {% for window in windows %}{{ " + " if not loop.first }}select(0.0, {{ number("error" ~ window.position, together, window.part) }}, {{ number("winner" ~ window.position, together, window.part) }} == here + {{ window.at }}u){% endfor %}{{ "0.0" if not windows }};
    {% endfor %}
    {{ "if (y < " ~ h ~ "u) {" if ragged_rows }}
    {% for k in range(0, across, unit) %}
    {% if unit == 1 %}
    {{ "if (x + " ~ k ~ "u < " ~ w ~ "u) { " if ragged_columns }}grad_input[first + {{ k }}u] = epilogue(sum{{ k }}, first + {{ k }}u);{{ " }" if ragged_columns }}
    {% elif unit == 2 %}
    grad_input[first / 2u + {{ k // 2 }}u] = to_pair(vec2<f32>(epilogue(sum{{ k }}, first + {{ k }}u), epilogue(sum{{ k + 1 }}, first + {{ k + 1 }}u)));
    {% else %}
    grad_input[first / 4u + {{ k // 4 }}u] = to_four(epilogue(vec4<f32>(sum{{ k }}, sum{{ k + 1 }}, sum{{ k + 2 }}, sum{{ k + 3 }}), first / 4u + {{ k // 4 }}u));
    {% endif %}
    {% endfor %}
    {{ "}" if ragged_rows }}
  }
  {% endfor %}
{% else %}
  if (at >= {{ planes * h * w }}u) { return; }
  let plane = at / {{ h * w }}u * {{ oh * ow }}u;
  let here = at % {{ h * w }}u;
  let y = i32(here / {{ w }}u) + {{ pad_top }};
  let x = i32(here % {{ w }}u) + {{ pad_left }};
  let first_i = {{ div_i32("max(y - " ~ extent_h ~ " + " ~ stride_h ~ ", 0)", stride_h) }};
  let first_j = {{ div_i32("max(x - " ~ extent_w ~ " + " ~ stride_w ~ ", 0)", stride_w) }};
  let last_i = min({{ div_i32("y", stride_h) }}, {{ oh }} - 1);
  let last_j = min({{ div_i32("x", stride_w) }}, {{ ow }} - 1);
  var sum = {{ "grad_input[at]" if carried else "0.0" }};
  for (var i = first_i + {{ outer_first }}; i < min(first_i + {{ outer_last }}, last_i + 1); i++) {
    for (var j = first_j + {{ inner_first }}; j < min(first_j + {{ inner_last }}, last_j + 1); j++) {
      let from_window = plane + u32(i) * {{ ow }}u + u32(j);
      sum += select(0.0, grad_output[from_window], indices[from_window] == here);
    }
  }
  grad_input[at] = epilogue(sum, at);
{% endif %}
}
