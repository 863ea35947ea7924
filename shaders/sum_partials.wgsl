// sum_partials: output[i] = epilogue(sum_p partials[p,i]), in the order of p
//
// An invocation adds {{ "four elements" if fours else "one element" }}, a workgroup {{ 256 if fours else 64 }}: the second pass of sums that were split.
{% if last %}
// The runs are those of a weight (rows, {{ channels }}, {{ taps }}) that lie as (rows, {{ taps }}, {{ padded }}), channels last.
{% endif %}
//
{% if carried or not done %}
// Of some runs{{ ", added to the sum of those before" if carried }}.
{% endif %}
// partials ({{ count }}, {{ length }}), output ({{ elements }})
{% include "common/group.wgsl" %}

{% if fours %}
{% include "common/four.wgsl" %}
{% endif %}
{% include "common/chain.wgsl" %}

// Of a run, in {{ "fours" if fours else "numbers" }}.
const LENGTH = {{ length // 4 if fours else length }}u;

@group(0) @binding(0) var<storage, read> partials: array<{{ "Four" if fours else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ "Four" if fours and not last else "f32" }}>;

@compute @workgroup_size(64)
fn sum_partials(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ width }}u) { return; }
  {% if not last %}
  let to = {{ first_output }}u + i;
  {% endif %}
  {% if last %}
  // Neighbours read neighbours, and write what is {{ taps }} apart.
  let channel = i * 4u % {{ padded }}u;
  let tap = i * 4u / {{ padded }}u % {{ taps }}u;
  let first = (i * 4u / {{ padded * taps }}u * {{ channels }}u + channel) * {{ taps }}u + tap;
  {% endif %}
  {% if carried and last %}
  var total = vec4<f32>({% for j in range(4) %}output[first + select(0u, {{ j * taps }}u, channel + {{ j }}u < {{ channels }}u)]{{ ", " if j < 3 }}{% endfor %});
  {% elif carried %}
  var total = {{ "four(output[to])" if fours else "output[to]" }};
  {% else %}
  var total = {{ "vec4<f32>()" if fours else "0.0" }};
  {% endif %}
  for (var p = 0u; p < {{ runs }}u; p++) {
    let at = {{ first_input }}u + p * LENGTH + i;
    total += {{ "four(partials[at])" if fours else "partials[at]" }};
  }
  {% if last %}
  {% for j in range(4) %}
  {% if channels % 4 == 0 %}
  output[first + {{ j * taps }}u] = total[{{ j }}];
  {% else %}
  if (channel + {{ j }}u < {{ channels }}u) { output[first + {{ j * taps }}u] = total[{{ j }}]; }
  {% endif %}
  {% endfor %}
  {% else %}
  output[to] = {{ "to_four(epilogue(total, to))" if fours else "epilogue(total, to)" }};
  {% endif %}
}
