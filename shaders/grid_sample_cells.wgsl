// grid_sample_cells: keys[p] = the cell between four pixels in which point p lies, n (H + 1) (W + 1) + (y + 1) (W + 1) + x + 1 of
// its upper left pixel y, x{{ ", that of the pixel nearest to it" if nearest }}
//
// An invocation computes a point, a workgroup 64. A point that reads no pixel has a key beyond all cells.
//
// grid ({{ images }}, {{ points }}, 2), keys ({{ images * points }})
{% include "common/group.wgsl" %}
{% include "common/grid.wgsl" %}

@group(0) @binding(0) var<storage, read> points: array<f32>;
@group(0) @binding(1) var<storage, read_write> keys: array<u32>;

@compute @workgroup_size(64)
fn grid_sample_cells(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ images * points }}u) { return; }
  let x = first_pixel(position_of(points[{{ first_grid }}u + i * 2u], {{ w }}.0).x) + 1;
  let y = first_pixel(position_of(points[{{ first_grid }}u + i * 2u + 1u], {{ h }}.0).x) + 1;
  let known = (x >= {{ 1 if nearest else 0 }}) & (x <= {{ w }}) & (y >= {{ 1 if nearest else 0 }}) & (y <= {{ h }});
  let cell = i / {{ points }}u * {{ (h + 1) * (w + 1) }}u + u32(y * {{ w + 1 }} + x);
  keys[i] = select({{ images * (h + 1) * (w + 1) }}u, cell, known);
}
