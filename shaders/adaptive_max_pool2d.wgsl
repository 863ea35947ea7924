// adaptive_max_pool2d: output[p,i,j] = max of input[p, y, x] over i H / OH <= y < (i + 1) H / OH, rounded down and up, and x
// likewise; indices = y * W + x of the winner
//
// An invocation computes one output of a plane p = (n, c), a workgroup 64. The first element begins, only a larger one takes
// over: ties go to the first. A NaN takes over from all.
{% if carried or not done %}
// Of each window rows {{ outer_first }} to {{ outer_last }} and columns {{ inner_first }} to {{ inner_last }}{{ ", after those before" if carried }}.
{% endif %}
//
// input ({{ planes }}, {{ h }}, {{ w }}), output and indices ({{ planes }}, {{ oh }}, {{ ow }})
{% include "common/group.wgsl" %}
{% include "common/nan.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn adaptive_max_pool2d(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * oh * ow }}u) { return; }
  let plane = at / {{ oh * ow }}u * {{ h * w }}u;
  let i = at / {{ ow }}u % {{ oh }}u;
  let j = at % {{ ow }}u;
  let y = i * {{ h }}u / {{ oh }}u;
  let x = j * {{ w }}u / {{ ow }}u;
  let bottom = ((i + 1u) * {{ h }}u - 1u) / {{ oh }}u + 1u;
  let right = ((j + 1u) * {{ w }}u - 1u) / {{ ow }}u + 1u;
{% set last_row = "min(y + " ~ outer_last ~ "u, bottom)" %}
{% set last_column = "min(x + " ~ inner_last ~ "u, right)" %}
{% include "common/max_window.wgsl" %}
}
