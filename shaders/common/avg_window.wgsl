// What the sum of window (i, j) is divided by.
fn divisor(i: i32, j: i32) -> f32 {
  let y = i * {{ stride_h }} - {{ pad_top }};
  let x = j * {{ stride_w }} - {{ pad_left }};
{% if count_include_pad %}
  let rows = min(y + {{ kernel_h }}, {{ h + pad_bottom }}) - y;
  let columns = min(x + {{ kernel_w }}, {{ w + pad_right }}) - x;
{% else %}
  let rows = min(y + {{ kernel_h }}, {{ h }}) - max(y, 0);
  let columns = min(x + {{ kernel_w }}, {{ w }}) - max(x, 0);
{% endif %}
  return f32(rows * columns);
}
