// Some terms of a block's rows (a) and columns (b) in workgroup memory{{ ", for each slice of the terms" if slices > 1 }}.
//
// A term lies there as fours: a vec4 is that term of four neighbouring rows, or columns. The fours of a term lie side
// by side and one more keeps terms apart, or invocations that store neighbouring terms would meet in one bank.
{# Fours of a term. #}
{% set fours = size // 4 %}
const SIZE = {{ size }}u;
const K_TILE = {{ k_tile }}u;
const PITCH = {{ fours + 1 }}u;
const HALF = {{ k_tile * (fours + 1) }}u;

// The rows' fours, then the columns'.
var<workgroup> block: array<vec4<f32>, {{ 2 * slices * k_tile * (fours + 1) }}>;
