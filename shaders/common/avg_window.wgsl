// What the sum of window (i, j) is divided by.
fn divisor(i: i32, j: i32) -> f32 {
{% if override_ %}
  return {{ override_ }}.0;
{% else %}
  let y = i * {{ whole.stride_h }} - {{ whole.pad_top }};
  let x = j * {{ whole.stride_w }} - {{ whole.pad_left }};
{% if count_include_pad %}
  let rows = min(y + {{ whole.kernel_h }}, {{ whole.h + whole.pad_bottom }}) - y;
  let columns = min(x + {{ whole.kernel_w }}, {{ whole.w + whole.pad_right }}) - x;
{% else %}
  let rows = min(y + {{ whole.kernel_h }}, {{ whole.h }}) - max(y, 0);
  let columns = min(x + {{ whole.kernel_w }}, {{ whole.w }}) - max(x, 0);
{% endif %}
  return f32(rows * columns);
{% endif %}
}
