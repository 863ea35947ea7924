// What is done to a result before it is stored, element by element; i is its place in the output.
{% if functions %}
{% include "common/math.wgsl" %}
{% include "common/activations.wgsl" %}
{% endif %}
{% set type = "vec4<f32>" if epilogue.vec4 else "f32" %}
{% for number in epilogue.numbers %}
@group(0) @binding({{ number }}) var<storage, read> other{{ loop.index0 }}: array<{{ type }}>;
{% endfor %}
fn epilogue(value: {{ type }}, i: u32) -> {{ type }} {
  var x = value;
{% for step in epilogue.steps %}
{% if step.kind == "binary" %}
  x = {{ "other" ~ step.other ~ "[i] " ~ step.operator ~ " x" if step.swapped else "x " ~ step.operator ~ " other" ~ step.other ~ "[i]" }};
{% elif step.kind == "unary" %}
{% if epilogue.vec4 %}
  x = vec4<f32>({% for q in range(4) %}{{ step.function }}(x[{{ q }}], {{ step.parameter }}){{ ", " if q < 3 else "" }}{% endfor %});
{% else %}
  x = {{ step.function }}(x, {{ step.parameter }});
{% endif %}
{% else %}
  let saved{{ loop.index0 }} = other{{ step.other }}[i];
{% if epilogue.vec4 %}
{% set saved = "saved" ~ loop.index0 %}
  x = vec4<f32>({% for q in range(4) %}{{ step.function }}_backward(x[{{ q }}], {{ saved }}[{{ q }}], {{ step.parameter }}){{ ", " if q < 3 else "" }}{% endfor %});
{% else %}
  x = {{ step.function }}_backward(x, saved{{ loop.index0 }}, {{ step.parameter }});
{% endif %}
{% endif %}
{% endfor %}
  return x;
}
