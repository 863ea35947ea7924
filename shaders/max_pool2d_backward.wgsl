// max_pool2d_backward: grad_input[p,y,x] = sum of grad_output over the windows whose winner is (y, x)
//
{% if cells %}
// Windows do not overlap. An invocation owns the {{ stride_h }}x{{ stride_w }} cell of one window, {{ cells_h }}x{{ cells_w }} cells a
// plane: it writes the error at the winner and zeros elsewhere. A workgroup is 64 cells.
{% else %}
// An invocation computes one input element, a workgroup 64. It visits the windows that can contain it: those
// whose first row lies in y + pad - extent < i * s <= y + pad. Gathered, so no atomics.
{% endif %}
//
// grad_output and indices ({{ planes }}, {{ oh }}, {{ ow }}), grad_input ({{ planes }}, {{ h }}, {{ w }})
{% include "common/group.wgsl" %}
{% include "common/epilogue.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(64)
fn max_pool2d_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let number = flat_group(workgroup) * 64u + lane.x;
{% if cells %}
  if (number >= {{ planes * cells_h * cells_w }}u) { return; }
  let plane = number / {{ cells_h * cells_w }}u;
  let i = number / {{ cells_w }}u % {{ cells_h }}u;
  let j = number % {{ cells_w }}u;
  {% if ragged %}
  let ok = (i < {{ oh }}u) & (j < {{ ow }}u);
  let from_window = select(0u, (plane * {{ oh }}u + i) * {{ ow }}u + j, ok);
  let winner = select(0xffffffffu, indices[from_window], ok);
  {% else %}
  let from_window = (plane * {{ oh }}u + i) * {{ ow }}u + j;
  let winner = indices[from_window];
  {% endif %}
  let error = grad_output[from_window];
  {% macro pixel(a, b) %}
    {
      let y = i * {{ stride_h }}u + {{ a }};
      let x = j * {{ stride_w }}u + {{ b }};
      let here = y * {{ w }}u + x;
      let at = plane * {{ h * w }}u + here;
      {{ "if ((y < " ~ h ~ "u) & (x < " ~ w ~ "u)) { " if ragged else "" }}grad_input[at] = epilogue(select(0.0, error, here == winner), at);{{ " }" if ragged else "" }}
    }
  {% endmacro %}
  {% if unroll %}
  {% for a in range(stride_h) %}
  {% for b in range(stride_w) %}
{{ pixel(a ~ "u", b ~ "u") }}
  {% endfor %}
  {% endfor %}
  {% else %}
  for (var a = 0u; a < {{ stride_h }}u; a++) {
    for (var b = 0u; b < {{ stride_w }}u; b++) {
{{ pixel("a", "b") }}
    }
  }
  {% endif %}
{% else %}
  if (number >= {{ planes * h * w }}u) { return; }
  let plane = number / {{ h * w }}u * {{ oh * ow }}u;
  let here = number % {{ h * w }}u;
  let y = i32(here / {{ w }}u) + {{ pad_top }};
  let x = i32(here % {{ w }}u) + {{ pad_left }};
  let first_i = max(y - {{ extent_h }} + {{ stride_h }}, 0) / {{ stride_h }};
  let first_j = max(x - {{ extent_w }} + {{ stride_w }}, 0) / {{ stride_w }};
  let last_i = min(y / {{ stride_h }}, {{ oh }} - 1);
  let last_j = min(x / {{ stride_w }}, {{ ow }} - 1);
  var sum = 0.0;
  for (var i = first_i; i <= last_i; i++) {
    for (var j = first_j; j <= last_j; j++) {
      let from_window = plane + u32(i) * {{ ow }}u + u32(j);
      sum += select(0.0, grad_output[from_window], indices[from_window] == here);
    }
  }
  grad_input[number] = epilogue(sum, number);
{% endif %}
}
