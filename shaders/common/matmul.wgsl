// What the matrix products share: sizes, bindings, where matrix z of the batch begins in each operand, and what
// is done with four neighbouring sums of a row.
{% include "common/group.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/four.wgsl" %}

const M = {{ m }}u;
const N = {{ n }}u;
const K = {{ k }}u;
const TILES_M = {{ tiles_m }}u;
const TILES_N = {{ tiles_n }}u;

@group(0) @binding(0) var<storage, read> a: array<{{ "Four" if a_vec4 else "f32" }}>;
@group(0) @binding(1) var<storage, read> b: array<{{ "vec4<u64>" if b_eight else "Four" if b_vec4 else "f32" }}>;
{% if bias %}
@group(0) @binding(2) var<storage, read> bias: array<f32>;
{% endif %}
@group(0) @binding({{ 3 if bias else 2 }}) var<storage, read_write> output: array<{{ "vec4<u64>" if out_eight else "Four" if out_vec4 else "f32" }}>;

fn begin_a(z: u32) -> u32 { return {% for d in batch %}(z / {{ d.div }}u % {{ d.size }}u) * {{ d.a }}u + {% endfor %}0u; }
fn begin_b(z: u32) -> u32 { return {% for d in batch %}(z / {{ d.div }}u % {{ d.size }}u) * {{ d.b }}u + {% endfor %}0u; }

// What is added to the sums of four columns{{ ", which are rows of the result: of the row `column` of this product" if turned }}.
fn bias_of(column: u32) -> vec4<f32> {
{% if bias and turned %}
  return vec4<f32>(bias[min(column, M - 1u)]);
{% elif bias %}
  return vec4<f32>({% for q in range(4) %}bias[min(column + {{ q }}u, N - 1u)]{{ ", " if q < 3 else "" }}{% endfor %});
{% else %}
  return vec4<f32>();
{% endif %}
}

{% if out_eight %}
// Stores eight numbers of a row, if they lie inside the matrix.
fn store_eight(z: u32, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
  if ((row < M) & (column < N)) {
    let at = {{ first_output ~ "u + " if first_output }}(z * M + row) * N + column;
    output[at / 8u] = vec4<u64>(to_four(epilogue(low, at / 4u)), to_four(epilogue(high, at / 4u + 1u)));
  }
}
{% else %}
// Stores four numbers of a row, those that lie inside the matrix.
fn store(z: u32, row: u32, column: u32, sum: vec4<f32>) {
  if (row < M) {
    {% if turned %}
    let at = {{ first_output ~ "u + " if first_output }}(z * N + column) * M + row;
    {% else %}
    let at = {{ first_output ~ "u + " if first_output }}(z * M + row) * N + column;
    {% endif %}
    {% if out_vec4 %}
    if (column < N) { output[at / 4u] = to_four(epilogue(sum, at / 4u)); }
    {% else %}
    {% for q in range(4) %}
    {% set to = "at + " ~ q ~ "u" ~ (" * M" if turned else "") %}
    if (column + {{ q }}u < N) { output[{{ to }}] = epilogue(sum[{{ q }}], {{ to }}); }
    {% endfor %}
    {% endif %}
  }
}
{% endif %}
