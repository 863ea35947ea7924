// conv2d_backward_weight: grad_weight[k,c,r,s] = sum_n,i,j grad_output[n,k,i,j] input[n,c,i*s+r*d-p,..]
//
// GEMM whose rows are the output channels of a group, columns the weights of one of them, terms the output
// pixels of the batch, four of an image an iteration. The iterations of all images are split into {{ splits }} runs; each
// workgroup adds one run into partials[split], and a second pass adds the runs in order: no atomics, the same
// bits every time. An invocation computes {{ tm }} output channels of {{ tn }} weights; a workgroup is {{ lanes }}
// invocations along the weights times {{ row_tiles }} along the channels.
{% if packed %}
// The input comes with its channels last, four a vec4 (channels_last.wgsl): 4 weights are those of four channels
// and one tap{{ ", 8 of eight" if eight }}, and a tap outside the image reads the zeros behind the last pixel.
{% endif %}
//
// grad_output (N, K, OH, OW), input (N, C, H, W){{ " before it is packed" if packed }}, partials (splits, K, {{ "R, S, C / G padded to fours" if packed else "C / G, R, S" }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}

const ROWS = {{ rows }}u;                    // output channels of a group
const CHANNELS = {{ channels }}u;                // input channels of a group
const TAPS = {{ kernel_h * kernel_w }}u;
const COLUMNS = {{ columns }}u;
// Whether all rows of all tiles lie inside.
const WHOLE = {{ "true" if rows % (tm * row_tiles) == 0 else "false" }};
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;
const BLOCKS = {{ groups_of_channels }}u;
const ITERATIONS = {{ iterations }}u;                   // of an image
const PIXELS = {{ output_h * output_w }}u;
const OW = {{ output_w }}u;
const H = {{ input_h }}u;
const W = {{ input_w }}u;

@group(0) @binding(0) var<storage, read> grad_output: array<{{ "Four" if grad_vec4 else "f32" }}>;
@group(0) @binding(1) var<storage, read> input: array<{{ "vec4<u64>" if eight else "Four" if packed else "f32" }}>;
@group(0) @binding(2) var<storage, read_write> partials: array<{{ "vec4<u64>" if eight else "Four" if packed else "f32" }}>;

