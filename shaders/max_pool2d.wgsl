// max_pool2d: output[p,i,j] = max over taps of input[p, i*s + a*d - pad, ..], indices = h * W + w of the winner
//
// An invocation computes one output of a plane p = (n, c), a workgroup 64. The first tap inside the input
// begins, only a larger one takes over: ties go to the first.
//
// input ({{ planes }}, {{ h }}, {{ w }}), output and indices ({{ planes }}, {{ oh }}, {{ ow }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;

@compute @workgroup_size(64)
fn max_pool2d(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * oh * ow }}u) { return; }
  let plane = at / {{ oh * ow }}u * {{ h * w }}u;
  let y = i32(at / {{ ow }}u % {{ oh }}u) * {{ stride_h }} - {{ pad_top }};
  let x = i32(at % {{ ow }}u) * {{ stride_w }} - {{ pad_left }};
  var best = 0.0;
  var index = 0xffffffffu;
{% if unroll %}
  {% for a in range(kernel_h) %}
  {% for b in range(kernel_w) %}
  {
    let iy = y + {{ a * dilation_h }};
    let ix = x + {{ b * dilation_w }};
    {% if inside %}
    let here = u32(iy) * {{ w }}u + u32(ix);
    let value = input[plane + here];
    let wins = (index == 0xffffffffu) | (value > best);
    {% else %}
    let ok = (u32(iy) < {{ h }}u) & (u32(ix) < {{ w }}u);
    let here = select(0u, u32(iy) * {{ w }}u + u32(ix), ok);
    let value = input[plane + here];
    let wins = ok & ((index == 0xffffffffu) | (value > best));
    {% endif %}
    best = select(best, value, wins);
    index = select(index, here, wins);
  }
  {% endfor %}
  {% endfor %}
{% else %}
  for (var a = 0; a < {{ kernel_h }}; a++) {
    for (var b = 0; b < {{ kernel_w }}; b++) {
      let iy = y + a * {{ dilation_h }};
      let ix = x + b * {{ dilation_w }};
      let ok = (u32(iy) < {{ h }}u) & (u32(ix) < {{ w }}u);
      let here = select(0u, u32(iy) * {{ w }}u + u32(ix), ok);
      let value = input[plane + here];
      let wins = ok & ((index == 0xffffffffu) | (value > best));
      best = select(best, value, wins);
      index = select(index, here, wins);
    }
  }
{% endif %}
  output[at] = best;
  indices[at] = index;
}
