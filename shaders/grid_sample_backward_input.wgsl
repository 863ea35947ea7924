// grid_sample_backward_input: grad_input[n,c,i,j] = sum of grad_output[n,c,p] {{ "" if nearest else "(1 - |y - i|) (1 - |x - j|) " }}over the points p = (x, y) that read pixel i, j
//
{% if nearest %}
// An invocation computes a pixel of {{ many }} channels, a workgroup 64. The points nearest to it lie side by side where they are
// sorted, from starts[cell] to starts[cell + 1].
{% else %}
// An invocation computes a pixel of {{ many }} channels, a workgroup 64. The points that read it lie in the four cells around it; where
// they are sorted by cell, those of two neighbours lie side by side. Where rounding puts a point across a pixel from its
// cell, what is lost is as small as the rounding.
{% endif %}
// The order is that of cells, then of points: no atomics, the same bits every time.
{% if carried or not done %}
// Of the points of a pixel those from {{ outer_first }} to {{ outer_last }}{{ ", after those before" if carried }}.
{% endif %}
//
// grad_output (N, {{ channels }}, {{ points }}), {{ "grid (" ~ images ~ ", " ~ points ~ ", 2), " if not nearest }}sorted ({{ images * points }} pairs of a cell and a point),
// starts ({{ images }} ({{ h }} + 1) ({{ w }} + 1) + 1), grad_input (N, {{ channels }}, {{ h }}, {{ w }})
{% include "common/group.wgsl" %}
{% include "common/grid.wgsl" %}

const POINTS = {{ points }}u;
const PLANE = {{ h * w }}u;
const ROW = {{ w + 1 }}u;         // of cells
const TILES = {{ tiles }}u;       // of channels
const CHANNELS = {{ planes }}u;

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read> sorted: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;
{% if not nearest %}
@group(0) @binding(4) var<storage, read> points: array<f32>;
{% endif %}

{% if not nearest %}
// The weight that a position along a side gives to a pixel: of the two around it; 0 where rounding puts it elsewhere than the cell.
fn weight_of(at: f32, pixel: f32) -> f32 {
  let first = floor(at);
  let behind = at - first;
  return select(select(0.0, behind, pixel == first + 1.0), 1.0 - behind, pixel == first);
}
{% endif %}

@compute @workgroup_size(64)
fn grid_sample_backward_input(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ part * tiles }}u * PLANE) { return; }
  let pixel = at % PLANE;
  let y = pixel / {{ w }}u;
  let x = pixel % {{ w }}u;
  let first = at / PLANE % TILES * {{ many }}u;
  let own = at / (PLANE * TILES);
  // Of the images whose points are sorted.
  let n = {{ before }}u + own;
  {% for q in range(many) %}
  let c{{ q }} = min(first + {{ q }}u, CHANNELS - 1u);
  let to{{ q }} = {{ first_output }}u + (own * {{ channels }}u + c{{ q }}) * PLANE + pixel;
  let from{{ q }} = {{ first_error }}u + (own * {{ channels }}u + c{{ q }}) * POINTS;
  var sum{{ q }} = {{ "grad_input[to" ~ q ~ "]" if carried else "0.0" }};
  {% endfor %}
  let cell = n * {{ (h + 1) * (w + 1) }}u + y * ROW + x;
  {% if nearest %}
  let begin = starts[cell + ROW + 1u];
  let count = starts[cell + ROW + 2u] - begin;
  {% else %}
  let above = starts[cell];
  let of_above = starts[cell + 2u] - above;
  let below = starts[cell + ROW];
  let count = of_above + starts[cell + ROW + 2u] - below;
  {% endif %}
  for (var t = {{ outer_first }}u; t < min({{ outer_last }}u, count); t++) {
    {% if nearest %}
    let p = sorted[begin + t].y;
    {% else %}
    let p = sorted[select(below + t - of_above, above + t, t < of_above)].y;
    let position = {{ first_grid }}u + p * 2u;
    let weight_x = weight_of(position_of(points[position], {{ w }}.0).x, f32(x));
    let weight = weight_x * weight_of(position_of(points[position + 1u], {{ h }}.0).x, f32(y));
    {% endif %}
    let point = p - n * POINTS;
    {% for q in range(many) %}
    sum{{ q }} += grad_output[from{{ q }} + point]{{ "" if nearest else " * weight" }};
    {% endfor %}
  }
  {% for q in range(many) %}
  {{ "if (first + " ~ q ~ "u < CHANNELS) { " if planes % many != 0 }}grad_input[to{{ q }}] = sum{{ q }};{{ " }" if planes % many != 0 }}
  {% endfor %}
}
