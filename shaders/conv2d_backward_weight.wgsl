// conv2d_backward_weight: grad_weight[k,c,r,s] = sum_n,i,j grad_output[n,k,i,j] input[n,c,i*s+r*d-p,..]
//
// GEMM whose rows are the output channels of a group, columns the weights (c, r, s) of one of them, terms the
// output pixels of the batch, four neighbours of a row of the image a turn. The rows of all images are split
// into {{ splits }} runs; each workgroup adds one run into partials[split], and a second pass adds the
// runs in order: no atomics, the same bits every time. An invocation computes {{ tm }} output channels of 4
// weights; a workgroup is {{ lanes }} invocations along the weights times {{ row_tiles }} along the channels.
//
// grad_output (N, K, OH, OW), input (N, C, H, W), partials (splits, K, C / G, R, S)
{% include "common/group.wgsl" %}

const ROWS = {{ rows }}u;                    // output channels of a group
const CHANNELS = {{ channels }}u;                // input channels of a group
const TAPS = {{ kernel_h * kernel_w }}u;
const COLUMNS = {{ columns }}u;                 // CHANNELS * TAPS
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;
const BLOCKS = {{ groups_of_channels }}u;
const OH = {{ output_h }}u;
const OW = {{ output_w }}u;
const H = {{ input_h }}u;
const W = {{ input_w }}u;

@group(0) @binding(0) var<storage, read> grad_output: array<{{ "vec4<f32>" if grad_vec4 else "f32" }}>;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size({{ lanes }}, {{ row_tiles }})
fn conv2d_backward_weight(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let split = group / (TILES_M * TILES_N * BLOCKS);
  let block = group / (TILES_M * TILES_N) % BLOCKS;
  let row = ((group / TILES_N) % TILES_M * {{ row_tiles }}u + lane.y) * {{ tm }}u;
  let column = (group % TILES_N * {{ lanes }}u + lane.x) * 4u;
  {% for q in range(4) %}
  let col{{ q }} = min(column + {{ q }}u, COLUMNS - 1u);
  let tap{{ q }} = col{{ q }} % TAPS;
  let plane{{ q }} = (block * CHANNELS + col{{ q }} / TAPS) * {{ input_h * input_w }}u;
  let up{{ q }} = i32(tap{{ q }} / {{ kernel_w }}u) * {{ dilation_h }} - {{ pad_top }};
  let left{{ q }} = i32(tap{{ q }} % {{ kernel_w }}u) * {{ dilation_w }} - {{ pad_left }};
  {% endfor %}
  {% if shuffle %}
  {% for g in range(tm // lanes) %}
  let channel{{ g }} = block * ROWS + min(row + {{ g * lanes }}u + lane.x, ROWS - 1u);
  {% endfor %}
  {% else %}
  {% for i in range(tm) %}
  let channel{{ i }} = block * ROWS + min(row + {{ i }}u, ROWS - 1u);
  {% endfor %}
  {% endif %}
  {% for i in range(tm) %}
  var s{{ i }} = vec4<f32>();
  {% endfor %}
  let last = min((split + 1u) * {{ lines_per_split }}u, {{ lines }}u);
  for (var line = split * {{ lines_per_split }}u; line < last; line++) {
    let image = line / OH;
    let oh = line % OH;
    {% for q in range(4) %}
    let sy{{ q }} = i32(oh) * {{ stride_h }} + up{{ q }};
    let ok_y{{ q }} = u32(sy{{ q }}) < H;
    let from{{ q }} = image * {{ input_image }}u + plane{{ q }} + select(0u, u32(sy{{ q }}), ok_y{{ q }}) * W;
    {% endfor %}
    for (var ow = 0u; ow < OW; ow += 4u) {
      {% for j in range(4) %}
      {% for q in range(4) %}
      let sx{{ j }}_{{ q }} = i32(ow + {{ j }}u) * {{ stride_w }} + left{{ q }};
      let ok{{ j }}_{{ q }} = ok_y{{ q }} & (u32(sx{{ j }}_{{ q }}) < W){% if not grad_vec4 and j > 0 %} & (ow + {{ j }}u < OW){% endif %};
      {% endfor %}
      let b{{ j }} = vec4<f32>(
        {% for q in range(4) %}
        select(0.0, input[select(0u, from{{ q }} + u32(sx{{ j }}_{{ q }}), ok{{ j }}_{{ q }})], ok{{ j }}_{{ q }}){{ "," if q < 3 else "" }}
        {% endfor %}
      );
      {% endfor %}
      {% for g in range(tm // lanes if shuffle else tm) %}
      let line{{ g }} = (image * {{ output_channels }}u + channel{{ g }}) * {{ output_h * output_w }}u + oh * OW + ow;
      {% if grad_vec4 %}
      let held{{ g }} = grad_output[line{{ g }} / 4u];
      {% else %}
      // The mask of the input hides what lies behind the end of a line, as long as it is read in bounds.
      let held{{ g }} = vec4<f32>(
        grad_output[line{{ g }}],
        {% for j in range(1, 4) %}
        select(0.0, grad_output[select(line{{ g }}, line{{ g }} + {{ j }}u, ow + {{ j }}u < OW)], ow + {{ j }}u < OW){{ "," if j < 3 else "" }}
        {% endfor %}
      );
      {% endif %}
      {% endfor %}
      {% for i in range(tm) %}
      {% if shuffle %}
      let a{{ i }} = subgroupShuffle(held{{ i // lanes }}, {{ i % lanes }}u);
      {% else %}
      let a{{ i }} = held{{ i }};
      {% endif %}
      {% for j in range(4) %}
      s{{ i }} = fma(vec4<f32>(a{{ i }}[{{ j }}]), b{{ j }}, s{{ i }});
      {% endfor %}
      {% endfor %}
    }
  }
  {% for i in range(tm) %}
  if (row + {{ i }}u < ROWS) {
    let at = (({{ first_partial }}u + split) * BLOCKS * ROWS + block * ROWS + row + {{ i }}u) * COLUMNS + column;
    {% for q in range(4) %}
    if (column + {{ q }}u < COLUMNS) { partials[at + {{ q }}u] = s{{ i }}[{{ q }}]; }
    {% endfor %}
  }
  {% endfor %}
}
