// Functions of element-wise rows (`src/functions`), of few units in the last place of error whatever the driver's builtins
// do; a shader has those that it uses. Polynomials and constants are those of S. L. Moshier's Cephes library, single
// precision, unless it is said otherwise. What the drivers compute as a product and a sum need not be fused.

// Infinity; a constant would be no valid WGSL.
fn inf_from(bits: u32) -> f32 {
  return bitcast<f32>((bits | 0x7fffffffu) & 0x7f800000u);
}

// NaN and infinities, by their bits.
fn is_not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

fn is_negative(x: f32) -> bool {
  return (bitcast<u32>(x) >> 31u) == 1u;
}

// 0 of either sign, but nothing denormal, which drivers may compare as 0.
fn is_zero(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) == 0u;
}

// 2^n x, n from -252 to 254, in two factors that both are normal.
fn scaled_by(x: f32, n: i32) -> f32 {
  let half = n / 2;
  return x * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(n - half + 127) << 23u);
}

// exp(r + low) for |r| <= 1/2 ln 2 and a low that is small beside it.
fn exp_near(r: f32, low: f32) -> f32 {
  let s = r + low;
  var p = fma(s, 1.9875691500e-4, 1.3981999507e-3);
  p = fma(s, p, 8.3334519073e-3);
  p = fma(s, p, 4.1665795894e-2);
  p = fma(s, p, 1.6666665459e-1);
  p = fma(s, p, 5.0000001201e-1);
  return 1.0 + (r + fma(s * s, p, low));
}

// exp(x): n ln 2 taken off in two parts, of which n times the first is exact.
fn exp_exact(x: f32) -> f32 {
  let c = clamp(x, -104.0, 89.0);
  let n = floor(fma(c, 1.44269504, 0.5));
  let value = scaled_by(exp_near(c - n * 0.693359375, n * 2.12194440e-4), i32(n));
  return select(value, x, is_nan(x));
}

// exp(x) - 1.
fn expm1_exact(x: f32) -> f32 {
  return select(select(exp_exact(x) - 1.0, expm1(clamp(x, -1.3, 1.3)), abs(x) < 1.3), x, is_nan(x));
}

// log(1 + f) - f for f from sqrt(1/2) - 1 to sqrt(2) - 1.
fn log1p_rest(f: f32) -> f32 {
  var p = fma(f, 7.0376836292e-2, -1.1514610310e-1);
  p = fma(f, p, 1.1676998740e-1);
  p = fma(f, p, -1.2420140846e-1);
  p = fma(f, p, 1.4249322787e-1);
  p = fma(f, p, -1.6668057665e-1);
  p = fma(f, p, 2.0000714765e-1);
  p = fma(f, p, -2.4999993993e-1);
  p = fma(f, p, 3.3333331174e-1);
  let z = f * f;
  return fma(f * z, p, -0.5 * z);
}

// |x| = (1 + f) 2^e with 1 + f from sqrt(1/2) to sqrt(2): (f, e), for finite x that is not 0.
fn log_parts(x: f32) -> vec2<f32> {
  let small = abs(x) < 1.17549435e-38;
  let bits = bitcast<u32>(select(abs(x), abs(x) * 16777216.0, small));
  let above = (bits & 0x007fffffu) > 0x003504f3u;
  let m = bitcast<f32>((bits & 0x007fffffu) | select(0x3f800000u, 0x3f000000u, above));
  return vec2<f32>(m - 1.0, f32(i32(bits >> 23u) - 127 + select(0, 1, above) - select(0, 24, small)));
}

// log(x).
fn log_exact(x: f32) -> f32 {
  let parts = log_parts(x);
  let rest = fma(parts.y, -2.12194440e-4, log1p_rest(parts.x));
  let value = parts.y * 0.693359375 + (parts.x + rest);
  let zero = select(value, -inf_from(bitcast<u32>(x)), x == 0.0);
  let special = select(x, nan_from(bitcast<u32>(x)), x < 0.0);
  return select(zero, special, (x < 0.0) | is_not_finite(x));
}

// log(1 + x).
fn log1p_exact(x: f32) -> f32 {
  let near = (x > -0.2928) & (x < 0.4142);
  let f = select(0.0, x, near);
  return select(log_exact(1.0 + x), f + log1p_rest(f), near);
}

// erf(x): Cephes' series up to 1, else through erfc.
fn erf_exact(x: f32) -> f32 {
  let z = min(x * x, 1.0);
  var p = fma(z, 7.853861353153693e-5, -8.010193625184903e-4);
  p = fma(z, p, 5.188327685732524e-3);
  p = fma(z, p, -2.685381193529856e-2);
  p = fma(z, p, 1.128358514861418e-1);
  p = fma(z, p, -3.761262582423300e-1);
  p = fma(z, p, 1.128379165726710);
  let far = 1.0 - erfc_positive(clamp(abs(x), 0.5, 20.0));
  let value = select(select(far, -far, x < 0.0), x * p, abs(x) < 1.0);
  return select(value, x, is_nan(x));
}

