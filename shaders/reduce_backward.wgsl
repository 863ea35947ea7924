// reduce_backward: grad_input = grad_output * d {{ name }} / d input, where a result stands for all elements that became it
//
// An invocation computes {{ "four neighbouring elements" if unit == 4 else "one element" }}, a workgroup 64.
//
// input and grad_input ({{ elements }}{{ " fours" if unit == 4 }}); grad_output, output and what was saved (a result each), all strided
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% if unit == 4 %}
{% include "common/four.wgsl" %}
{% endif %}

{% for name in tensors %}
@group(0) @binding({{ loop.index0 }}) var<storage, {{ "read_write" if loop.last else "read" }}> {{ name }}: array<{{ "Four" if unit == 4 and side[name] else "f32" }}>;
{% endfor %}
{% if kind == "norm" or magnitude %}

fn sign_of(x: f32) -> f32 { return select(select(1.0, -1.0, x < 0.0), 0.0, (x == 0.0) | is_nan(x)); }
{% endif %}

{% set names = {"grad_output": "g", "input": "x", "output": "y", "first_saved": "first", "second_saved": "second", "firsts": "shift"} %}
fn gradient({% for name in tensors[:-1] %}{{ names[name] }}: f32{{ ", " if not loop.last }}{% endfor %}) -> f32 {
  {% if kind == "prod" %}
  // The product of the others: of all but this one where none is 0, else 0 but for the only 0.
  let others = first;
  let zeros = second;
  let zero = x == 0.0;
  let quotient = others / select(x, 1.0, zero);
  let grad = select(select(0.0, g * others, (zeros == 1.0) & zero), g * quotient, zeros == 0.0);
  {% elif kind == "extreme" %}
  // Shared evenly among equals.
  let ties = first;
  {% if magnitude %}
  let grad = select(0.0, sign_of(x) * (g / max(ties, 1.0)), abs(x) == y);
  {% else %}
  let evenly = select(0.0, g / max(ties, 1.0), x == y);
  let grad = select(evenly, y, is_nan(y));
  {% endif %}
  {% elif kind == "spread" %}
  let distance = (x - shift) - first;
  {% if root %}
  let grad = select(g * (distance / (select(y, 1.0, y == 0.0) * {{ divisor }})), 0.0, y == 0.0);
  {% else %}
  let grad = g * (distance * (2.0 / {{ divisor }}));
  {% endif %}
  {% elif kind == "logsumexp" %}
  let distance = x - y;
  let endless = (bitcast<u32>(y) & 0x7f800000u) == 0x7f800000u;
  // inf - inf and -inf + inf are NaN.
  let grad = select(g * exp_bounded(distance), nan_from(bitcast<u32>(y)), endless & (x == y));
  {% elif p == 0 %}
  let grad = 0.0 * (g + x);
  {% elif p == 1 %}
  let grad = g * sign_of(x);
  {% else %}
  // 0 at the origin.
  let origin = y == 0.0;
  let ratio = x / select(y, 1.0, origin);
  {% if p == 2 %}
  let grad = select(g * ratio, 0.0, origin);
  {% else %}
  let usual = !origin & (x != 0.0);
  let grad = select(0.0, g * sign_of(x) * pow(select(1.0, abs(ratio), usual), {{ exponent }}), usual);
  {% endif %}
  {% endif %}
  return grad;
}

@compute @workgroup_size(64)
fn reduce_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  {% for name in tensors[:-1] %}
  let {{ names[name] }} = {{ "four(" if unit == 4 and side[name] }}{{ name }}[{{ at[name] }}]{{ ")" if unit == 4 and side[name] }};
  {% endfor %}
  {% if unit == 4 %}
  grad_input[{{ at.grad_input }}] = to_four(vec4<f32>({% for q in range(4) %}gradient({% for name in tensors[:-1] %}{{ names[name] }}{{ "[" ~ q ~ "]" if side[name] }}{{ ", " if not loop.last }}{% endfor %}){{ ", " if q < 3 }}{% endfor %}));
  {% else %}
  grad_input[{{ at.grad_input }}] = gradient({% for name in tensors[:-1] %}{{ names[name] }}{{ ", " if not loop.last }}{% endfor %});
  {% endif %}
}
