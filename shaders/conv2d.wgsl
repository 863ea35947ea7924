// conv2d: {{ "grad_input[n,c,y,x] = sum_k,r,s grad_output[n,k,(y+p-r*d)/s,..] weight[k,c,r,s]" if backward else "output[n,k,y,x] = bias[k] + sum_c,r,s input[n,c,y*s+r*d-p,..] weight[k,c,r,s]" }}
//
// Implicit GEMM, nothing is unrolled into memory: rows are the channels of the target, columns its pixels
// over the whole batch, terms the taps (outer) and the channels of the source (inner). The position of a tap in
// the source is found once and serves all channels. An invocation computes {{ tm }} channels of {{ tn }}
// neighbouring pixels in registers; a workgroup is {{ lanes }} invocations along the pixels times
// {{ row_tiles }} along the channels.
{% if shuffle %}
// Each lane loads the weights of one channel and the subgroup passes them round.
{% endif %}
{% if packed %}
// Source and weight come with their channels last, four a vec4 (channels_last.wgsl): one load brings four
// terms, and a tap outside the image reads the zeros behind the last pixel.
{% endif %}
{% if backward %}
// The input gradient is the same sum with the roles of the channels swapped{{ ", a phase of the strides after the other" if phases }}.
{% endif %}
{% if carried or not done %}
// Here taps {{ outer_first }} to {{ outer_last }} and fours of channels {{ inner_first }} to {{ inner_last }} alone; the sums of all parts are added in a later pass.
{% endif %}
//
// source (N, {{ source_channels }}, {{ source_h }}, {{ source_w }}), weight (K, C / G, R, S){{ " before they are packed" if packed }}, bias (K), target (N, {{ target_channels }}, {{ target_h }}, {{ target_w }})
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% if packed or out_eight %}
{% include "common/four.wgsl" %}
{% endif %}
{% if phases %}
{% include "common/conv2d_phases.wgsl" %}
{% endif %}

const ROWS = {{ rows }}u;         // target channels of a group
const TERMS = {{ terms }}u;        // source channels of a group
{% if packed %}
const QUARTERS = {{ quarters }}u;      // vec4 of them
{% endif %}
const TAPS_W = {{ kernel_w }}u;
const TAPS = {{ kernel_h * kernel_w }}u;
const COLUMNS = {{ columns }}u;{{ "     // of a phase" if phases }}
const GRID = {{ grid_h * grid_w }}u;        // pixels of an image{{ ", in a phase" if phases }}
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;
const SOURCE_PLANE = {{ source_h * source_w }}u;
const TARGET_PLANE = {{ target_h * target_w }}u;
// From an image, a group and a channel to the next.
{% if not packed %}
const SOURCE_IMAGE = {{ source_image }}u;
const SOURCE_BLOCK = {{ source_block }}u;
const SOURCE_CHANNEL = {{ source_channel }}u;
{% endif %}
const TARGET_IMAGE = {{ target_image }}u;
const TARGET_BLOCK = {{ target_block }}u;
const TARGET_CHANNEL = {{ target_channel }}u;

@group(0) @binding(0) var<storage, read> source: array<{{ "Four" if packed else "f32" }}>;
@group(0) @binding(1) var<storage, read> weight: array<{{ "Four" if packed else "f32" }}>;
{% if bias %}
@group(0) @binding(2) var<storage, read> bias: array<f32>;
{% endif %}
@group(0) @binding({{ 3 if bias else 2 }}) var<storage, read_write> output: array<{{ "vec4<u64>" if out_eight else "vec4<f32>" if out_vec4 else "f32" }}>;

