// conv2d_workgroup: {{ "grad_input[n,c,y,x] = sum_k,r,s grad_output[n,k,(y+p-r*d)/s,..] weight[k,c,r,s]" if backward else "output[n,k,y,x] = bias[k] + sum_c,r,s input[n,c,y*s+r*d-p,..] weight[k,c,r,s]" }}
//
// Implicit GEMM, as in conv2d.wgsl: rows are the channels of the target in a group, columns its pixels over the whole
// batch, terms the channels of the source (outer) and the taps (inner). A workgroup computes a block of {{ size }} channels
// of {{ size }} pixels and shares what it loads (common/workgroup_product.wgsl).
{% if backward %}
// The input gradient is the same sum with the roles of the channels swapped.
{% endif %}
{% if phases %}
// It is computed a phase of the strides after the other, with the channels of the source inner.
{% endif %}
{% if pointwise %}
// With one tap and no stride or padding, four neighbouring pixels of the source are one load.
{% endif %}
//
// source (N, {{ source_channels }}, {{ source_h }}, {{ source_w }}), weight (K, C / G, R, S), bias (K), target (N, {{ target_channels }}, {{ target_h }}, {{ target_w }})
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/workgroup_blocks.wgsl" %}
{% if phases %}
{% include "common/conv2d_phases.wgsl" %}
{% endif %}
{% set along_a = true %}
{% set along_b = false %}
{% set whole_a = weight_vec4 %}
{% set whole_b = false %}

const ROWS = {{ rows }}u;         // target channels of a group
const TERMS = {{ terms }}u;        // source channels of a group
const TAPS_W = {{ kernel_w }}u;
const TAPS = {{ kernel_h * kernel_w }}u;
{% if phases %}
// Of the phase.
var<private> K: u32;
var<private> vertical: vec4<i32>;
var<private> horizontal: vec4<i32>;
{% else %}
const K = TERMS * TAPS;
{% endif %}
const COLUMNS = {{ columns }}u;{{ "     // of a phase" if phases }}
const GRID = {{ grid_h * grid_w }}u;        // pixels of an image{{ ", in a phase" if phases }}
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;
const SOURCE_PLANE = {{ source_h * source_w }}u;
const TARGET_PLANE = {{ target_h * target_w }}u;
const NEXT = vec4<u32>(0u, 1u, 2u, 3u);

@group(0) @binding(0) var<storage, read> source: array<{{ "Four" if pointwise else "f32" }}>;
@group(0) @binding(1) var<storage, read> weight: array<{{ "Four" if weight_vec4 else "f32" }}>;
{% if bias %}
@group(0) @binding(2) var<storage, read> bias: array<f32>;
{% endif %}
@group(0) @binding({{ 3 if bias else 2 }}) var<storage, read_write> output: array<{{ "vec4<f32>" if out_vec4 else "f32" }}>;

{% if phases %}
// Line and column of a tap among those of the phase.
fn turn_of(tap: u32) -> vec2<u32> {
  let width = max(u32(horizontal.z), 1u);
  return vec2<u32>(tap / width, tap % width);
}
{% endif %}

{% if weight_vec4 %}
// Where the weights of a channel of group z begin: its terms lie side by side.
fn position_a(z: u32, row: u32) -> u32 { return (z * ROWS + min(row, ROWS - 1u)) * K; }

fn four_of_a(position: u32, k: u32) -> vec4<f32> {
  return select(vec4<f32>(), four(weight[(position + min(k, K - 4u)) / 4u]), k < K);
}
{% else %}
// Where the weights of four channels of group z begin.
fn position_a(z: u32, row: u32) -> vec4<u32> {
  return z{{ " / PHASES" if phases }} * {{ group_stride }}u + min(row + NEXT, vec4<u32>(ROWS - 1u)) * {{ row_stride }}u;
}

