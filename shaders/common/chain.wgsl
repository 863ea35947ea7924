// Chains of element-wise functions, fused with a kernel: the epilogue of a result before it is stored, the prologue of
// what a sum loads. i is the place in the tensor, in vec4 where those are loaded or stored.
{% if functions %}
{% include "common/math.wgsl" %}
{% include "common/activations.wgsl" %}
{% endif %}
{% for chain in chains %}
{% set type = "vec4<f32>" if chain.vec4 else "f32" %}
{% for number in chain.numbers %}
@group(0) @binding({{ number }}) var<storage, read> other{{ number }}: array<{{ type }}>;
{% endfor %}
fn {{ chain.name }}(value: {{ type }}, i: u32) -> {{ type }} {
  var x = value;
{% for step in chain.steps %}
{% if step.kind == "binary" %}
  x = {{ "other" ~ step.other ~ "[i] " ~ step.operator ~ " x" if step.swapped else "x " ~ step.operator ~ " other" ~ step.other ~ "[i]" }};
{% elif step.kind == "unary" %}
{% if chain.vec4 %}
  x = vec4<f32>({% for q in range(4) %}{{ step.function }}(x[{{ q }}], {{ step.parameter }}){{ ", " if q < 3 else "" }}{% endfor %});
{% else %}
  x = {{ step.function }}(x, {{ step.parameter }});
{% endif %}
{% else %}
  let saved{{ loop.index0 }} = other{{ step.other }}[i];
{% if chain.vec4 %}
{% set saved = "saved" ~ loop.index0 %}
  x = vec4<f32>({% for q in range(4) %}{{ step.function }}_backward(x[{{ q }}], {{ saved }}[{{ q }}], {{ step.parameter }}){{ ", " if q < 3 else "" }}{% endfor %});
{% else %}
  x = {{ step.function }}_backward(x, saved{{ loop.index0 }}, {{ step.parameter }});
{% endif %}
{% endif %}
{% endfor %}
  return x;
}
{% endfor %}
