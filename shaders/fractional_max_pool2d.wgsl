// fractional_max_pool2d: output[p,i,j] = max of input[p, y, x] over the {{ kernel_h }} rows from begin(i, samples[p,1]) on and the {{ kernel_w }}
// columns from begin(j, samples[p,0]) on; indices = y * W + x of the winner
//
// An invocation computes one output of a plane p = (n, c), a workgroup 64. The first element begins, only a larger one takes
// over: ties go to the first. A NaN takes over from all.
{% if carried or not done %}
// Of each window rows {{ outer_first }} to {{ outer_last }} and columns {{ inner_first }} to {{ inner_last }}{{ ", after those before" if carried }}.
{% endif %}
//
// input ({{ planes }}, {{ h }}, {{ w }}), samples (of each plane 2{{ ", from plane " ~ first_plane ~ " on" if first_plane > 0 }}), output and indices ({{ planes }}, {{ oh }}, {{ ow }})
{% include "common/group.wgsl" %}
{% include "common/nan.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> samples: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;

const NONE = 0xffffffffu;

// Where window i of so many begins: windows are about so far apart, the last is at the end.
fn begin(i: u32, windows: u32, last: u32, apart: f32, sample: f32) -> u32 {
  let u = select(clamp(sample, 0.0, 1.0), 0.0, is_nan(sample));
  let inner = min(u32((f32(i) + u) * apart) - u32(u * apart), last);
  return select(inner, last, i + 1u == windows);
}

@compute @workgroup_size(64)
fn fractional_max_pool2d(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * oh * ow }}u) { return; }
  let plane = at / {{ oh * ow }}u * {{ h * w }}u;
  let number = 2u * ({{ first_plane }}u + at / {{ oh * ow }}u);
  let y = begin(at / {{ ow }}u % {{ oh }}u, {{ oh }}u, {{ h - kernel_h }}u, {{ apart_h }}, samples[number + 1u]);
  let x = begin(at % {{ ow }}u, {{ ow }}u, {{ w - kernel_w }}u, {{ apart_w }}, samples[number]);
{% set last_row = "y + " ~ outer_last ~ "u" %}
{% set last_column = "x + " ~ inner_last ~ "u" %}
{% include "common/max_window.wgsl" %}
}
