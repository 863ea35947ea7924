// NaN by its bits: a driver may take x != x for false, and min, max and clamp may lose it.
fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// A NaN; of what bits it is made does not matter, but a constant would be no valid WGSL.
fn nan_from(bits: u32) -> f32 {
  return bitcast<f32>(bits | 0x7fc00000u);
}
