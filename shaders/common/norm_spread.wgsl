// spread: a number of the row of each of four neighbours, of which rows has the numbers (macro). There are two rows at most
// where rows are of 4 numbers or more.
{% macro spread(array, place, l, wrap="") %}
{% if l >= 4 %}
select(vec4<f32>({{ wrap }}({{ array }}[{{ place }}(rows.w)])), vec4<f32>({{ wrap }}({{ array }}[{{ place }}(rows.x)])), rows == rows.xxxx)
{%- else %}
vec4<f32>({% for q in range(4) %}{{ wrap }}({{ array }}[{{ place }}(rows[{{ q }}])]){{ ", " if q < 3 }}{% endfor %})
{%- endif %}
{% endmacro %}
{# Four numbers of a row, of which each place has its own. #}
{% macro places(array) %}
vec4<f32>({% for q in range(4) %}{{ array }}[place[{{ q }}]]{{ ", " if q < 3 }}{% endfor %})
{%- endmacro %}
