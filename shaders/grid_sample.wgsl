// grid_sample: output[n,c,p] = {% if nearest %}input[n, c, y, x] of the pixel nearest to point p{% else %}sum of input[n, c, i, j] (1 - |y - i|) (1 - |x - j|) over the pixels around point p = (x, y){% endif %}
//
// An invocation computes a point of {{ many }} channels, a workgroup 64; neighbours have neighbouring points. Pixels outside are 0.
//
// input (N, {{ channels }}, {{ h }}, {{ w }}), grid (N, {{ points }}, 2), output (N, {{ channels }}, {{ points }}){{ "; of these " ~ planes ~ " channels of " ~ images ~ " images" if cut }}
{% include "common/group.wgsl" %}
{% include "common/grid.wgsl" %}

const POINTS = {{ points }}u;
const PLANE = {{ h * w }}u;
const TILES = {{ tiles }}u;       // of channels

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> points: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

{% if not nearest %}
// A pixel's number, 0 for one outside.
fn pixel(y: i32, x: i32) -> u32 {
  return select(0u, u32(y * {{ w }} + x), (y >= 0) & (y < {{ h }}) & (x >= 0) & (x < {{ w }}));
}

// Whether it lies inside, as 1 or 0.
fn inside(y: i32, x: i32) -> bool {
  return (y >= 0) & (y < {{ h }}) & (x >= 0) & (x < {{ w }});
}
{% endif %}

@compute @workgroup_size(64)
fn grid_sample(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ images * tiles }}u * POINTS) { return; }
  let p = i % POINTS;
  let first = i / POINTS % TILES * {{ many }}u;
  let n = i / (POINTS * TILES);
  let place = {{ first_grid }}u + (n * POINTS + p) * 2u;
  let gx = points[place];
  let gy = points[place + 1u];
  let at_x = place_of(gx, {{ w }}.0).x;
  let at_y = place_of(gy, {{ h }}.0).x;
  let x = first_pixel(at_x);
  let y = first_pixel(at_y);
  {% if nearest %}
  let known = (y >= 0) & (y < {{ h }}) & (x >= 0) & (x < {{ w }});
  let here = select(0u, u32(y * {{ w }} + x), known);
  {% else %}
  let right = at_x - f32(x);
  let below = at_y - f32(y);
  let nw = pixel(y, x);
  let ne = pixel(y, x + 1);
  let sw = pixel(y + 1, x);
  let se = pixel(y + 1, x + 1);
  let has_nw = inside(y, x);
  let has_ne = inside(y, x + 1);
  let has_sw = inside(y + 1, x);
  let has_se = inside(y + 1, x + 1);
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
