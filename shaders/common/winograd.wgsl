{# A row of a transform: the sum of its factors times the values that lie at these positions. #}
{% macro combination(row, before, after) %}
{%- for term in row %}{{ " + " if not loop.first }}{{ term.factor }}{{ before }}{{ term.at }}{{ after }}{% endfor %}
{%- endmacro %}
