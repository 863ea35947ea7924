// Chains of element-wise functions, fused with a kernel: the epilogue of a result before it is stored, the prologue of
// what a sum loads. i is the position in the tensor, in vec4 where those are loaded or stored.
{{ functions }}
{% for chain in chains %}
{% set type = "vec4<f32>" if chain.vec4 else "f32" %}
{% for other in chain.others %}
@group(0) @binding({{ other.number }}) var<storage, read> other{{ other.number }}: array<{{ other.element }}>;
{% endfor %}
fn {{ chain.name }}(value: {{ type }}, i: u32) -> {{ type }} {
  var x = value;
{% for line in chain.lines %}
{{ line }}
{% endfor %}
  return x;
}
{% endfor %}
