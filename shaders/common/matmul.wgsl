// What the matrix products share: sizes, bindings, where matrix z of the batch begins in each operand, and what
// is done with four neighbouring sums of a row.
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/four.wgsl" %}

const M = {{ m }}u;
const N = {{ n }}u;
const K = {{ k }}u;
// Elements from one line of an operand's matrix to the next, and of the result's.
const ROW_A = {{ row_a }}u;
const ROW_B = {{ row_b }}u;
const ROW = {{ row }}u;
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;

@group(0) @binding(0) var<storage, read> a: array<{{ "Four" if a_vec4 else "f32" }}>;
@group(0) @binding(1) var<storage, read> b: array<{{ "vec4<u64>" if b_eight else "Four" if b_vec4 else "f32" }}>;
{% if bias %}
@group(0) @binding(2) var<storage, read> bias: array<f32>;
{% endif %}
@group(0) @binding({{ 3 if bias else 2 }}) var<storage, read_write> output: array<{{ "vec4<u64>" if out_eight else "Four" if out_vec4 else "f32" }}>;

{% for name, first in [("a", first_a), ("b", first_b), ("output", first_output)] %}
fn begin_{{ name }}(z: u32) -> u32 { return {% for d in batch %}(z / {{ d.div }}u % {{ d.size }}u) * {{ d[name] }}u + {% endfor %}{{ first }}u; }
{% endfor %}

// What is added to the sums of four columns{{ ", which are rows of the result: of the row `column` of this product" if transposed }}.
fn bias_of(column: u32) -> vec4<f32> {
{% if bias and transposed %}
  return vec4<f32>(bias[{{ first_bias }}u + min(column, M - 1u)]);
{% elif bias %}
  return vec4<f32>({% for q in range(4) %}bias[{{ first_bias }}u + min(column + {{ q }}u, N - 1u)]{{ ", " if q < 3 else "" }}{% endfor %});
{% else %}
  return vec4<f32>();
{% endif %}
}

{% if out_eight %}
// Stores eight numbers of a row, if they lie inside the matrix.
fn store_eight(z: u32, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
  if ((row < M) & (column < N)) {
    let at = begin_output(z) + row * ROW + column;
    output[at / 8u] = vec4<u64>(to_four(epilogue(low, at / 4u)), to_four(epilogue(high, at / 4u + 1u)));
  }
}
{% else %}
// Stores four numbers of a row, those that lie inside the matrix.
fn store(z: u32, row: u32, column: u32, sum: vec4<f32>) {
  if (row < M) {
    {% if transposed %}
    let at = begin_output(z) + column * ROW + row;
    {% else %}
    let at = begin_output(z) + row * ROW + column;
    {% endif %}
    {% if out_vec4 %}
    if (column < N) { output[at / 4u] = to_four(epilogue(sum, at / 4u)); }
    {% else %}
    {% for q in range(4) %}
    {% set to = "at + " ~ q ~ "u" ~ (" * ROW" if transposed else "") %}
    if (column + {{ q }}u < N) { output[{{ to }}] = epilogue(sum[{{ q }}], {{ to }}); }
    {% endfor %}
    {% endif %}
  }
}
{% endif %}
{% if carried %}

// Four sums of a row that terms before gave; what lies outside the matrix is not stored.
fn carried(z: u32, row: u32, column: u32) -> vec4<f32> {
  let inside = min(row, M - 1u);
  {% if transposed %}
  let at = begin_output(z) + inside;
  return vec4<f32>({% for q in range(4) %}output[at + min(column + {{ q }}u, N - 1u) * ROW]{{ ", " if q < 3 }}{% endfor %});
  {% else %}
  let at = begin_output(z) + inside * ROW;
  {% if out_vec4 %}
  return four(output[(at + min(column, N - 4u)) / 4u]);
  {% else %}
  return vec4<f32>({% for q in range(4) %}output[at + min(column + {{ q }}u, N - 1u)]{{ ", " if q < 3 }}{% endfor %});
  {% endif %}
  {% endif %}
}
{% endif %}
