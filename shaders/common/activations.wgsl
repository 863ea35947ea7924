// Each activation as two functions of x and a parameter p: its value, and with `_backward` the error g times
// its derivative at what the forward pass saved. Only those that are used are rendered.
{% if "relu" in functions %}
fn relu(x: f32, p: f32) -> f32 { return select(0.0, x, (x > 0.0) | is_nan(x)); }
fn relu_backward(g: f32, y: f32, p: f32) -> f32 { return select(0.0, g, (y > 0.0) | is_nan(y)); }
{% endif %}
{% if "leaky_relu" in functions %}
fn leaky_relu(x: f32, p: f32) -> f32 { return select(x, p * x, x <= 0.0); }
fn leaky_relu_backward(g: f32, x: f32, p: f32) -> f32 { return select(p * g, g, x > 0.0); }
{% endif %}
{% if "elu" in functions %}
fn elu(x: f32, p: f32) -> f32 { return select(x, p * expm1(min(x, 0.0)), x <= 0.0); }
fn elu_backward(g: f32, x: f32, p: f32) -> f32 { return select(g, g * p * exp_clamped(min(x, 0.0)), x <= 0.0); }
{% endif %}
{% if "gelu" in functions %}
fn gelu(x: f32, p: f32) -> f32 { return x * normal_cdf(x); }
fn gelu_backward(g: f32, x: f32, p: f32) -> f32 {
  return g * fma(x * 0.39894228, exp_clamped(-0.5 * min(x * x, 1e4)), normal_cdf(x));
}
{% endif %}
{% if "gelu_tanh" in functions %}
// 0.5 (1 + tanh(u)) = logistic(2 u), which keeps the left tail.
fn gelu_tanh_argument(x: f32) -> f32 {
  let c = clamp(x, -100.0, 100.0);
  return 1.5957691 * c * fma(0.044715 * c, c, 1.0);
}
fn gelu_tanh(x: f32, p: f32) -> f32 { return x * logistic(gelu_tanh_argument(x)); }
fn gelu_tanh_backward(g: f32, x: f32, p: f32) -> f32 {
  let c = clamp(x, -100.0, 100.0);
  let s = logistic(gelu_tanh_argument(x));
  let slope = 1.5957691 * fma(0.134145 * c, c, 1.0);
  // x, not c, and last: the derivative at infinity is NaN, as PyTorch's, but nowhere else.
  return g * fma(x, slope * (s * logistic(-gelu_tanh_argument(x))), s);
}
{% endif %}
{% if "sigmoid" in functions %}
fn sigmoid(x: f32, p: f32) -> f32 { return logistic(x); }
fn sigmoid_backward(g: f32, y: f32, p: f32) -> f32 { return g * y * (1.0 - y); }
{% endif %}
{% if "tanh" in functions %}
fn tanh_value(x: f32, p: f32) -> f32 { return tanh_exact(x); }
fn tanh_value_backward(g: f32, y: f32, p: f32) -> f32 { return g * (1.0 - y) * (1.0 + y); }
{% endif %}
{% if "scale" in functions %}
fn scale(x: f32, p: f32) -> f32 { return p * x; }
fn scale_backward(g: f32, y: f32, p: f32) -> f32 { return p * g; }
{% endif %}
{% if "sqrt" in functions %}
fn sqrt_value(x: f32, p: f32) -> f32 { return select(sqrt(x), nan_from(bitcast<u32>(x)), x < 0.0); }
fn sqrt_value_backward(g: f32, y: f32, p: f32) -> f32 { return g * 0.5 / y; }
{% endif %}
{% if "clamp_max" in functions %}
fn clamp_max(x: f32, p: f32) -> f32 { return select(min(x, p), x, is_nan(x)); }
fn clamp_max_backward(g: f32, x: f32, p: f32) -> f32 { return select(0.0, g, x < p); }
{% endif %}
