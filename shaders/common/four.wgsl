// four: the four neighbouring numbers of one element of an array of `Four`
{% if wide %}
//
// Two words of 64 bits: on a CPU adapter every load is a loop over the lanes, and the loop is shorter for two
// words than for four.
alias Four = vec2<u64>;
fn four_u32(words: vec2<u64>) -> vec4<u32> {
  return vec4<u32>(u32(words.x), u32(words.x >> 32u), u32(words.y), u32(words.y >> 32u));
}
fn four(words: Four) -> vec4<f32> { return bitcast<vec4<f32>>(four_u32(words)); }
fn to_four(numbers: vec4<f32>) -> Four {
  let words = bitcast<vec4<u32>>(numbers);
  return vec2<u64>(u64(words.x) | (u64(words.y) << 32u), u64(words.z) | (u64(words.w) << 32u));
}
{% else %}
alias Four = vec4<f32>;
fn four(numbers: Four) -> vec4<f32> { return numbers; }
fn to_four(numbers: vec4<f32>) -> Four { return numbers; }
{% endif %}
