// What is known of some elements of a row that becomes one: of none, of one, of two runs of them that are joined, in this
// order; and what comes of all. Of one row and, where the name ends with 4, of four side by side.
{% for size in sizes %}
{% set F = "f32" if size == 1 else "vec4<f32>" %}
{% set U = "u32" if size == 1 else "vec4<u32>" %}
{% set B = "bool" if size == 1 else "vec4<bool>" %}
{% set Known = "Known" ~ size %}
struct {{ Known }} {
{% for name, type in fields %}
  {{ name }}: {{ F if type == "f32" else U }},
{% endfor %}
}

// NaN, and what is not finite, by their bits: a driver may take them for numbers.
fn is_nan{{ size }}(x: {{ F }}) -> {{ B }} {
  return (bitcast<{{ U }}>(x) & {{ U }}(0x7fffffffu)) > {{ U }}(0x7f800000u);
}
fn is_finite{{ size }}(x: {{ F }}) -> {{ B }} {
  return (bitcast<{{ U }}>(x) & {{ U }}(0x7f800000u)) != {{ U }}(0x7f800000u);
}
// NaN or -inf where a condition holds; made of bits, since neither is valid as a constant.
fn nan_where{{ size }}(condition: {{ B }}, x: {{ F }}) -> {{ F }} {
  return select(x, bitcast<{{ F }}>(bitcast<{{ U }}>(x) | {{ U }}(0x7fc00000u)), condition);
}
fn least_where{{ size }}(condition: {{ B }}, x: {{ F }}) -> {{ F }} {
  return select(x, bitcast<{{ F }}>((bitcast<{{ U }}>(x) & {{ U }}(0u)) | {{ U }}(0xff800000u)), condition);
}
{% if kind == "prod" %}
// Zeros are counted, up to 2, and so is whether anything is not finite: 0 times that is NaN.
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}(1.0), {{ F }}(0.0), {{ F }}(0.0)); }
fn known{{ size }}(x: {{ F }}) -> {{ Known }} {
  let zero = x == {{ F }}(0.0);
  let endless = select({{ F }}(1.0), {{ F }}(0.0), is_finite{{ size }}(x));
  return {{ Known }}(select(x, {{ F }}(1.0), zero), select({{ F }}(0.0), {{ F }}(1.0), zero), endless);
}
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} {
  return {{ Known }}(a.product * b.product, min(a.zeros + b.zeros, {{ F }}(2.0)), max(a.endless, b.endless));
}
fn result{{ size }}(k: {{ Known }}) -> {{ F }} {
  let zero = k.zeros > {{ F }}(0.0);
  return nan_where{{ size }}(zero & (k.endless > {{ F }}(0.0)), select(k.product, {{ F }}(0.0), zero));
}
fn first_saved{{ size }}(k: {{ Known }}) -> {{ F }} { return k.product; }
fn second_saved{{ size }}(k: {{ Known }}) -> {{ F }} { return k.zeros; }
{% elif kind == "extreme" %}
// The extreme, and how many elements have it: none of no elements. NaN is beyond all numbers.
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}(0.0), {{ F }}(0.0)); }
fn known{{ size }}(x: {{ F }}) -> {{ Known }} { return {{ Known }}({{ "abs(x)" if magnitude else "x" }}, {{ F }}(1.0)); }
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} {
  let beats = !is_nan{{ size }}(a.extreme) & (is_nan{{ size }}(b.extreme) | (b.extreme {{ beyond }} a.extreme));
  let second = (b.ties > {{ F }}(0.0)) & ((a.ties == {{ F }}(0.0)) | beats);
  let equal = (a.extreme == b.extreme) | (a.ties == {{ F }}(0.0)) | (b.ties == {{ F }}(0.0));
  let one = select(a.ties, b.ties, second);
  return {{ Known }}(select(a.extreme, b.extreme, second), select(one, a.ties + b.ties, equal));
}
fn result{{ size }}(k: {{ Known }}) -> {{ F }} { return k.extreme; }
fn first_saved{{ size }}(k: {{ Known }}) -> {{ F }} { return select(k.ties, {{ F }}(0.0), is_nan{{ size }}(k.extreme)); }
{% elif kind == "position" %}
// The smallest and its position, the first of equals.
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}(0.0), {{ U }}(0xffffffffu)); }
fn known{{ size }}(x: {{ F }}, position: {{ U }}) -> {{ Known }} { return {{ Known }}(x, position); }
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} {
  let none = {{ U }}(0xffffffffu);
  let one = is_nan{{ size }}(a.smallest);
  let other = is_nan{{ size }}(b.smallest);
  let beats = !one & (other | (b.smallest < a.smallest));
  let before = ((a.smallest == b.smallest) | (one & other)) & (b.position < a.position);
  let second = (b.position != none) & ((a.position == none) | beats | before);
  return {{ Known }}(select(a.smallest, b.smallest, second), select(a.position, b.position, second));
}
fn result{{ size }}(k: {{ Known }}) -> {{ U }} { return k.position; }
{% elif kind == "spread" %}
// How many, their mean and the sum of squared differences from it, joined after T. F. Chan, G. H. Golub and R. J. LeVeque,
// "Updating formulae and a pairwise algorithm for computing sample variances", 1979. All of the distances from the row's
// first element, which have more digits than the elements where these lie close together and far from 0.
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}(0.0), {{ F }}(0.0), {{ F }}(0.0)); }
fn known{{ size }}(x: {{ F }}, first: {{ F }}) -> {{ Known }} { return {{ Known }}({{ F }}(1.0), x - first, {{ F }}(0.0)); }
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} {
  let count = a.count + b.count;
  let share = b.count / max(count, {{ F }}(1.0));
  let apart = b.mean - a.mean;
  let squares = a.squares + (b.squares + apart * apart * a.count * share);
  return {{ Known }}(count, a.mean + apart * share, squares);
}
fn result{{ size }}(k: {{ Known }}) -> {{ F }} { return {{ "sqrt(" if root }}k.squares / {{ F }}({{ divisor }}){{ ")" if root }}; }
fn first_saved{{ size }}(k: {{ Known }}) -> {{ F }} { return k.mean; }
{% elif kind == "norm" %}
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}(0.0)); }
{% if p == 0 %}
fn known{{ size }}(x: {{ F }}) -> {{ Known }} {
  let zero = (bitcast<{{ U }}>(x) & {{ U }}(0x7fffffffu)) == {{ U }}(0u);
  return {{ Known }}(select({{ F }}(1.0), {{ F }}(0.0), zero));
}
{% elif p == 1 %}
fn known{{ size }}(x: {{ F }}) -> {{ Known }} { return {{ Known }}(abs(x)); }
{% elif p == 2 %}
fn known{{ size }}(x: {{ F }}) -> {{ Known }} { return {{ Known }}(x * x); }
{% else %}
fn known{{ size }}(x: {{ F }}) -> {{ Known }} { return {{ Known }}(power{{ size }}(abs(x), {{ exponent }})); }
{% endif %}
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} { return {{ Known }}(a.total + b.total); }
// x^p for x >= 0; of 0 and what is not finite, which a driver may get wrong, what its definition says.
fn power{{ size }}(x: {{ F }}, p: f32) -> {{ F }} {
  let usual = (x > {{ F }}(0.0)) & is_finite{{ size }}(x);
  let computed = pow(select({{ F }}(1.0), x, usual), {{ F }}(p));
  let endless = bitcast<{{ F }}>((bitcast<{{ U }}>(x) & {{ U }}(0u)) | {{ U }}(0x7f800000u));
  let grows = {{ B }}(p > 0.0) == (x > {{ F }}(0.0));
  return nan_where{{ size }}(is_nan{{ size }}(x), select(select({{ F }}(0.0), endless, grows), computed, usual));
}
fn result{{ size }}(k: {{ Known }}) -> {{ F }} {
  return {{ "k.total" if p == 0 or p == 1 else "sqrt(k.total)" if p == 2 else "power" ~ size ~ "(k.total, " ~ inverse ~ ")" }};
}
{% elif kind == "logsumexp" %}
// The largest, and the sum of exponentials of the distances from it. NaN is beyond all numbers.
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}(-3.4028234663852886e38), {{ F }}(0.0)); }
fn known{{ size }}(x: {{ F }}) -> {{ Known }} { return {{ Known }}(x, {{ F }}(1.0)); }
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} {
  let beats = !is_nan{{ size }}(a.largest) & (is_nan{{ size }}(b.largest) | (b.largest > a.largest));
  let largest = select(a.largest, b.largest, beats);
  let distance = select(b.largest, a.largest, beats) - largest;
  let clamped = exp(clamp(distance, {{ F }}(-87.0), {{ F }}(0.0)));
  let within = select({{ F }}(0.0), clamped, distance >= {{ F }}(-87.0));
  let factor = select(within, {{ F }}(1.0), a.largest == b.largest);
  return {{ Known }}(largest, select(a.sum, b.sum, beats) + select(b.sum, a.sum, beats) * factor);
}
fn result{{ size }}(k: {{ Known }}) -> {{ F }} {
  let computed = k.largest + log(max(k.sum, {{ F }}(1.0)));
  return select(k.largest, least_where{{ size }}(k.sum == {{ F }}(0.0), computed), is_finite{{ size }}(k.largest));
}
{% else %}
// 1 where {{ kind }} are not 0, a NaN being none, by their bits: a driver may take a denormal number for 0.
fn nothing{{ size }}() -> {{ Known }} { return {{ Known }}({{ F }}({{ "1.0" if kind == "all" else "0.0" }})); }
fn known{{ size }}(x: {{ F }}) -> {{ Known }} {
  let zero = (bitcast<{{ U }}>(x) & {{ U }}(0x7fffffffu)) == {{ U }}(0u);
  return {{ Known }}(select({{ F }}(1.0), {{ F }}(0.0), zero));
}
fn joined{{ size }}(a: {{ Known }}, b: {{ Known }}) -> {{ Known }} { return {{ Known }}({{ "min" if kind == "all" else "max" }}(a.truth, b.truth)); }
fn result{{ size }}(k: {{ Known }}) -> {{ F }} { return k.truth; }
{% endif %}
{% endfor %}