@compute @workgroup_size({{ lanes }}, {{ row_tiles }})
fn conv2d_backward_weight(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let split = group / (TILES_M * TILES_N * BLOCKS);
  let block = group / (TILES_M * TILES_N) % BLOCKS;
  let row = ((group / TILES_N) % TILES_M * {{ row_tiles }}u + lane.y) * {{ tm }}u;
  let column = (group % TILES_N * {{ lanes }}u + lane.x) * {{ tn }}u;
  {# Weights of an invocation that have one tap: fours, or all, where channels come last. #}
  {% set run = tn if eight else 4 if packed else 1 %}
  {% set taps = range(0, tn, run) %}
  {% for q in taps %}
  let col{{ q }} = min(column + {{ q }}u, COLUMNS - {{ run }}u);
  {% if packed %}
  let tap{{ q }} = col{{ q }} / {{ 4 * quarters }}u;
  let quarter{{ q }} = col{{ q }} / 4u % {{ quarters }}u;
  {% else %}
  let tap{{ q }} = col{{ q }} % TAPS;
  let plane{{ q }} = (block * CHANNELS + col{{ q }} / TAPS) * (H * W);
  {% endif %}
  let up{{ q }} = i32(tap{{ q }} / {{ kernel_w }}u) * {{ dilation_h }} - {{ pad_top }};
  let left{{ q }} = i32(tap{{ q }} % {{ kernel_w }}u) * {{ dilation_w }} - {{ pad_left }};
  {% endfor %}
  {% for g in range(tm // lanes if shuffle else tm) %}
  let channel{{ g }} = block * ROWS + min(row + {{ g * lanes if shuffle else g }}u{{ " + lane.x" if shuffle }}, ROWS - 1u);
  {% endfor %}
  {% for i in range(tm) %}
  {% for v in range(tn // 4) %}
  var s{{ i }}_{{ v }} = vec4<f32>();
  {% endfor %}
  {% endfor %}
  let last = min((split + 1u) * {{ iterations_per_split }}u, {{ all_iterations }}u);
  for (var iteration = split * {{ iterations_per_split }}u; iteration < last; iteration++) {
    let image = iteration / ITERATIONS;
    let pixel = iteration % ITERATIONS * 4u;
    {% for j in range(4) %}
    let y{{ j }} = i32((pixel + {{ j }}u) / OW) * {{ stride_h }};
    let x{{ j }} = i32((pixel + {{ j }}u) % OW) * {{ stride_w }};
    {% for q in taps %}
    let sy{{ j }}_{{ q }} = y{{ j }} + up{{ q }};
    let sx{{ j }}_{{ q }} = x{{ j }} + left{{ q }};
    let ok{{ j }}_{{ q }} = (u32(sy{{ j }}_{{ q }}) < H) & (u32(sx{{ j }}_{{ q }}) < W){{ " & (pixel + " ~ j ~ "u < PIXELS)" if not grad_vec4 and j > 0 }};
    let at{{ j }}_{{ q }} = u32(sy{{ j }}_{{ q }}) * W + u32(sx{{ j }}_{{ q }});
    {% endfor %}
    {% if packed %}
    {% for q in taps %}
    let from{{ j }}_{{ q }} = select({{ zeros }}u, ((image * (H * W) + at{{ j }}_{{ q }}) * BLOCKS + block) * {{ quarters }}u, ok{{ j }}_{{ q }}) + quarter{{ q }};
    {% endfor %}
    {% if eight %}
    let w{{ j }} = input[from{{ j }}_0 / 2u];
    let b{{ j }}_0 = four(w{{ j }}.xy);
    let b{{ j }}_1 = four(w{{ j }}.zw);
    {% else %}
    {% for q in taps %}
    let b{{ j }}_{{ q // 4 }} = four(input[from{{ j }}_{{ q }}]);
    {% endfor %}
    {% endif %}
    {% else %}
    {% for v in range(tn // 4) %}
    let b{{ j }}_{{ v }} = vec4<f32>(
      {% for q in range(4 * v, 4 * v + 4) %}
      select(0.0, input[select(0u, image * {{ input_channels * input_h * input_w }}u + plane{{ q }} + at{{ j }}_{{ q }}, ok{{ j }}_{{ q }})], ok{{ j }}_{{ q }}){{ "," if q % 4 < 3 else "" }}
      {% endfor %}
    );
    {% endfor %}
    {% endif %}
    {% endfor %}
    {% for g in range(tm // lanes if shuffle else tm) %}
    let from_grad{{ g }} = (image * {{ output_channels }}u + channel{{ g }}) * PIXELS + pixel;
    {% if grad_vec4 %}
    let held{{ g }} = four(grad_output[from_grad{{ g }} / 4u]);
    {% else %}
    // The zeros of the input hide what lies behind the end of an image, as long as it is finite.
    let held{{ g }} = vec4<f32>(
      grad_output[from_grad{{ g }}],
      {% for j in range(1, 4) %}
      select(0.0, grad_output[select(from_grad{{ g }}, from_grad{{ g }} + {{ j }}u, pixel + {{ j }}u < PIXELS)], pixel + {{ j }}u < PIXELS){{ "," if j < 3 else "" }}
      {% endfor %}
    );
    {% endif %}
    {% endfor %}
{% include "common/conv2d_products.wgsl" %}
  }
  {% for i in range(tm) %}
  if (WHOLE | (row + {{ i }}u < ROWS)) {
    let at = ((({{ first_partial }}u + split) * BLOCKS + block) * ROWS + row + {{ i }}u) * COLUMNS + column;
    {% if eight %}
    if (column < COLUMNS) { partials[at / 8u] = vec4<u64>(to_four(s{{ i }}_0), to_four(s{{ i }}_1)); }
    {% elif packed %}
    {% for v in range(tn // 4) %}
    if (column + {{ 4 * v }}u < COLUMNS) { partials[at / 4u + {{ v }}u] = to_four(s{{ i }}_{{ v }}); }
    {% endfor %}
    {% else %}
    {% for q in range(tn) %}
    if (column + {{ q }}u < COLUMNS) { partials[at + {{ q }}u] = s{{ i }}_{{ q // 4 }}[{{ q % 4 }}]; }
    {% endfor %}
    {% endif %}
  }
  {% endfor %}
}
