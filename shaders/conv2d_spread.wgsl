// conv2d_spread: output[n,c,y,x] = pixels[n,c,y/{{ stride_h }},x/{{ stride_w }}] where both are whole, and zero elsewhere
//
// The last step of the input gradient of a 1x1 convolution with strides, computed at stride 1; applies the epilogue, too. An invocation
// stores {{ "four neighbours" if fours else "one pixel" }}.
//
// pixels (N, C, {{ from_h }}, {{ from_w }}), output (N, C, {{ to_h }}, {{ to_w }})
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}

@group(0) @binding(0) var<storage, read> pixels: array<{{ "Pair" if pairs else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ "Four" if fours else "f32" }}>;

@compute @workgroup_size(64)
fn conv2d_spread(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ elements // (4 if fours else 1) }}u) { return; }
  let first = at{{ " * 4u" if fours }};
  let x = first % {{ to_w }}u;
  let y = first / {{ to_w }}u % {{ to_h }}u;
  let line = (first / {{ to_w * to_h }}u * {{ from_h }}u + {{ div_u32("y", stride_h) }}) * {{ from_w }}u;
  let whole = y % {{ stride_h }}u == 0u;
  {% if pairs %}
  var value = vec4<f32>();
  if (whole) {
    let two = pair(pixels[(line + x / 2u) / 2u]);
    value = vec4<f32>(two.x, 0.0, two.y, 0.0);
  }
  {% else %}
  {% for q in range(4 if fours else 1) %}
  var v{{ q }} = 0.0;
  if (whole & ((x + {{ q }}u) % {{ stride_w }}u == 0u)) { v{{ q }} = pixels[line + (x + {{ q }}u) / {{ stride_w }}u]; }
  {% endfor %}
  let value = {{ "vec4<f32>(v0, v1, v2, v3)" if fours else "v0" }};
  {% endif %}
  output[at] = {{ "to_four(epilogue(value, at))" if fours else "epilogue(value, at)" }};
}
