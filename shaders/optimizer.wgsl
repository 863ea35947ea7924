// optimizer: {{ name }}: {{ what }}
//
// An invocation updates one vec4 in place, a workgroup 64; workgroups are distributed over the parameters in order.
// 1 - b^t = -expm1(t ln(b)) keeps its digits at every step. Buffers are padded to whole vec4; lengths are the bindings',
// so that one pipeline serves parameters of all sizes.
//
// lr (1){{ ", step (1, u32)" if counts }}{{ ", product (1)" if product }}; of each parameter grad, param{{ ", direction" if directs }}{% for k in kept %}, {{ k }}{% endfor %} (of one size)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

const LN_096 = -0.040821994520255166;
{% for constant in constants %}
const {{ constant.name }} = {{ constant.value }};
{% endfor %}

@group(0) @binding(0) var<storage, read> rate: array<f32>;
{% if counts %}
@group(0) @binding(1) var<storage, read> step_count: array<u32>;
{% endif %}
{% if product %}
@group(0) @binding(2) var<storage, read> all_momenta: array<f32>;
{% endif %}
{# Bindings of a parameter. #}
{% set written = 3 if directs else 2 %}
{% set own = written + kept | length %}
{% for n in range(count) %}
{% set at = first + n * own %}
@group(0) @binding({{ at }}) var<storage, read> grad{{ n }}: array<vec4<f32>>;
@group(0) @binding({{ at + 1 }}) var<storage, {{ "read" if directs else "read_write" }}> param{{ n }}: array<vec4<f32>>;
{% if directs %}
@group(0) @binding({{ at + 2 }}) var<storage, read_write> direction{{ n }}: array<vec4<f32>>;
{% endif %}
{% for k in kept %}
@group(0) @binding({{ at + written + loop.index0 }}) var<storage, read_write> {{ k }}{{ n }}: array<vec4<f32>>;
{% endfor %}
{% endfor %}
{% for n in range(count) %}

fn update{{ n }}(i: u32) {
  if (i >= arrayLength(&param{{ n }})) { return; }
  let lr = rate[0];
  {% if counts %}
  let t = f32(step_count[0]);
  {% endif %}
  {% if product %}
  let product = all_momenta[0];
  {% endif %}
  var p = param{{ n }}[i];
  var g = grad{{ n }}[i];
  {% for k in kept %}
  var {{ k }} = {{ k }}{{ n }}[i];
  {% endfor %}
{{ formula }}
  {% for k in kept %}
  {{ k }}{{ n }}[i] = {{ k }};
  {% endfor %}
  {{ "direction" if directs else "param" }}{{ n }}[i] = p;
}
{% endfor %}

@compute @workgroup_size(64)
fn optimizer(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
{% include "common/parameters.wgsl" %}
}
