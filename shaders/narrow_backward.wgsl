// narrow_backward: grad_input[o,l,i] = grad_output[o,l - start,i] where start <= l < start + length, else 0
//
// An invocation computes {{ unit ~ " neighbouring elements" if unit > 1 else "one element" }}, a workgroup {{ 64 * unit }}.{{ " They are loaded as they are stored." if unit > 1 and together }}
//
// grad_output ({{ outer }}, {{ length }}, {{ inner }}), grad_input ({{ outer }}, {{ size }}, {{ inner }})
{% include "common/group.wgsl" %}
{% if unit > 1 %}
{% include "common/four.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type, store %}
{# Elements of a load, and loads of an invocation. #}
{% set loaded = unit if together else 1 %}
{% set loads = unit // loaded %}

@group(0) @binding(0) var<storage, read> grad_output: array<{{ type(loaded) }}>;
@group(0) @binding(1) var<storage, read_write> grad_input: array<{{ type(unit) }}>;

@compute @workgroup_size(64)
fn narrow_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ outer * size * inner // unit }}u) { return; }
  {% for q in range(loads) %}
  let e{{ q }} = at * {{ loads }}u + {{ q }}u;
  let l{{ q }} = e{{ q }} / {{ inner // loaded }}u % {{ size }}u;
  var value{{ q }} = {{ type(loaded) }}();
  if ((l{{ q }} >= {{ start }}u) & (l{{ q }} < {{ start + length }}u)) {
    let row = e{{ q }} / {{ size * inner // loaded }}u * {{ length }}u + l{{ q }} - {{ start }}u;
    value{{ q }} = grad_output[{{ first_grad // loaded }}u + row * {{ inner // loaded }}u + e{{ q }} % {{ inner // loaded }}u];
  }
  {% endfor %}
  grad_input[{{ first // unit }}u + at] = {{ "value0" if loads == 1 else store("value", unit) }};
}
