// channels_last: packed[o,i,m,c] = source[o * so + i * si + m * sm + c * sc], four channels c a vec4
//
// Brings the terms of a convolution together, so that its kernels load four at a time: a source with its
// channels last, or weights with the source's channels last. What is missing to a multiple of 4 is zero{{ ", and so is one more pixel behind all others, for taps outside the image" if zeros else "" }}.
// An invocation writes one vec4, neighbours along i.
//
// packed ({{ outer }}, {{ inner }}, {{ middle }}, {{ quarters }}) of vec4
{% include "common/group.wgsl" %}

const INNER = {{ inner }}u;
const MIDDLE = {{ middle }}u;
const QUARTERS = {{ quarters }}u;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<vec4<f32>>;

@compute @workgroup_size(64)
fn channels_last(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ elements }}u) {
    {% if zeros %}
    if (at < {{ elements }}u + QUARTERS) { packed[at] = vec4<f32>(); }
    {% endif %}
    return;
  }
  let i = at % INNER;
  let q = at / INNER % QUARTERS;
  let m = at / (INNER * QUARTERS) % MIDDLE;
  let o = at / (INNER * QUARTERS * MIDDLE);
  let first = o * {{ strides[0] }}u + i * {{ strides[1] }}u + m * {{ strides[2] }}u + q * {{ 4 * strides[3] }}u;
  {% for j in range(4) %}
  {% if channels % 4 == 0 or j == 0 %}
  let c{{ j }} = source[first + {{ j * strides[3] }}u];
  {% else %}
  let ok{{ j }} = q * 4u + {{ j }}u < {{ channels }}u;
  let c{{ j }} = select(0.0, source[select(first, first + {{ j * strides[3] }}u, ok{{ j }})], ok{{ j }});
  {% endif %}
  {% endfor %}
  packed[((o * INNER + i) * MIDDLE + m) * QUARTERS + q] = vec4<f32>(c0, c1, c2, c3);
}
