// How recurrent kernels hold the weights of few units in registers, as macros: a lane has units unit0, unit1, .., 8 apart; those
// behind the last are the last once more, and are not stored.
{% macro own_units() %}
{% for v in range(own) %}
let unit{{ v }} = min(lane.x + {{ 8 * v }}u, H - 1u);
  {% endfor %}
{% endmacro %}
{# Before what is done for the units number `v` of the lanes that have one. #}
{% macro guard(v) %}{{ "if (lane.x + " ~ 8 * v ~ "u < H) " if 8 * v + 8 > hidden }}{% endmacro %}
{# `w0_1_2`: of gate 0 and unit1, the weight with which it reads unit 2, or by which unit 2 reads it. #}
{% macro weights(buffer, reads) %}
{% for q in range(gates) %}
  {% for v in range(own) %}
  {% for j in range(hidden) %}
let w{{ q }}_{{ v }}_{{ j }} = {{ buffer }}[{{ "(" ~ q * hidden ~ "u + unit" ~ v ~ ") * H + " ~ j ~ "u" if reads else (q * hidden + j) * hidden ~ "u + unit" ~ v }}];
  {% endfor %}
  {% endfor %}
  {% endfor %}
{% endmacro %}