// The bits of 2 / pi behind the point, 32 a word.
const TWO_OVER_PI = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);

// The upper word of a product.
fn high_product(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let left = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let right = (a & 0xffffu) * (b >> 16u) + (left & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (left >> 16u) + (right >> 16u);
}

// 32 bits of 2 / pi, or of zeros before it.
fn two_over_pi(first: u32) -> u32 {
  var words = TWO_OVER_PI;
  let word = min(first >> 5u, 6u);
  let shift = first & 31u;
  return (words[word] << shift) | select(0u, words[word + 1u] >> ((32u - shift) & 31u), shift > 0u);
}

// |x| less the nearest multiple of pi / 2, and which multiple modulo 4, for |x| of 256 and more (M. H. Payne and R. N.
// Hanek, "Radian reduction for trigonometric functions", 1983): the bits of 2 / pi that decide quadrant and fraction, times
// the 24 bits of x, modulo 4.
fn reduced_far(x: f32) -> vec2<f32> {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  let m = (bits & 0x007fffffu) | 0x00800000u;
  let first = u32(i32(bits >> 23u) - 120);
  let middle = two_over_pi(first + 32u);
  let last = two_over_pi(first + 64u);
  let carried = high_product(m, last);
  let low = m * middle + carried;
  let high = m * two_over_pi(first) + high_product(m, middle) + select(0u, 1u, low < carried);
  let fraction = (high << 2u) | (low >> 30u);
  let behind = (low << 2u) | ((m * last) >> 30u);
  let above = (fraction >> 31u) == 1u;
  let positions = vec2<u32>(select(fraction, ~fraction, above), select(behind, ~behind, above));
  let r = 1.57079633 * fma(f32(positions.x), 2.3283064e-10, f32(positions.y) * 5.4210109e-20);
  return vec2<f32>(select(r, -r, above), f32((high >> 30u) + select(0u, 1u, above)));
}

// The same for less, in three parts of pi / 2 of which products with small integers are exact.
fn reduced_near(x: f32) -> vec2<f32> {
  let n = floor(fma(abs(x), 0.63661977, 0.5));
  return vec2<f32>(((abs(x) - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.549789948768648e-8, n);
}

// The sine of |x| moved on by some quadrants.
fn sine_of(x: f32, quadrants: u32) -> f32 {
  let far = abs(x) >= 256.0;
  let near = reduced_near(select(x, 0.0, far));
  let reduced = select(near, reduced_far(select(256.0, x, far)), vec2<bool>(far));
  let quadrant = (u32(reduced.y) + quadrants) & 3u;
  let r = reduced.x;
  let z = r * r;
  var s = fma(z, -1.9515295891e-4, 8.3321608736e-3);
  s = fma(z, s, -1.6666654611e-1);
  s = fma(r * z, s, r);
  var c = fma(z, 2.443315711809948e-5, -1.388731625493765e-3);
  c = fma(z, c, 4.166664568298827e-2);
  c = fma(z * z, c, fma(z, -0.5, 1.0));
  let value = select(s, c, (quadrant & 1u) == 1u);
  return select(value, -value, quadrant >= 2u);
}

fn sin_exact(x: f32) -> f32 {
  let s = sine_of(x, 0u);
  return select(select(s, -s, x < 0.0), nan_from(bitcast<u32>(x)), is_not_finite(x));
}

fn cos_exact(x: f32) -> f32 {
  return select(sine_of(x, 1u), nan_from(bitcast<u32>(x)), is_not_finite(x));
}

// atan(t) for t from 0 to 1.
fn atan_near(t: f32) -> f32 {
  let far = t > 0.41421356;
  let v = select(t, (t - 1.0) / (t + 1.0), far);
  let z = v * v;
  var p = fma(z, 8.05374449538e-2, -1.38776856032e-1);
  p = fma(z, p, 1.99777106478e-1);
  p = fma(z, p, -3.33329491539e-1);
  return select(0.0, 0.78539816, far) + fma(v * z, p, v);
}

// The angle of (b, a), as C's atan2 has it, signed zeros too.
fn atan2_exact(a: f32, b: f32) -> f32 {
  let least = min(abs(a), abs(b));
  let most = max(abs(a), abs(b));
  // Halved until the quotient is of normal numbers, and 0/0 and inf/inf as their limits.
  let down = select(1.0, 0.25, most > 1e37);
  let quotient = select((least * down) / (most * down), 0.0, is_zero(most));
  let same = is_not_finite(least);
  var angle = atan_near(select(select(quotient, 0.0, is_not_finite(most)), 1.0, same));
  angle = select(angle, 1.57079633 - angle, abs(a) > abs(b));
  angle = select(angle, 3.14159265 - angle, is_negative(b));
  angle = select(angle, -angle, is_negative(a));
  return select(angle, nan_from(bitcast<u32>(a)), is_nan(a) | is_nan(b));
}

// The upper 12 bits of a number, so that products of two such are exact.
fn upper_half(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

// |a|^b for finite numbers and a that is not 0: exp(b log |a|), both in parts whose products are exact, so that the error
// grows with b log |a| at a fraction of what one f32 would leave.
fn power_of_positive(a: f32, b: f32) -> f32 {
  let parts = log_parts(a);
  let about = b * fma(parts.y, 0.69314718, parts.x + log1p_rest(parts.x));
  let n = clamp(floor(fma(clamp(about, -110.0, 95.0), 1.44269504, 0.5)), -156.0, 135.0);
  let b_high = upper_half(b);
  let b_low = b - b_high;
  let f_high = upper_half(parts.x);
  let whole = parts.y * 0.6875;
  let rest = fma(parts.y, 0.005647180559945, log1p_rest(parts.x));
  let main = (b_high * whole - n * 0.693359375) + b_high * f_high;
  let low = b_low * whole + b_high * (parts.x - f_high) + b_low * parts.x + b * rest + n * 2.12194440e-4;
  let r = clamp(main + low, -1.0, 1.0);
  let value = scaled_by(exp_near(r, 0.0), i32(n));
  let much = select(value, inf_from(bitcast<u32>(b)), about > 90.0);
  return select(much, 0.0, about < -105.0);
}

// a^b as C's pow has it: pow(x, 0) and pow(1, x) are 1, NaN included; a negative a needs an integer b.
fn pow_exact(a: f32, b: f32) -> f32 {
  let integer = (b == trunc(b)) | (abs(b) >= 8388608.0);
  let odd = integer & (abs(b) < 16777216.0) & (2.0 * trunc(b * 0.5) != b);
  let limit = is_zero(a) | is_not_finite(a) | is_not_finite(b);
  let finite = power_of_positive(select(a, 2.0, limit), select(b, 1.0, limit));
  let grows = (abs(a) > 1.0) == (b > 0.0);
  var value = select(finite, select(0.0, inf_from(bitcast<u32>(b)), grows), limit);
  value = select(value, 1.0, abs(a) == 1.0);
  value = select(value, -value, is_negative(a) & odd);
  let undefined = (a < 0.0) & !is_not_finite(a) & !integer & !is_not_finite(b);
  value = select(value, nan_from(bitcast<u32>(a)), undefined | is_nan(a) | is_nan(b));
  return select(value, 1.0, is_zero(b) | (a == 1.0));
}

// (r, left) to (r 2^8 mod m, left - 8), or by as many powers as are left.
fn remainder_step(s: vec2<u32>, m: u32) -> vec2<u32> {
  let by = min(s.y, 8u);
  return vec2<u32>((s.x << by) % m, s.y - by);
}

fn remainder_steps(s: vec2<u32>, m: u32) -> vec2<u32> {
  if (s.y == 0u) { return s; }
  return remainder_step(remainder_step(remainder_step(remainder_step(remainder_step(remainder_step(s, m), m), m), m), m), m);
}

// The remainder of |a| / |b|, exactly, for finite a and b that is not 0: the digits of a's quotient by those of b, eight bits
// at a time, at most 277 of them, with no loop, whose iterations a launch would have to state.
fn remainder_of(a: f32, b: f32) -> f32 {
  let x = bitcast<u32>(a) & 0x7fffffffu;
  let y = bitcast<u32>(b) & 0x7fffffffu;
  let least = max(i32(y >> 23u), 1);
  let m = max((y & 0x007fffffu) | select(0u, 0x00800000u, y >= 0x00800000u), 1u);
  let digits = (x & 0x007fffffu) | select(0u, 0x00800000u, x >= 0x00800000u);
  var s = vec2<u32>(digits % m, u32(max(max(i32(x >> 23u), 1) - least, 0)));
  s = remainder_steps(remainder_steps(remainder_steps(s, m), m), m);
  s = remainder_steps(remainder_steps(remainder_steps(s, m), m), m);
  return select(scaled_by(f32(s.x), least - 150), abs(a), x < y);
}

// C's fmod: of the sign of a.
fn fmod_exact(a: f32, b: f32) -> f32 {
  let undefined = is_not_finite(a) | is_nan(b) | is_zero(b);
  let r = remainder_of(select(a, 1.0, undefined), select(b, 2.0, undefined));
  return select(select(r, -r, is_negative(a)), nan_from(bitcast<u32>(a)), undefined);
}

// Python's remainder: of the sign of b.
fn remainder_exact(a: f32, b: f32) -> f32 {
  let r = fmod_exact(a, b);
  return select(r, r + b, !is_zero(r) & (is_negative(r) != is_negative(b)));
}

// The quotient rounded down: of what the remainder leaves, next to an integer.
fn floor_quotient(a: f32, b: f32) -> f32 {
  let r = fmod_exact(a, b);
  let whole = round((a - r) / b);
  let below = select(whole, whole - 1.0, !is_zero(r) & (is_negative(r) != is_negative(b)));
  return select(below, a / b, is_zero(b));
}
