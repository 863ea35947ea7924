// winograd_gradient: grad_weight[k,c,r,s] = (G^T p G)[r,s] for the {{ n }}x{{ n }} sums p of products of channels k and c
//
// The transform of the weight, transposed. The products come in {{ runs }} runs of images, which are added in order. An
// invocation transforms four neighbouring target channels of one source channel.
//
// products (runs, {{ n }}, {{ n }}, {{ terms }}, {{ filters }}), grad_weight ({{ rows }}, {{ source_channels }}, 3, 3)
{% from "common/winograd.wgsl" import combination %}
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}

const QUARTERS = {{ filters // 4 }}u;
const CHANNELS = {{ source_channels }}u;
const SIZE = {{ terms * filters // 4 }}u;

@group(0) @binding(0) var<storage, read> products: array<Four>;
@group(0) @binding(1) var<storage, read_write> grad_weight: array<f32>;

@compute @workgroup_size(64)
fn winograd_gradient(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= CHANNELS * QUARTERS) { return; }
  {% for j in range(n) %}
  {% for l in range(n) %}
  {{ "let" if runs == 1 else "var" }} p{{ j }}_{{ l }} = four(products[at + {{ j * n + l }}u * SIZE]);
  {% endfor %}
  {% endfor %}
  {% if runs > 1 %}
  for (var run = 1u; run < {{ runs }}u; run++) {
    let first = at + run * ({{ n * n }}u * SIZE);
    {% for j in range(n) %}
    {% for l in range(n) %}
    p{{ j }}_{{ l }} += four(products[first + {{ j * n + l }}u * SIZE]);
    {% endfor %}
    {% endfor %}
  }
  {% endif %}
  {% for j in range(n) %}
  {% for s in range(3) %}
  let v{{ s }}_{{ j }} = {{ combination(transforms.taps[s], "p" ~ j ~ "_", "") }};
  {% endfor %}
  {% endfor %}
  let channel = at / QUARTERS;
  {% for r in range(3) %}
  {% for s in range(3) %}
  let g{{ r }}_{{ s }} = {{ combination(transforms.taps[r], "v" ~ s ~ "_", "") }};
  {% endfor %}
  {% endfor %}
  {% for q in range(4) %}
  let filter{{ q }} = at % QUARTERS * 4u + {{ q }}u;
  if (filter{{ q }} < {{ rows }}u) {
    let to = (filter{{ q }} * CHANNELS + channel) * 9u;
    {% for r in range(3) %}
    {% for s in range(3) %}
    grad_weight[to + {{ 3 * r + s }}u] = g{{ r }}_{{ s }}[{{ q }}];
    {% endfor %}
    {% endfor %}
  }
  {% endfor %}
}
