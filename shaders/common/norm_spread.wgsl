// spread: a number of the row of each of four neighbours, of which rows has the numbers (macro). There are two rows at most
// where rows are of 4 numbers or more.
{% macro spread(array, position, l, wrap="") %}
{% if l >= 4 %}
select(vec4<f32>({{ wrap }}({{ array }}[{{ position }}(rows.w)])), vec4<f32>({{ wrap }}({{ array }}[{{ position }}(rows.x)])), rows == rows.xxxx)
{%- else %}
vec4<f32>({% for q in range(4) %}{{ wrap }}({{ array }}[{{ position }}(rows[{{ q }}])]){{ ", " if q < 3 }}{% endfor %})
{%- endif %}
{% endmacro %}
{# Four numbers of a row, of which each position has its own. #}
{% macro positions(array) %}
vec4<f32>({% for q in range(4) %}{{ array }}[position[{{ q }}]]{{ ", " if q < 3 }}{% endfor %})
{%- endmacro %}