@compute @workgroup_size({{ lanes }}, {{ row_tiles }})
fn conv2d(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  {% if phases %}
  let block = group / (TILES_M * TILES_N * PHASES); // the group of channels
  let phase = group / (TILES_M * TILES_N) % PHASES;
  let vertical = VERTICAL[{{ div_u32("phase", phases.w.table | length) }}];
  let horizontal = HORIZONTAL[phase % PHASES_W];
  {% else %}
  let block = group / (TILES_M * TILES_N); // the group of channels
  {% endif %}
  let row = ((group / TILES_N) % TILES_M * {{ row_tiles }}u + lane.y) * {{ tm }}u;
  let column = (group % TILES_N * {{ lanes }}u + lane.x) * {{ tn }}u;
  {% for q in range(tn) %}
  let pixel{{ q }} = min(column + {{ q }}u, COLUMNS - 1u);
  let image{{ q }} = pixel{{ q }} / GRID;
  let y{{ q }} = i32(pixel{{ q }} % GRID / {{ grid_w }}u);
  let x{{ q }} = i32(pixel{{ q }} % {{ grid_w }}u);
  {% if not packed %}
  let plane{{ q }} = image{{ q }} * SOURCE_IMAGE + block * SOURCE_BLOCK;
  {% endif %}
  {% endfor %}
  {% for g in range(tm // lanes if shuffle else tm) %}
  let row{{ g }} = min(row + {{ g * lanes if shuffle else g }}u{{ " + lane.x" if shuffle }}, ROWS - 1u);
  {% if not packed %}
  let w{{ g }} = block * {{ group_stride }}u + row{{ g }} * {{ row_stride }}u;
  {% endif %}
  {% endfor %}
  {% if bias and shuffle %}
  {% for g in range(tm // lanes) %}
  let first{{ g }} = bias[block * ROWS + row{{ g }}];
  {% endfor %}
  {% endif %}
  {% for i in range(tm) %}
  {% for v in range(tn // 4) %}
  {% if bias and shuffle %}
  var s{{ i }}_{{ v }} = vec4<f32>(subgroupShuffle(first{{ i // lanes }}, {{ i % lanes }}u));
  {% elif bias %}
  var s{{ i }}_{{ v }} = vec4<f32>(bias[block * ROWS + row{{ i }}]);
  {% else %}
  var s{{ i }}_{{ v }} = vec4<f32>();
  {% endif %}
  {% endfor %}
  {% endfor %}
  {% if phases %}
  let taps = vec2<u32>(u32(vertical.z), u32(horizontal.z));
  for (var phase_tap = {{ outer_first }}u; phase_tap < min({{ outer_last }}u, taps.x * taps.y); phase_tap++) {
    let next = vec2<u32>(phase_tap / taps.y, phase_tap % taps.y);
    let at = vec2<u32>(u32(vertical.y), u32(horizontal.y)) + next * STEP;
    let tap = at.x * TAPS_W + at.y;
    let begin = vec2<i32>(vertical.w, horizontal.w) - vec2<i32>(next) * BACK;
  {% else %}
  for (var tap = {{ outer_first }}u; tap < {{ outer_last }}u; tap++) {
    let r = i32(tap / TAPS_W) * {{ dilation_h }};
    let s = i32(tap % TAPS_W) * {{ dilation_w }};
  {% endif %}
    {% for q in range(tn) %}
    {% if phases %}
    let sy{{ q }} = y{{ q }} + begin.x;
    let sx{{ q }} = x{{ q }} + begin.y;
    {% elif backward %}
    let sy{{ q }} = y{{ q }} + {{ pad_top }} - r;
    let sx{{ q }} = x{{ q }} + {{ pad_left }} - s;
    {% else %}
    let sy{{ q }} = y{{ q }} * {{ stride_h }} + r - {{ pad_top }};
    let sx{{ q }} = x{{ q }} * {{ stride_w }} + s - {{ pad_left }};
    {% endif %}
    let ok{{ q }} = (u32(sy{{ q }}) < {{ source_h }}u) & (u32(sx{{ q }}) < {{ source_w }}u);
    {% if packed %}
    let at{{ q }} = image{{ q }} * SOURCE_PLANE + u32(sy{{ q }}) * {{ source_w }}u + u32(sx{{ q }});
    let from{{ q }} = select({{ zeros }}u, at{{ q }} * {{ blocks * quarters }}u + block * QUARTERS, ok{{ q }});
    {% else %}
    let from{{ q }} = select(0u, plane{{ q }} + u32(sy{{ q }}) * {{ source_w }}u + u32(sx{{ q }}), ok{{ q }});
    let step{{ q }} = select(0u, SOURCE_CHANNEL, ok{{ q }});
    {% endif %}
    {% endfor %}
    {% if packed %}
    {% for g in range(tm // lanes if shuffle else tm) %}
    let w{{ g }} = ((block * TAPS + tap) * ROWS + row{{ g }}) * QUARTERS;
    {% endfor %}
    for (var c = {{ inner_first }}u; c < {{ inner_last }}u; c++) {
{% include "common/conv2d_quarter.wgsl" %}
    }
    {% else %}
    {# Channels in fours, and those that are left. #}
    {% set end = [inner_last * 4, terms] | min %}
    {% set whole = end // 4 * 4 %}
    {% if whole > inner_first * 4 %}
    for (var c = {{ inner_first * 4 }}u; c < {{ whole }}u; c += 4u) {
{% set count = 4 %}{% include "common/conv2d_terms.wgsl" %}
    }
    {% endif %}
    {% if end > whole %}
    for (var c = {{ whole }}u; c < {{ end }}u; c++) {
{% set count = 1 %}{% include "common/conv2d_terms.wgsl" %}
    }
    {% endif %}
    {% endif %}
  }
  {% if phases %}
  {% for q in range(tn) %}
  let ty{{ q }} = u32(vertical.x + y{{ q }} * {{ stride_h }});
  let tx{{ q }} = u32(horizontal.x + x{{ q }} * {{ stride_w }});
  let in{{ q }} = (column + {{ q }}u < COLUMNS) & (ty{{ q }} < {{ target_h }}u) & (tx{{ q }} < {{ target_w }}u);
  let to{{ q }} = image{{ q }} * TARGET_IMAGE + ty{{ q }} * {{ target_w }}u + tx{{ q }};
  {% endfor %}
  {% endif %}
  {% set begin = first_output ~ "u + " if first_output else "" %}
  {% for i in range(tm) %}
  if (row + {{ i }}u < ROWS) {
    let channel = block * TARGET_BLOCK + (row + {{ i }}u) * TARGET_CHANNEL;
    {% if out_eight %}
    let at = {{ begin }}image0 * TARGET_IMAGE + channel + pixel0 % TARGET_PLANE;
    if (column < COLUMNS) {
      output[at / 8u] = vec4<u64>(to_four(epilogue(s{{ i }}_0, at / 4u)), to_four(epilogue(s{{ i }}_1, at / 4u + 1u)));
    }
    {% elif out_vec4 %}
    {% for v in range(tn // 4) %}
    let at{{ v }} = {{ begin }}image{{ 4 * v }} * TARGET_IMAGE + channel + pixel{{ 4 * v }} % TARGET_PLANE;
    if (column + {{ 4 * v }}u < COLUMNS) { output[at{{ v }} / 4u] = epilogue(s{{ i }}_{{ v }}, at{{ v }} / 4u); }
    {% endfor %}
    {% elif phases %}
    {% for q in range(tn) %}
    if (in{{ q }}) {
      let at{{ q }} = {{ begin }}to{{ q }} + channel;
      output[at{{ q }}] = epilogue(s{{ i }}_{{ q // 4 }}[{{ q % 4 }}], at{{ q }});
    }
    {% endfor %}
    {% else %}
    {% for q in range(tn) %}
    if (column + {{ q }}u < COLUMNS) {
      let at{{ q }} = {{ begin }}image{{ q }} * TARGET_IMAGE + channel + pixel{{ q }} % TARGET_PLANE;
      output[at{{ q }}] = epilogue(s{{ i }}_{{ q // 4 }}[{{ q % 4 }}], at{{ q }});
    }
    {% endfor %}
    {% endif %}
  }
  {% endfor %}
}
