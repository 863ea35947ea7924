// avg_pool2d: output[p,i,j] = sum over taps of input[p, i*s + a - pad, ..] / divisor
//
// An invocation computes one output of a plane p = (n, c), a workgroup 64. The divisor
{% if override_ %}
// is given: {{ override_ }}.
{% elif count_include_pad %}
// counts padding, but not what a window of ceil_mode reaches beyond it.
{% else %}
// counts only what lies inside the input.
{% endif %}
{% if carried or not done %}
// Rows {{ outer_first }} to {{ outer_last }} and columns {{ inner_first }} to {{ inner_last }} of each window{{ ", added to those before" if carried }}.
{% endif %}
//
// input ({{ planes }}, {{ h }}, {{ w }}), output ({{ planes }}, {{ oh }}, {{ ow }})
{% include "common/group.wgsl" %}
{% include "common/avg_window.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn avg_pool2d(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * oh * ow }}u) { return; }
  let plane = at / {{ oh * ow }}u * {{ h * w }}u;
  let i = i32(at / {{ ow }}u % {{ oh }}u);
  let j = i32(at % {{ ow }}u);
  let y = i * {{ stride_h }} - {{ pad_top }};
  let x = j * {{ stride_w }} - {{ pad_left }};
  var sum = {{ "output[at]" if carried else "0.0" }};
  let rows = min(y + {{ kernel_h }}, {{ h }});
  let columns = min(x + {{ kernel_w }}, {{ w }});
  {# Of a piece of the window, counted from its first pixel inside. #}
  for (var iy = max(y, 0) + {{ outer_first }}; iy < min(max(y, 0) + {{ outer_last }}, rows); iy++) {
    for (var ix = max(x, 0) + {{ inner_first }}; ix < min(max(x, 0) + {{ inner_last }}, columns); ix++) {
      sum += input[plane + u32(iy) * {{ w }}u + u32(ix)];
    }
  }
  output[at] = {{ "sum / divisor(i, j)" if done else "sum" }};
}
