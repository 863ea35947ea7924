// Where a coordinate of a grid lies along a side of some pixels: .x in pixels, .y its derivative by the coordinate.
// (Includes common/nan.wgsl.) Positions that read no pixel are kept within two pixels of the side, so that they fit i32.
{% include "common/nan.wgsl" %}

fn is_finite(g: f32) -> bool {
  return (bitcast<u32>(g) & 0x7fffffffu) < 0x7f800000u;
}

{% if padding != "zeros" %}
// Held within the side, where it no longer moves. A NaN is at the first pixel.
fn clipped(position: vec2<f32>, size: f32) -> vec2<f32> {
  let low = is_nan(position.x) | (position.x <= 0.0);
  let high = !low & (position.x >= size - 1.0);
  let at = select(select(position.x, size - 1.0, high), 0.0, low);
  return vec2<f32>(at, select(position.y, 0.0, low | high));
}
{% endif %}

{% if padding == "reflection" %}
// Reflected at low and at low + span until it lies between: a wave of period 2 span. What is not finite is at the first pixel.
fn reflected(position: vec2<f32>, low: f32, span: f32) -> vec2<f32> {
  if (!is_finite(position.x) | (span == 0.0)) { return vec2<f32>(0.0, 0.0); }
  let offset = position.x - low;
  let far = abs(offset);
  let extra = far - floor(far / (2.0 * span)) * (2.0 * span);
  let returns = extra > span;
  let at = select(extra, 2.0 * span - extra, returns) + low;
  return vec2<f32>(at, select(position.y, -position.y, returns != (offset < 0.0)));
}
{% endif %}

fn position_of(g: f32, size: f32) -> vec2<f32> {
  {% if align %}
  let slope = (size - 1.0) * 0.5;
  let position = vec2<f32>((g + 1.0) * slope, slope);
  {% else %}
  let position = vec2<f32>(((g + 1.0) * size - 1.0) * 0.5, size * 0.5);
  {% endif %}
  {% if padding == "zeros" %}
  return vec2<f32>(select(-2.0, clamp(position.x, -2.0, size + 1.0), is_finite(g)), position.y);
  {% elif padding == "border" %}
  return clipped(position, size);
  {% else %}
  return clipped(reflected(position, {{ "0.0, size - 1.0" if align else "-0.5, size" }}), size);
  {% endif %}
}

// The first of the two pixels along a side that a position reads, or the only one, and how far behind it the position is.
fn first_pixel(at: f32) -> i32 {
  return i32({{ "round" if nearest else "floor" }}(at));
}
{% if corners is defined %}

// Whether a pixel lies inside.
fn inside(y: i32, x: i32) -> bool {
  return (y >= 0) & (y < {{ h }}) & (x >= 0) & (x < {{ w }});
}

// A pixel's number, 0 for one outside.
fn pixel(y: i32, x: i32) -> u32 {
  return select(0u, u32(y * {{ w }} + x), inside(y, x));
}
{% endif %}
