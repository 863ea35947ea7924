// scatter_add: output[o,j,i] = {{ "the last" if last_one else "the sum of" }} source[o,l,i] where index[o,l,i] is j, in the order of l{{ ", else 0" if last_one }}
//
{% if by_row %}
// An invocation computes one row (o, i), a workgroup 64: it sets the row to 0 and {{ "stores" if last_one else "adds" }} each element at its index.
{% else %}
// An invocation computes one element and looks at all indices of its row, a workgroup 64.
{% endif %}
// An index beyond the dimension is left out. A fixed order, and no two invocations write the same element.
//
// source and index (O, {{ count }}, {{ inner }}), output (O, {{ size }}, {{ inner }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
// The first index that is beyond the dimension.
@group(0) @binding(3) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size(64)
fn scatter_add(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ work }}u) { return; }
  let o = at / {{ inner if by_row else inner * size }}u;
  let seen = o * {{ count * inner }}u + at % {{ inner }}u;
  {% if by_row %}
  let to = {{ first_output }}u + o * {{ size * inner }}u + at % {{ inner }}u;
  for (var j = 0u; j < {{ size }}u; j++) { output[to + j * {{ inner }}u] = 0.0; }
  {% else %}
  let j = at / {{ inner }}u % {{ size }}u;
  var total = {{ "output[" ~ first_output ~ "u + at]" if carried else "0.0" }};
  {% endif %}
  for (var l = {{ first }}u; l < {{ last }}u; l++) {
    let next = seen + l * {{ inner }}u;
    let index = positions[{{ first_index }}u + next];
    if (index >= {{ size }}u) { atomicMin(&bad_row, {{ before }}u + next); }
    {% if by_row %}
    if (index < {{ size }}u) { output[to + index * {{ inner }}u] {{ "=" if last_one else "+=" }} source[{{ first_source }}u + next]; }
    {% else %}
    {% if last_one %}
    total = select(total, source[{{ first_source }}u + next], index == j);
    {% else %}
    total += select(0.0, source[{{ first_source }}u + next], index == j);
    {% endif %}
    {% endif %}
  }
  {% if not by_row %}
  output[{{ first_output }}u + at] = total;
  {% endif %}
}
