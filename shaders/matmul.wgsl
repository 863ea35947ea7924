// matmul: output[z,m,n] = bias[n] + sum_k a[z,m,k] b[z,k,n]
//
// An invocation computes {{ tm }} rows of {{ tn }} neighbouring columns in registers; a workgroup is {{ lanes }}
// invocations{{ ", one tile after the other whichever product it is of" if packed else " along the columns times " ~ row_tiles ~ " along the rows" }}. Four terms are added a turn.
{% if parts > 1 %}
// Of the terms it adds one of {{ parts }} runs of {{ step }}; a second pass adds the runs in order: output (parts, Z, M, N).
{% endif %}
{% if shuffle %}
// Each lane loads four terms of one row of a and the subgroup passes them round: on a CPU adapter a shuffle
// from a fixed lane is free while every load is a loop over the lanes.{{ " Of a transposed a it loads one term of four rows." if trans_a and a_vec4 }}
{% else %}
// Each lane loads its rows of a itself; lanes of one row read the same address.
{% endif %}
{% if transposed %}
// The result is stored transposed, as are the operands: it has few columns, which are the rows here.
{% endif %}
{% if carried %}
// Goes on with the sums of the terms before, which were stored.
{% endif %}
//
// a ({{ "Z, K, M" if trans_a else "Z, M, K" }}), b ({{ "Z, N, K" if trans_b else "Z, K, N" }}), bias (N), output (Z, M, N)
{% include "common/matmul.wgsl" %}
{# Fours of rows in a tile, and of columns. #}
{% set fours = tm // 4 %}
{% set runs = tn // 4 %}
{# Rows that share four columns in registers, on a CPU adapter, whose compiler keeps to this order. #}
{% set together = 2 if shuffle else 1 %}

{% macro a_at(row, k) %}{% if trans_a %}a[a_base + ({{ k }}) * ROW_A + {{ row }}]{% else %}a[a_base + {{ row }} * ROW_A + {{ k }}]{% endif %}{% endmacro %}
{% macro b_at(k, q) %}{% if trans_b %}b[b_base + n{{ q }} * ROW_B + {{ k }}]{% else %}b[b_base + ({{ k }}) * ROW_B + n{{ q }}]{% endif %}{% endmacro %}
{# Whether column q is none of the only tile's: it is not loaded. #}
{% macro beyond(q) %}{{ "yes" if packed and tiles_n == 1 and q >= n }}{% endmacro %}
{# Term `k` of the invocation's rows, four of which are one load. #}
{% macro a_rows(j, k) %}
{% for g in range(tm // 4) %}
let rows{{ j }}_{{ g }} = four(a[(a_base + ({{ k }}) * ROW_A + min(row + {{ 4 * g }}u, M - 4u)) / 4u]);
{% endfor %}
{% endmacro %}
{% set by_rows = packed and trans_a and a_vec4 %}
{% macro a_four(row) %}{% if a_vec4 %}four(a[(a_base + {{ row }} * ROW_A + k) / 4u]){% else %}vec4<f32>({{ a_at(row, "k") }}, {{ a_at(row, "k + 1u") }}, {{ a_at(row, "k + 2u") }}, {{ a_at(row, "k + 3u") }}){% endif %}{% endmacro %}
{# Term `k` of the invocation's columns. #}
{% macro b_term(j, k) %}
{% if b_eight %}
let w{{ j }} = b[(b_base + ({{ k }}) * ROW_B + min(column, N - 8u)) / 8u];
    let b{{ j }}_0 = four(w{{ j }}.xy);
    let b{{ j }}_1 = four(w{{ j }}.zw);
{%- else %}
{% for v in range(runs) %}
{% if b_vec4 and not trans_b %}
let b{{ j }}_{{ v }} = four(b[(b_base + ({{ k }}) * ROW_B + min(column + {{ 4 * v }}u, N - 4u)) / 4u]);
{%- else %}
let b{{ j }}_{{ v }} = vec4<f32>({% for q in range(4 * v, 4 * v + 4) %}{{ "0.0" if beyond(q) else b_at(k, q) }}{{ ", " if q % 4 < 3 }}{% endfor %});
{%- endif %}
{% endfor %}
{% endif %}
{% endmacro %}
@compute @workgroup_size({{ lanes }}, {{ row_tiles }})
fn matmul(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  {% if packed %}
  let at = flat_group(workgroup) * {{ lanes }}u + lane.x;
  if (at >= {{ tiles }}u) { return; }
  let z = at / (TILES_M * TILES_N);
  let row = at / TILES_N % TILES_M * {{ tm }}u;
  let column = at % TILES_N * {{ tn }}u;
  {% else %}
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let z = group / (TILES_M * TILES_N);
  let row = ((group / TILES_N) % TILES_M * {{ row_tiles }}u + lane.y) * {{ tm }}u;
  let column = (group % TILES_N * {{ lanes }}u + lane.x) * {{ tn }}u;
  {% endif %}
  let a_base = begin_a(z);
  let b_base = begin_b(z);
  {% for q in range(tn) %}
  let n{{ q }} = min(column + {{ q }}u, N - 1u);
  {% endfor %}
  {% if shuffle %}
  {% for g in range(tm // lanes) %}
  let row_a{{ g }} = min(row + {{ g * lanes }}u + lane.x, M - 1u);
  {% endfor %}
  {% if trans_a and a_vec4 %}
  let four_a = min(row + lane.x % {{ fours }}u * 4u, M - 4u);
  {% endif %}
  {% else %}
  {% for i in range(tm) %}
  let row_a{{ i }} = min(row + {{ i }}u, M - 1u);
  {% endfor %}
  {% endif %}
  {% for i in range(tm) %}
  {% for v in range(runs) %}
  var s{{ i }}_{{ v }} = {{ "carried(z, row + " ~ i ~ "u, column + " ~ 4 * v ~ "u)" if carried else "vec4<f32>()" }};
  {% endfor %}
  {% endfor %}
  {% set whole = k // 4 * 4 %}
  {% if parts > 1 %}
  let begin = z / {{ products }}u * {{ step }}u;
  let end = min(begin + {{ step }}u, K);
  {% set begin, whole_end, end = "begin", "begin + (end - begin) / 4u * 4u", "end" %}
  {% else %}
  {% set begin, whole_end, end = "0u", whole ~ "u", "K" %}
  {% endif %}
  for (var k = {{ begin }}; k < {{ whole_end }}; k += 4u) {
    {% if b_vec4 and trans_b %}
    {% for q in range(tn) if not beyond(q) %}
    let w{{ q }} = four(b[(b_base + n{{ q }} * ROW_B + k) / 4u]);
    {% endfor %}
    {% for j in range(4) %}
    {% for v in range(0, tn, 4) %}
    let b{{ j }}_{{ v // 4 }} = vec4<f32>({% for q in range(v, v + 4) %}{{ "0.0" if beyond(q) else "w" ~ q ~ "[" ~ j ~ "]" }}{{ ", " if not loop.last }}{% endfor %});
    {% endfor %}
    {% endfor %}
    {% else %}
    {% for j in range(4) %}
    {{ b_term(j, "k + " ~ j ~ "u") }}
    {% endfor %}
    {% endif %}
    {% if by_rows %}
    {% for j in range(4) %}
    {{ a_rows(j, "k + " ~ j ~ "u") }}
    {% endfor %}
    {% elif shuffle and trans_a and a_vec4 %}
    {% for g in range(tm // lanes) %}
    let held{{ g }} = four(a[(a_base + (k + {{ g * lanes // fours }}u + lane.x / {{ fours }}u) * ROW_A + four_a) / 4u]);
    {% endfor %}
    {% elif shuffle %}
    {% for g in range(tm // lanes) %}
    let held{{ g }} = {{ a_four("row_a" ~ g) }};
    {% endfor %}
    {% endif %}
    {% for first in range(0, tm, together) %}
    {% for i in range(first, first + together) %}
    {% if by_rows %}
    let a{{ i }} = vec4<f32>({% for j in range(4) %}rows{{ j }}_{{ i // 4 }}[{{ i % 4 }}]{{ ", " if not loop.last }}{% endfor %});
    {% elif shuffle and trans_a and a_vec4 %}
    {# Term j of row i is one of the four that lane `at % lanes` loaded. #}
    let a{{ i }} = vec4<f32>({% for j in range(4) %}{% set at = j * fours + i // 4 %}subgroupShuffle(held{{ at // lanes }}[{{ i % 4 }}], {{ at % lanes }}u){{ ", " if j < 3 else "" }}{% endfor %});
    {% elif shuffle %}
    let a{{ i }} = subgroupShuffle(held{{ i // lanes }}, {{ i % lanes }}u);
    {% else %}
    let a{{ i }} = {{ a_four("row_a" ~ i) }};
    {% endif %}
    {% endfor %}
    {% for v in range(runs) %}
    {% for j in range(4) %}
    {% for i in range(first, first + together) %}
    s{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}[{{ j }}]), b{{ j }}_{{ v }}, s{{ i }}_{{ v }});
    {% endfor %}
    {% endfor %}
    {% endfor %}
    {% endfor %}
  }
  {% if k > whole %}
  for (var k = {{ whole_end }}; k < {{ end }}; k++) {
    {{ b_term(0, "k") }}
    {% if by_rows %}
    {{ a_rows(0, "k") }}
    {% endif %}
    {% if shuffle %}
    {% for g in range(tm // lanes) %}
    let held{{ g }} = {{ a_at("row_a" ~ g, "k") }};
    {% endfor %}
    {% endif %}
    {% for i in range(tm) %}
    let a{{ i }} = {{ "subgroupShuffle(held" ~ i // lanes ~ ", " ~ i % lanes ~ "u)" if shuffle else "rows0_" ~ i // 4 ~ "[" ~ i % 4 ~ "]" if by_rows else a_at("row_a" ~ i, "k") }};
    {% for v in range(runs) %}
    s{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}), b0_{{ v }}, s{{ i }}_{{ v }});
    {% endfor %}
    {% endfor %}
  }
  {% endif %}
  {% for v in range(runs if not transposed else 0) %}
  let added{{ v }} = bias_of(column + {{ 4 * v }}u);
  {% endfor %}
  {% for i in range(tm) %}
  {% if out_eight %}
  store_eight(z, row + {{ i }}u, column, s{{ i }}_0 + added0, s{{ i }}_1 + added1);
  {% else %}
  {% for v in range(runs) %}
  store(z, row + {{ i }}u, column + {{ 4 * v }}u, s{{ i }}_{{ v }} + {{ "bias_of(row + " ~ i ~ "u)" if transposed else "added" ~ v }});
  {% endfor %}
  {% endif %}
  {% endfor %}
}