fn four_of_a(position: vec4<u32>, k: u32) -> vec4<f32> {
  {% if phases %}
  let term = min(k, max(K, 1u) - 1u);
  let next = turn_of(term / TERMS);
  let first = vec2<u32>(u32(vertical.y), u32(horizontal.y)) + next * STEP;
  let at = position + (term % TERMS * {{ term_stride }}u + first.x * TAPS_W + first.y);
  {% else %}
  let term = min(k, K - 1u);
  let at = position + (term / TAPS * {{ term_stride }}u + term % TAPS);
  {% endif %}
  let found = vec4<f32>(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
  return select(vec4<f32>(), found, k < K);
}
{% endif %}

// Four pixels of the target: where the first channel of their images begins in the source, and their first tap.
struct Pixels { begin: vec4<u32>, y: vec4<i32>, x: vec4<i32> }

fn position_b(z: u32, column: u32) -> Pixels {
  let pixel = min(column + NEXT, vec4<u32>(COLUMNS - 1u));
  let begin = (pixel / GRID * {{ source_channels }}u + z{{ " / PHASES" if phases }} * TERMS) * SOURCE_PLANE;
  let y = vec4<i32>(pixel % GRID / {{ grid_w }}u);
  let x = vec4<i32>(pixel % {{ grid_w }}u);
  {% if phases %}
  return Pixels(begin, y + vertical.w, x + horizontal.w);
  {% elif backward %}
  return Pixels(begin, y + {{ pad_top }}, x + {{ pad_left }});
  {% else %}
  return Pixels(begin, y * {{ stride_h }} - {{ pad_top }}, x * {{ stride_w }} - {{ pad_left }});
  {% endif %}
}

fn four_of_b(position: Pixels, k: u32) -> vec4<f32> {
  let term = min(k, {{ "max(K, 1u)" if phases else "K" }} - 1u);
  {% if pointwise %}
  let first = position.begin.x + term * SOURCE_PLANE + u32(position.y.x) * {{ source_w }}u + u32(position.x.x);
  return select(vec4<f32>(), four(source[first / 4u]), k < K);
  {% else %}
  {% if phases %}
  let back = vec2<i32>(turn_of(term / TERMS)) * BACK;
  let channel = term % TERMS;
  let sy = position.y - back.x;
  let sx = position.x - back.y;
  {% else %}
  let channel = term / TAPS;
  let r = i32(term % TAPS / TAPS_W) * {{ dilation_h }};
  let s = i32(term % TAPS_W) * {{ dilation_w }};
  {% if backward %}
  let sy = position.y - r;
  let sx = position.x - s;
  {% else %}
  let sy = position.y + r;
  let sx = position.x + s;
  {% endif %}
  {% endif %}
  let ok = (vec4<u32>(sy) < vec4<u32>({{ source_h }}u)) & (vec4<u32>(sx) < vec4<u32>({{ source_w }}u));
  let inside = position.begin + channel * SOURCE_PLANE + vec4<u32>(sy) * {{ source_w }}u + vec4<u32>(sx);
  let at = select(vec4<u32>(), inside, ok);
  let found = vec4<f32>(source[at.x], source[at.y], source[at.z], source[at.w]);
  return select(vec4<f32>(), found, ok & vec4<bool>(k < K));
  {% endif %}
}

fn finish(z: u32, row: u32, column: u32, sum: vec4<f32>) {
  if (row < ROWS) {
    let channel = z{{ " / PHASES" if phases }} * ROWS + row;
    let total = sum{{ " + bias[channel]" if bias }};
    {% if out_vec4 %}
    let at = (column / TARGET_PLANE * {{ target_channels }}u + channel) * TARGET_PLANE + column % TARGET_PLANE;
    if (column < COLUMNS) { output[at / 4u] = epilogue(total, at / 4u); }
    {% elif phases %}
    let pixel = column + NEXT;
    let y = vec4<u32>(u32(vertical.x)) + pixel % GRID / {{ grid_w }}u * {{ stride_h }}u;
    let x = vec4<u32>(u32(horizontal.x)) + pixel % {{ grid_w }}u * {{ stride_w }}u;
    let at = (pixel / GRID * {{ target_channels }}u + channel) * TARGET_PLANE + y * {{ target_w }}u + x;
    let inside = (pixel < vec4<u32>(COLUMNS)) & (y < vec4<u32>({{ target_h }}u)) & (x < vec4<u32>({{ target_w }}u));
    {% for q in range(4) %}
    if (inside[{{ q }}]) { output[at[{{ q }}]] = epilogue(total[{{ q }}], at[{{ q }}]); }
    {% endfor %}
    {% else %}
    {% for q in range(4) %}
    {% set pixel = "(column + " ~ q ~ "u)" %}
    if ({{ pixel }} < COLUMNS) {
      let at{{ q }} = ({{ pixel }} / TARGET_PLANE * {{ target_channels }}u + channel) * TARGET_PLANE + {{ pixel }} % TARGET_PLANE;
      output[at{{ q }}] = epilogue(total[{{ q }}], at{{ q }});
    }
    {% endfor %}
    {% endif %}
  }
}

@compute @workgroup_size({{ across_lanes }}, {{ down_lanes }}, {{ slices }})
fn conv2d_workgroup(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  {% if phases %}
  let phase = flat_group(workgroup) / (TILES_M * TILES_N) % PHASES;
  let phase_y = {{ div_u32("phase", phases.w.table | length) }};
  vertical = VERTICAL[phase_y];
  horizontal = HORIZONTAL[phase % PHASES_W];
  // Not K: that a private variable is the same for all, which the barriers in the loop need, nobody can prove.
  let terms = TERMS * u32(VERTICAL[phase_y].z * HORIZONTAL[phase % PHASES_W].z);
  K = terms;
  {% endif %}
{% if phases %}
{% set terms_end = "terms" %}
{% endif %}
{% include "common/workgroup_product.wgsl" %}
}
