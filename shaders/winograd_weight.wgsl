// winograd_weight: transformed[j,l,k,c] = (G g G^T)[j,l] for the 3x3 taps g of target channel k and source channel c
//
// For tiles of {{ m }}x{{ m }} pixels, {{ n * n }} numbers of 9. An invocation transforms four source channels, a vec4; what is missing to a multiple
// of 4 is zero.{{ " The taps are taken in reverse, for the input gradient." if backward }}
//
// weight (K, C, 3, 3), transformed ({{ n }}, {{ n }}, {{ rows }}, {{ terms }})
{% from "common/winograd.wgsl" import combination %}
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}

const QUARTERS = {{ terms // 4 }}u;
const ROWS = {{ rows }}u;

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<Four>;

@compute @workgroup_size(64)
fn winograd_weight(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= ROWS * QUARTERS) { return; }
  {% for q in range(4) %}
  let c{{ q }} = at % QUARTERS * 4u + {{ q }}u;
  let ok{{ q }} = c{{ q }} < {{ source_channels }}u;
  let from{{ q }} = select(0u, at / QUARTERS * {{ row_stride }}u + c{{ q }} * {{ term_stride }}u, ok{{ q }});
  {% endfor %}
  {% for r in range(3) %}
  {% for s in range(3) %}
  {% set tap = 8 - (3 * r + s) if backward else 3 * r + s %}
  let g{{ r }}_{{ s }} = vec4<f32>({% for q in range(4) %}select(0.0, weight[from{{ q }} + {{ tap }}u], ok{{ q }}){{ ", " if q < 3 }}{% endfor %});
  {% endfor %}
  {% endfor %}
  {% for j in range(n) %}
  {% for s in range(3) %}
  let v{{ j }}_{{ s }} = {{ combination(transforms.weight[j], "g", "_" ~ s) }};
  {% endfor %}
  {% for l in range(n) %}
  transformed[at + {{ (j * n + l) }}u * (ROWS * QUARTERS)] = to_four({{ combination(transforms.weight[l], "v" ~ j ~ "_", "") }});
  {% endfor %}
  {% endfor %}
}
