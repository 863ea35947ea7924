// Some terms of a block's rows (a) and columns (b) in workgroup memory.
//
// A term lies there as fours: a vec4 is that term of four neighbouring rows, or columns. The fours of a term lie side
// by side and one more keeps terms apart, or invocations that store neighbouring terms would meet in one bank.
{# Fours of a term. #}
{% set fours = size // 4 %}
const SIZE = {{ size }}u;
const TURN = {{ turn }}u;
const PITCH = {{ fours + 1 }}u;

var<workgroup> block_a: array<vec4<f32>, {{ turn * (fours + 1) }}>;
var<workgroup> block_b: array<vec4<f32>, {{ turn * (fours + 1) }}>;
