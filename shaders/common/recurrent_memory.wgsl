// How the recurrent kernels find, load and store the {{ 4 * fours }} neighbouring units of an invocation, as macros: each four of
// them has a name of its own.
{% set word = "vec4<u64>" if fours == 2 else "Four" %}
{# An element of the tensors holds `run` units, those of the weights and of workgroup memory all that an invocation has. #}
{% set element = {1: "f32", 4: "Four", 8: "vec4<u64>"}[run] %}
{# The units, number `block` of those that an invocation has; those behind the last are moved inside. #}
{% macro position(block) %}
let start = ({{ block }}) * {{ 4 * fours * lanes }}u + unit_lane * {{ 4 * fours }}u;
    {% for q in range(0, 4 * fours, run) %}
    let unit{{ q }} = min(start + {{ q }}u, H - {{ run }}u);
    {% endfor %}
{% endmacro %}
{# `name_0` and, of eight, `name_1`: what a word holds. #}
{% macro split(name, word) %}
{% if fours == 2 %}
let {{ name }}_w = {{ word }};
    let {{ name }}_0 = four({{ name }}_w.xy);
    let {{ name }}_1 = four({{ name }}_w.zw);
{% else %}
let {{ name }}_0 = four({{ word }});
{% endif %}
{% endmacro %}
{# The units in a row that begins at element `base`. #}
{% macro load(name, buffer, base) %}
{% if run == 4 * fours %}
{{ split(name, buffer ~ "[(" ~ base ~ " + unit0) / " ~ run ~ "u]") }}
{%- else %}
{% for f in range(fours) %}
let {{ name }}_{{ f }} = {% if run == 4 %}four({{ buffer }}[({{ base }} + unit{{ 4 * f }}) / 4u]){% else %}vec4<f32>({% for q in range(4) %}{{ buffer }}[{{ base }} + unit{{ 4 * f + q }}]{{ ", " if q < 3 else "" }}{% endfor %}){% endif %};
{% endfor %}
{% endif %}
{% endmacro %}
{# The weights of the units in a row that begins at element `base`: of rows padded to whole words, whose last are never used. #}
{% macro load_weight(name, buffer, base) %}
{{ split(name, buffer ~ "[(" ~ base ~ " + min(start, " ~ (padded - 4 * fours) ~ "u)) / " ~ 4 * fours ~ "u]") }}
{% endmacro %}
{# Terms of a row that begins at element `base`, number `k` of its words; those behind the last are 0. #}
{% macro terms(name, buffer, base, width) %}
{% if run == 4 * fours %}
{{ split(name, buffer ~ "[(" ~ base ~ ") / " ~ run ~ "u + k]") }}
{%- else %}
{% set from = 4 * fours ~ "u * k + " %}
{% if spread and run == 1 %}
let {{ name }}_mine = {{ buffer }}[{{ base }} + min({{ from }}lane.x % 8u, {{ width }} - 1u)];
{% endif %}
{% for f in range(fours) %}
let {{ name }}_any_{{ f }} = {% if run == 4 %}four({{ buffer }}[({{ base }} + min({{ from }}{{ 4 * f }}u, {{ width }} - 4u)) / 4u]){% else %}vec4<f32>({% for e in range(4) %}{% if spread %}subgroupShuffle({{ name }}_mine, {{ 4 * f + e }}u){% else %}{{ buffer }}[{{ base }} + min({{ from }}{{ 4 * f + e }}u, {{ width }} - 1u)]{% endif %}{{ ", " if e < 3 else "" }}{% endfor %}){% endif %};
let {{ name }}_{{ f }} = only_first({{ width }}, {{ name }}_any_{{ f }}, {{ from }}{{ 4 * f }}u);
{% endfor %}
{% endif %}
{% endmacro %}
{# The word of `name_0` and `name_1`. #}
{% macro joined(name) %}{{ "vec4<u64>(word(" ~ name ~ "_0), word(" ~ name ~ "_1))" if fours == 2 else "word(" ~ name ~ "_0)" }}{% endmacro %}
{# Stores the units where `ok`, the name of a bool, holds; with "" in any case. #}
{% macro store(ok, buffer, base, name) %}
    {% if run == 4 * fours %}
    {{ "if (" ~ ok ~ ") { " if ok and not full }}{{ buffer }}[({{ base }} + unit0) / {{ run }}u] = {{ joined(name) }};{{ " }" if ok and not full }}
    {% else %}
    {% for q in range(0, 4 * fours, run) %}
    {% set four = name ~ "_" ~ q // 4 %}
    if ({{ ok ~ " & " if ok }}(start + {{ q }}u < H)) { {{ buffer }}[({{ base }} + unit{{ q }}) / {{ run }}u] = {{ four ~ "[" ~ q % 4 ~ "]" if run == 1 else "word(" ~ four ~ ")" }}; }
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
