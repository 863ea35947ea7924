{# Bindings of the results, and what writes them. #}
{% if done %}
@group(0) @binding({{ first_result }}) var<storage, read_write> products: array<f32>;
{% if centered %}
@group(0) @binding({{ first_result + 1 }}) var<storage, read_write> sums: array<f32>;
{% endif %}
fn finish(position: u32, found: vec2<f32>) {
{% if centered %}
  sums[position] = found.x;
{% endif %}
  products[position] = found.y;
}
{% else %}
@group(0) @binding({{ first_result }}) var<storage, read_write> parts: array<vec2<f32>>;
{% endif %}
fn joined(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> { return a + b; }
