// channels_last: packed[o,i,m,c] = source[o * so + i * si + m * sm + c * sc], four channels c a vec4
//
// Brings the terms of a convolution together, so that its kernels load four at a time: a source with its
// channels last, or weights with the source's channels last. What is missing to {{ 4 * quarters }} channels is zero{{ ", and so is one more pixel behind all others, for taps outside the image" if zeros else "" }}.
// An invocation writes {{ "four vec4 of neighbours along i, which it loads four at a time" if run == 4 else "one vec4" }}; its neighbours are those along i.
//
// packed ({{ outer }}, {{ inner }}, {{ middle }}, {{ quarters }}) of vec4
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}

const INNER = {{ inner // run }}u;
const MIDDLE = {{ middle }}u;
const QUARTERS = {{ quarters }}u;

@group(0) @binding(0) var<storage, read> source: array<{{ "Four" if run == 4 else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> packed: array<Four>;

@compute @workgroup_size(64)
fn channels_last(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ elements // run }}u) {
    {% if zeros %}
    if (at < {{ elements // run }}u + QUARTERS) { packed[at + {{ elements - elements // run }}u] = to_four(vec4<f32>()); }
    {% endif %}
    return;
  }
  let i = at % INNER * {{ run }}u;
  let q = at / INNER % QUARTERS;
  let m = at / (INNER * QUARTERS) % MIDDLE;
  let o = at / (INNER * QUARTERS * MIDDLE);
  let first = o * {{ strides[0] }}u + i * {{ strides[1] }}u + m * {{ strides[2] }}u + q * {{ 4 * strides[3] }}u;
  {% set nothing = "vec4<f32>()" if run == 4 else "0.0" %}
  {% for j in range(4) %}
  {% set position = "first + " ~ j * strides[3] ~ "u" %}
  {% if quarters * 4 == channels or j == 0 and not padded %}
  let c{{ j }} = {{ "four(source[(" ~ position ~ ") / 4u])" if run == 4 else "source[" ~ position ~ "]" }};
  {% else %}
  let ok{{ j }} = q * 4u + {{ j }}u < {{ channels }}u;
  let from{{ j }} = select({{ "0u" if padded else "first" }}, {{ position }}, ok{{ j }});
  let c{{ j }} = select({{ nothing }}, {{ "four(source[from" ~ j ~ " / 4u])" if run == 4 else "source[from" ~ j ~ "]" }}, ok{{ j }});
  {% endif %}
  {% endfor %}
  let to = ((o * {{ inner }}u + i) * MIDDLE + m) * QUARTERS + q;
  {% for p in range(run) %}
  packed[to + {{ p }}u * (MIDDLE * QUARTERS)] = to_four(vec4<f32>({% for j in range(4) %}c{{ j }}{{ "[" ~ p ~ "]" if run == 4 }}{{ ", " if j < 3 }}{% endfor %}));
  {% endfor %}
}
