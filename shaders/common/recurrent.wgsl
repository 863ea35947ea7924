// Sizes and functions of the recurrent kernels.
const B = {{ batch }}u;
const H = {{ hidden }}u;
const T = {{ steps }}u;
const ROWS = {{ rows }}u;

// Functions of four units at once.
fn sigmoid4(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(logistic(x.x), logistic(x.y), logistic(x.z), logistic(x.w));
}

fn tanh4(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(tanh_exact(x.x), tanh_exact(x.y), tanh_exact(x.z), tanh_exact(x.w));
}

fn is_nan4(x: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// x where y > 0 or y is NaN, else 0: relu of y = x, and its derivative times x.
fn relu4(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
  return select(vec4<f32>(), x, (y > vec4<f32>()) | is_nan4(y));
}

// x where the four, from number `first` on, are among the first `count`, else 0.
fn only_first(count: u32, x: vec4<f32>, first: u32) -> vec4<f32> {
  return select(vec4<f32>(), x, vec4<u32>(first, first + 1u, first + 2u, first + 3u) < vec4<u32>(count));
}

{% include "common/four.wgsl" %}
{% if wide %}
fn word(numbers: vec4<f32>) -> vec2<u64> {
  let bits = bitcast<vec4<u32>>(numbers);
  return vec2<u64>(u64(bits.x) | (u64(bits.y) << 32u), u64(bits.z) | (u64(bits.w) << 32u));
}
{% else %}
fn word(numbers: vec4<f32>) -> vec4<f32> { return numbers; }
{% endif %}
