// How the recurrent kernels find, load and store the {{ 4 * fours }} neighbouring units of an invocation, as macros: each four of
// them has a name of its own.
{% set word = "vec4<u64>" if fours == 2 else "Four" %}
{% set element = word if vec4 else "f32" %}
{# The units, number `block` of those that an invocation has; those behind the last are moved inside. #}
{% macro place(block) %}
let start = ({{ block }}) * {{ 4 * fours * lanes }}u + unit_lane * {{ 4 * fours }}u;
    {% if vec4 %}
    let unit = min(start, H - {{ 4 * fours }}u);
    {% else %}
    {% for q in range(4) %}
    let unit{{ q }} = min(start + {{ q }}u, H - 1u);
    {% endfor %}
    {% endif %}
{% endmacro %}
{# `name_0` and, of eight, `name_1`: what a word holds. #}
{% macro split(name, word) %}
{% if fours == 2 %}
let {{ name }}_w = {{ word }};
    let {{ name }}_0 = four({{ name }}_w.xy);
    let {{ name }}_1 = four({{ name }}_w.zw);
{% else %}
let {{ name }}_0 = {{ "four(" ~ word ~ ")" if vec4 else word }};
{% endif %}
{% endmacro %}
{# The units in a row that begins at element `base`. #}
{% macro load(name, buffer, base) %}
{% if vec4 %}
{{ split(name, buffer ~ "[(" ~ base ~ " + unit) / " ~ 4 * fours ~ "u]") }}
{%- else %}
let {{ name }}_0 = vec4<f32>({% for q in range(4) %}{{ buffer }}[{{ base }} + unit{{ q }}]{{ ", " if q < 3 else "" }}{% endfor %});
{% endif %}
{% endmacro %}
{# Terms of a row that begins at element `base`, number `k` of its words; those behind the last are the last. #}
{% macro terms(name, buffer, base, width) %}
{% if vec4 %}
{{ split(name, buffer ~ "[(" ~ base ~ ") / " ~ 4 * fours ~ "u + k]") }}
{%- else %}
let {{ name }}_0 = vec4<f32>({% for e in range(4) %}{{ buffer }}[{{ base }} + min(4u * k + {{ e }}u, {{ width }} - 1u)]{{ ", " if e < 3 else "" }}{% endfor %});
{% endif %}
{% endmacro %}
{# The word of `name_0` and `name_1`. #}
{% macro joined(name) %}{{ "vec4<u64>(word(" ~ name ~ "_0), word(" ~ name ~ "_1))" if fours == 2 else "word(" ~ name ~ "_0)" }}{% endmacro %}
{# Stores the units where `ok`, the name of a bool, holds; with "" in any case. #}
{% macro store(ok, buffer, base, name) %}
    {% if vec4 %}
    {{ "if (" ~ ok ~ ") { " if ok and not full }}{{ buffer }}[({{ base }} + unit) / {{ 4 * fours }}u] = {{ joined(name) }};{{ " }" if ok and not full }}
    {% else %}
    {% for q in range(4) %}
    if ({{ ok ~ " & " if ok }}(start + {{ q }}u < H)) { {{ buffer }}[{{ base }} + unit{{ q }}] = {{ name }}_0[{{ q }}]; }
    {% endfor %}
    {% endif %}
{% endmacro %}
{# Adds the products of some terms of all rows, `a` lane by lane or row by row, with the weights of the units. #}
{% macro multiply_add(sum, suffix, weight) %}
{% for v in range(fours) %}
{% for f in range(fours) %}
{% for e in range(4) %}
      {{ sum }}_{{ v }} = fma(vec4<f32>({{ suffix }}_{{ f }}[{{ e }}]), {{ weight }}_{{ 4 * f + e }}_{{ v }}, {{ sum }}_{{ v }});
{% endfor %}
{% endfor %}
{% endfor %}
{% endmacro %}
{# The words of `count` that an invocation's slice of the terms has: `k` goes through them. #}
{% macro for_terms(count) %}
{% if slices > 1 %}
{% set share = (count + slices - 1) // slices %}
for (var k = slice * {{ share }}u; k < min(slice * {{ share }}u + {{ share }}u, {{ count }}u); k++) {
{%- else %}
for (var k = 0u; k < {{ count }}u; k++) {
{%- endif %}
{% endmacro %}
{# What a sum begins with: added by the first slice only. #}
{% macro begin(value) %}{{ "select(vec4<f32>(), " ~ value ~ ", slice == 0u)" if slices > 1 else value }}{% endmacro %}
{# Where the first slice keeps its sum number `j` for the next pass. #}
{% macro own_sum(j) %}partial[({{ j }}) * {{ lanes }}u + unit_lane]{% endmacro %}
{# Adds the sums of all slices into those of the first: those of the second half into the first half, and so on. Sum `j`
   of `count` is called `name` with `j // gates` and `j % gates`, or with `j` where `gates` is 0. #}
{% macro add_slices(name, count, gates) %}
{% for half in halves %}
      if ((slice >= {{ half }}u) & (slice < {{ 2 * half }}u)) {
        {% for j in range(count) %}
        partial[((slice - {{ half }}u) * {{ count }}u + {{ j }}u) * {{ lanes }}u + unit_lane] = {{ name }}{{ j // gates ~ "_" ~ j % gates if gates else j }}_0;
        {% endfor %}
      }
      workgroupBarrier();
      if (slice < {{ half }}u) {
        {% for j in range(count) %}
        {{ name }}{{ j // gates ~ "_" ~ j % gates if gates else j }}_0 += partial[(slice * {{ count }}u + {{ j }}u) * {{ lanes }}u + unit_lane];
        {% endfor %}
      }
      workgroupBarrier();
{% endfor %}
{% endmacro %}
