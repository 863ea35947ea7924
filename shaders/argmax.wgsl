// argmax: output[o,i] = the first l with the largest input[o,l,i]; the first NaN, if there is one, is the largest
//
{% if lanes > 1 %}
// A workgroup of {{ lanes }} scans one row of length L: lane l takes every {{ lanes }}th element, a tree in workgroup memory
// joins what they found.
{% elif unit > 1 %}
// An invocation scans {{ unit }} rows of length L, whose elements lie side by side, a workgroup {{ 64 * unit }}.
{% else %}
// An invocation scans one row of length L, a workgroup 64 rows.
{% endif %}
//
// input ({{ outer }}, L = {{ length }}, {{ inner }}), output ({{ outer }}, {{ inner }}), u32
{% include "common/group.wgsl" %}
{% include "common/nan.wgsl" %}
{% if unit > 1 %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type, type_u32, load, number, store_u32 %}

@group(0) @binding(0) var<storage, read> input: array<{{ type(unit) }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ type_u32(unit, wide) }}>;

// Whether a value takes the place of the largest so far: the first NaN does, and after it nothing.
fn beats(value: f32, best: f32) -> bool {
  return !is_nan(best) & (is_nan(value) | (value > best));
}
{% if lanes > 1 %}

var<workgroup> found: array<f32, {{ lanes }}>;
var<workgroup> indices: array<u32, {{ lanes }}>;
{% endif %}

@compute @workgroup_size({{ lanes if lanes > 1 else 64 }})
fn argmax(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  {% if lanes > 1 %}
  let row = flat_group(workgroup);
  let first = lane.x;
  {% else %}
  let row = flat_group(workgroup) * 64u + lane.x;
  let first = 0u;
  {% endif %}
  if (row >= {{ outer * inner // unit }}u) { return; }
  let base = {{ first_element // unit }}u + row / {{ inner // unit }}u * {{ length * inner // unit }}u + row % {{ inner // unit }}u;
  let held = {{ load("input[base + first * " ~ inner // unit ~ "u]", unit) }};
  {% for q in range(unit) %}
  var best{{ q }} = {{ number("held", unit, q) }};
  var index{{ q }} = first;
  {% endfor %}
  for (var l = first + {{ lanes }}u; l < {{ length }}u; l += {{ lanes }}u) {
    let values = {{ load("input[base + l * " ~ inner // unit ~ "u]", unit) }};
    {% for q in range(unit) %}
    let larger{{ q }} = beats({{ number("values", unit, q) }}, best{{ q }});
    index{{ q }} = select(index{{ q }}, l, larger{{ q }});
    best{{ q }} = select(best{{ q }}, {{ number("values", unit, q) }}, larger{{ q }});
    {% endfor %}
  }
  {% if lanes > 1 %}
  found[first] = best0;
  indices[first] = index0;
  workgroupBarrier();
  {% for step in tree %}
  if (first < {{ step }}u) {
    let value = found[first + {{ step }}u];
    let other = indices[first + {{ step }}u];
    let best = found[first];
    let equal = (value == best) | (is_nan(value) & is_nan(best));
    if (beats(value, best) | (equal & (other < indices[first]))) {
      found[first] = value;
      indices[first] = other;
    }
  }
  workgroupBarrier();
  {% endfor %}
  if (first == 0u) { output[{{ first_row }}u + row] = indices[0]; }
  {% else %}
  output[{{ first_row // unit }}u + row] = {{ store_u32("index", unit, wide) }};
  {% endif %}
}
