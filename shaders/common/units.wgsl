// units: one, two or four neighbouring numbers as one element of a buffer (macros, beside four.wgsl and pair.wgsl)
//
// type is the element's type. load converts an element into a number or a vector, of which number is one part; zero is its
// zero; store makes an element of the variables name0, name1, .. For indices there are type_u32, load_u32 and
// store_u32; wide has the meaning it has in four.wgsl.
{% macro type(size) %}{{ {1: "f32", 2: "Pair", 4: "Four"}[size] }}{% endmacro %}
{% macro load(element, size) %}{{ {1: "", 2: "pair", 4: "four"}[size] }}({{ element }}){% endmacro %}
{% macro zero(size) %}{{ "0.0" if size == 1 else "vec" ~ size ~ "<f32>()" }}{% endmacro %}
{% macro store(name, size) %}{{ {1: "", 2: "to_pair", 4: "to_four"}[size] }}({{ vector(name, size, "f32") }}){% endmacro %}
{% macro type_u32(size, wide) %}{{ {1: "u32", 2: "u64" if wide else "vec2<u32>", 4: "vec2<u64>" if wide else "vec4<u32>"}[size] }}{% endmacro %}
{% macro load_u32(element, size, wide) %}
{% if size == 1 or not wide %}{{ element }}{% else %}{{ {2: "pair_u32", 4: "four_u32"}[size] }}({{ element }}){% endif %}
{% endmacro %}
{% macro store_u32(name, size, wide) %}
{% if size == 1 or not wide %}{{ vector(name, size, "u32") }}
{%- elif size == 2 %}{{ word(name ~ 0, name ~ 1) }}
{%- else %}vec2<u64>({{ word(name ~ 0, name ~ 1) }}, {{ word(name ~ 2, name ~ 3) }}){% endif %}
{% endmacro %}
{% macro number(loaded, size, part) %}{{ loaded if size == 1 else loaded ~ "[" ~ part ~ "]" }}{% endmacro %}
{% macro vector(name, size, type) %}
{% if size == 1 %}{{ name }}0{% else %}vec{{ size }}<{{ type }}>({% for i in range(size) %}{{ name ~ i }}{{ ", " if not loop.last }}{% endfor %}){% endif %}
{% endmacro %}
{% macro word(low, high) %}u64({{ low }}) | (u64({{ high }}) << 32u){% endmacro %}
