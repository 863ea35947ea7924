// grid_sample_backward_grid: grad_grid[n,p] = sum over c of grad_output[n,c,p] times the slope of the bilinear surface at point p
//
// An invocation computes a point, a workgroup 64.{{ " Of the channels those from " ~ outer_first ~ " to " ~ outer_last ~ (", after those before." if carried else ".") if carried or not done }} Pixels outside are 0.
//
// grad_output (N, {{ channels }}, {{ points }}), input (N, {{ channels }}, {{ h }}, {{ w }}), grid and grad_grid (N, {{ points }}, 2){{ "; of these " ~ images ~ " images" if cut }}
{% include "common/group.wgsl" %}
{% set corners = true %}
{% include "common/grid.wgsl" %}

const POINTS = {{ points }}u;
const PLANE = {{ h * w }}u;

@group(0) @binding(0) var<storage, read> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> points: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_grid: array<f32>;

@compute @workgroup_size(64)
fn grid_sample_backward_grid(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ images }}u * POINTS) { return; }
  let n = i / POINTS;
  let p = i % POINTS;
  let gx = points[{{ first_grid }}u + i * 2u];
  let gy = points[{{ first_grid }}u + i * 2u + 1u];
  let at_x = position_of(gx, {{ w }}.0);
  let at_y = position_of(gy, {{ h }}.0);
  let x = first_pixel(at_x.x);
  let y = first_pixel(at_y.x);
  let right = at_x.x - f32(x);
  let below = at_y.x - f32(y);
{% include "common/grid_corners.wgsl" %}
  var along_x = 0.0;
  var along_y = 0.0;
  for (var c = {{ outer_first }}u; c < {{ outer_last }}u; c++) {
    let plane = {{ first_input }}u + (n * {{ channels }}u + c) * PLANE;
    let error = grad_output[{{ first_error }}u + (n * {{ channels }}u + c) * POINTS + p];
    let a = select(0.0, input[plane + nw], has_nw);
    let b = select(0.0, input[plane + ne], has_ne);
    let c_ = select(0.0, input[plane + sw], has_sw);
    let d = select(0.0, input[plane + se], has_se);
    along_x += error * ((b - a) * (1.0 - below) + (d - c_) * below);
    along_y += error * ((c_ - a) * (1.0 - right) + (d - b) * right);
  }
  let to = {{ first_output }}u + i * 2u;
  var slope_x = along_x * at_x.y{{ " + grad_grid[to]" if carried }};
  var slope_y = along_y * at_y.y{{ " + grad_grid[to + 1u]" if carried }};
  {% if padding == "zeros" and done %}
  // What is not known of one coordinate is the weight of the other's slope.
  slope_x = select(nan_from(bitcast<u32>(gy)), slope_x, is_finite(gy));
  slope_y = select(nan_from(bitcast<u32>(gx)), slope_y, is_finite(gx));
  {% endif %}
  grad_grid[to] = slope_x;
  grad_grid[to + 1u] = slope_y;
}
