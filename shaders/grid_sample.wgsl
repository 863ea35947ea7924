// grid_sample: output[n,c,p] = {% if nearest %}input[n, c, y, x] of the pixel nearest to point p{% else %}sum of input[n, c, i, j] (1 - |y - i|) (1 - |x - j|) over the pixels around point p = (x, y){% endif %}
//
// An invocation computes a point of {{ many }} channels, a workgroup 64; neighbours have neighbouring points. Pixels outside are 0.
//
// input (N, {{ channels }}, {{ h }}, {{ w }}), grid (N, {{ points }}, 2), output (N, {{ channels }}, {{ points }}){{ "; of these " ~ planes ~ " channels of " ~ images ~ " images" if cut }}
{% include "common/group.wgsl" %}
{% set corners = true %}
{% include "common/grid.wgsl" %}

const POINTS = {{ points }}u;
const PLANE = {{ h * w }}u;
const TILES = {{ tiles }}u;       // of channels

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> points: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn grid_sample(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ images * tiles }}u * POINTS) { return; }
  let p = i % POINTS;
  let first = i / POINTS % TILES * {{ many }}u;
  let n = i / (POINTS * TILES);
  let position = {{ first_grid }}u + (n * POINTS + p) * 2u;
  let gx = points[position];
  let gy = points[position + 1u];
  let at_x = position_of(gx, {{ w }}.0).x;
  let at_y = position_of(gy, {{ h }}.0).x;
  let x = first_pixel(at_x);
  let y = first_pixel(at_y);
  {% if nearest %}
  let known = inside(y, x);
  let here = pixel(y, x);
  {% else %}
  let right = at_x - f32(x);
  let below = at_y - f32(y);
{% include "common/grid_corners.wgsl" %}
  {% if padding == "zeros" %}
  let lost = !(is_finite(gx) & is_finite(gy));
  {% endif %}
  {% endif %}
  for (var c = first; c < min(first + {{ many }}u, {{ planes }}u); c++) {
    let plane = {{ first_input }}u + (n * {{ channels }}u + c) * PLANE;
    {% if nearest %}
    let value = select(0.0, input[plane + here], known);
    {% else %}
    var value = select(0.0, input[plane + nw] * ((1.0 - below) * (1.0 - right)), has_nw);
    value += select(0.0, input[plane + ne] * ((1.0 - below) * right), has_ne);
    value += select(0.0, input[plane + sw] * (below * (1.0 - right)), has_sw);
    value += select(0.0, input[plane + se] * (below * right), has_se);
    {% if padding == "zeros" %}
    value = select(value, nan_from(bitcast<u32>(gx)), lost);
    {% endif %}
    {% endif %}
    output[{{ first_output }}u + (n * {{ channels }}u + c) * POINTS + p] = value;
  }
}
