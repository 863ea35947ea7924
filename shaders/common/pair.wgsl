// pair: two neighbouring numbers of one element of an array of `Pair`
{% if wide %}
//
// One word of 64 bits, for the reason that four.wgsl gives.
alias Pair = u64;
fn pair(word: Pair) -> vec2<f32> { return bitcast<vec2<f32>>(pair_u32(word)); }
fn pair_u32(word: u64) -> vec2<u32> { return vec2<u32>(u32(word), u32(word >> 32u)); }
fn to_pair(numbers: vec2<f32>) -> Pair {
  let words = bitcast<vec2<u32>>(numbers);
  return u64(words.x) | (u64(words.y) << 32u);
}
{% else %}
alias Pair = vec2<f32>;
fn pair(numbers: Pair) -> vec2<f32> { return numbers; }
fn to_pair(numbers: vec2<f32>) -> Pair { return numbers; }
{% endif %}
