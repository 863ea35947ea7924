// conv2d_backward_weight_workgroup: grad_weight[k,c,r,s] = sum_n,i,j grad_output[n,k,i,j] input[n,c,i*s+r*d-p,..]
//
// GEMM, as in conv2d_backward_weight.wgsl: rows are the output channels of a group, columns the weights of one of them,
// terms the output pixels of the batch. These are split into {{ splits }} runs, each of which is added into partials[split]; a
// second pass adds the runs in order. A workgroup computes a block of {{ size }} channels of {{ size }} weights and shares what it
// loads (common/workgroup_product.wgsl).
//
// grad_output (N, K, OH, OW), input (N, C, H, W), partials (splits, K, C / G, R, S)
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/workgroup_blocks.wgsl" %}
{% set along_a = true %}
{% set along_b = true %}
{% set whole_a = grad_vec4 %}
{% set whole_b = false %}

const ROWS = {{ rows }}u;                    // output channels of a group
const CHANNELS = {{ channels }}u;                // input channels of a group
const TAPS = {{ kernel_h * kernel_w }}u;
const COLUMNS = CHANNELS * TAPS;
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;
const BLOCKS = {{ groups_of_channels }}u;
const K = {{ pixels_per_split }}u;
const ALL_PIXELS = {{ all_pixels }}u;
const PIXELS = {{ output_h * output_w }}u;
const OW = {{ output_w }}u;
const H = {{ input_h }}u;
const W = {{ input_w }}u;
const NEXT = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(0) var<storage, read> grad_output: array<{{ "Four" if grad_vec4 else "f32" }}>;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

{% if grad_vec4 %}
// A run of pixels and an output channel.
struct Channels { first: u32, channel: u32 }

fn position_a(z: u32, row: u32) -> Channels {
  return Channels(z / BLOCKS * K, z % BLOCKS * ROWS + min(row, ROWS - 1u));
}

fn four_of_a(position: Channels, k: u32) -> vec4<f32> {
  let pixel = position.first + k;
  let ok = (k < K) & (pixel < ALL_PIXELS);
  let near = select(0u, pixel, ok);
  let at = (near / PIXELS * {{ output_channels }}u + position.channel) * PIXELS + near % PIXELS;
  return select(vec4<f32>(), four(grad_output[at / 4u]), ok);
}
{% else %}
// A run of pixels and four output channels.
struct Channels { first: u32, channel: vec4<u32> }

fn position_a(z: u32, row: u32) -> Channels {
  return Channels(z / BLOCKS * K, z % BLOCKS * ROWS + min(row + NEXT, vec4<u32>(ROWS - 1u)));
}

fn four_of_a(position: Channels, k: u32) -> vec4<f32> {
  let pixel = position.first + k;
  let ok = (k < K) & (pixel < ALL_PIXELS);
  let near = select(0u, pixel, ok);
  let at = (near / PIXELS * {{ output_channels }}u + position.channel) * PIXELS + near % PIXELS;
  let found = vec4<f32>(grad_output[at.x], grad_output[at.y], grad_output[at.z], grad_output[at.w]);
  return select(vec4<f32>(), found, ok);
}
{% endif %}

// A run of pixels and four weights: the planes of their channels, and their taps.
struct Weights { first: u32, plane: vec4<u32>, up: vec4<i32>, left: vec4<i32> }

fn position_b(z: u32, column: u32) -> Weights {
  let weight = min(column + NEXT, vec4<u32>(COLUMNS - 1u));
  let tap = weight % TAPS;
  let up = vec4<i32>(tap / {{ kernel_w }}u) * {{ dilation_h }} - {{ pad_top }};
  let left = vec4<i32>(tap % {{ kernel_w }}u) * {{ dilation_w }} - {{ pad_left }};
  return Weights(z / BLOCKS * K, (z % BLOCKS * CHANNELS + weight / TAPS) * (H * W), up, left);
}

fn four_of_b(position: Weights, k: u32) -> vec4<f32> {
  let pixel = position.first + k;
  let sy = i32(pixel % PIXELS / OW) * {{ stride_h }} + position.up;
  let sx = i32(pixel % PIXELS % OW) * {{ stride_w }} + position.left;
  let ok = (vec4<u32>(sy) < vec4<u32>(H)) & (vec4<u32>(sx) < vec4<u32>(W)) & vec4<bool>((k < K) & (pixel < ALL_PIXELS));
  let inside = pixel / PIXELS * {{ input_channels * input_h * input_w }}u + position.plane + vec4<u32>(sy) * W + vec4<u32>(sx);
  let at = select(vec4<u32>(), inside, ok);
  let found = vec4<f32>(input[at.x], input[at.y], input[at.z], input[at.w]);
  return select(vec4<f32>(), found, ok);
}

fn finish(z: u32, row: u32, column: u32, sum: vec4<f32>) {
  if (row < ROWS) {
    let begin = ({{ first_partial }}u * BLOCKS * ROWS + z * ROWS + row) * COLUMNS;
    {% for q in range(4) %}
    if (column + {{ q }}u < COLUMNS) { partials[begin + column + {{ q }}u] = sum[{{ q }}]; }
    {% endfor %}
  }
}

@compute @workgroup_size({{ across_lanes }}, {{ down_lanes }}, {{ slices }})
fn conv2d_backward_weight_workgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
{% include "common/workgroup_product.wgsl" %}
}
