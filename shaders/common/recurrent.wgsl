// Functions of four units at once.
fn sigmoid4(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(logistic(x.x), logistic(x.y), logistic(x.z), logistic(x.w));
}

fn tanh4(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(tanh_exact(x.x), tanh_exact(x.y), tanh_exact(x.z), tanh_exact(x.w));
}

// x where every lane of the four is a unit, else 0 for those behind the last one.
fn only_units(x: vec4<f32>, unit: u32) -> vec4<f32> {
  return select(vec4<f32>(), x, vec4<u32>(unit, unit + 1u, unit + 2u, unit + 3u) < vec4<u32>(H));
}
