{# How the recurrent kernels find, load and store four units; `v` tells several fours apart. #}
{% set quad = "vec2<u64>" if wide else "vec4<f32>" %}
{% set element = quad if vec4 else "f32" %}
{# Four units of an invocation, number `block` of those that it has; those behind the last are moved inside. #}
{% macro place(block, v="") %}
let start{{ v }} = (({{ block }}) * {{ lanes }}u + lane.x) * 4u;
    {% if vec4 %}
    let unit{{ v }} = min(start{{ v }}, H - 4u);
    {% else %}
    {% for q in range(4) %}
    let unit{{ v }}_{{ q }} = min(start{{ v }} + {{ q }}u, H - 1u);
    {% endfor %}
    {% endif %}
{% endmacro %}
{# Those units in a row that begins at element `base`. #}
{% macro load(buffer, base, v="") %}{% if vec4 %}four({{ buffer }}[({{ base }} + unit{{ v }}) / 4u]){% else %}vec4<f32>({% for q in range(4) %}{{ buffer }}[{{ base }} + unit{{ v }}_{{ q }}]{{ ", " if q < 3 else "" }}{% endfor %}){% endif %}{% endmacro %}
{# Stores them where `ok`, the name of a bool, holds; with "" in any case. #}
{% macro store(ok, buffer, base, value, v="") %}
    {% if vec4 %}
    {{ "if (" ~ ok ~ ") { " if ok and not full }}{{ buffer }}[({{ base }} + unit{{ v }}) / 4u] = word({{ value }});{{ " }" if ok and not full }}
    {% else %}
    {% for q in range(4) %}
    if ({{ ok ~ " & " if ok }}(start{{ v }} + {{ q }}u < H)) { {{ buffer }}[{{ base }} + unit{{ v }}_{{ q }}] = {{ value }}[{{ q }}]; }
    {% endfor %}
    {% endif %}
{% endmacro %}
{# Four terms, number k, of a row of `width` numbers that begins at element `base`; those behind the last are the last. #}
{% macro terms(buffer, base, width) %}{% if vec4 %}four({{ buffer }}[({{ base }}) / 4u + k]){% else %}vec4<f32>({% for e in range(4) %}{{ buffer }}[{{ base }} + min(4u * k + {{ e }}u, {{ width }} - 1u)]{{ ", " if e < 3 else "" }}{% endfor %}){% endif %}{% endmacro %}
