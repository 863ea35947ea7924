// argmax: output[o,i] = the first l with the largest input[o,l,i]; the first NaN, if there is one, is the largest
//
{% if lanes > 1 %}
// A workgroup of {{ lanes }} scans one row of length L: lane l takes every {{ lanes }}th element, a tree in workgroup memory
// joins what they found.
{% else %}
// An invocation scans one row of length L, a workgroup 64 rows.
{% endif %}
//
// input ({{ outer }}, L = {{ length }}, {{ inner }}), output ({{ outer }}, {{ inner }}), u32
{% include "common/group.wgsl" %}
{% include "common/nan.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

// Whether a value takes the place of the largest so far: the first NaN does, and after it nothing.
fn beats(value: f32, best: f32) -> bool {
  return !is_nan(best) & (is_nan(value) | (value > best));
}
{% if lanes > 1 %}

var<workgroup> values: array<f32, {{ lanes }}>;
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
  if (row >= {{ outer * inner }}u) { return; }
  let base = {{ first_element }}u + row / {{ inner }}u * {{ length * inner }}u + row % {{ inner }}u;
  var best = input[base + first * {{ inner }}u];
  var index = first;
  for (var l = first + {{ lanes }}u; l < {{ length }}u; l += {{ lanes }}u) {
    let value = input[base + l * {{ inner }}u];
    let larger = beats(value, best);
    index = select(index, l, larger);
    best = select(best, value, larger);
  }
  {% if lanes > 1 %}
  values[first] = best;
  indices[first] = index;
  workgroupBarrier();
  {% for step in tree %}
  if (first < {{ step }}u) {
    let value = values[first + {{ step }}u];
    let other = indices[first + {{ step }}u];
    let held = values[first];
    let equal = (value == held) | (is_nan(value) & is_nan(held));
    if (beats(value, held) | (equal & (other < indices[first]))) {
      values[first] = value;
      indices[first] = other;
    }
  }
  workgroupBarrier();
  {% endfor %}
  if (first == 0u) { output[{{ first_row }}u + row] = indices[0]; }
  {% else %}
  output[{{ first_row }}u + row] = index;
  {% endif %}
}
