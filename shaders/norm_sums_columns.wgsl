// norm_sums_columns: sums of g and of g x_hat over the rows of tensors ({{ a }}, {{ m }}), g the error, x_hat the normalised input
//
// An invocation goes through {{ "the rows" if done else "a run of the rows" }} of {{ unit }} neighbouring columns, in their order. {{ "" if done else "A second pass adds the " ~ parts ~ " parts." }}
// Mean and rstd are those of {{ "the row" if by_row else "the column" }}.
{% include "common/group.wgsl" %}
{% if unit == 4 %}
{% include "common/four.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type, load, number %}

@group(0) @binding(0) var<storage, read> grad_output: array<{{ type(unit) }}>;
@group(0) @binding(1) var<storage, read> input: array<{{ type(unit) }}>;
@group(0) @binding(2) var<storage, read> rstds: array<f32>;
{% if centered %}
@group(0) @binding({{ binding.mean }}) var<storage, read> means: array<f32>;
{% endif %}
{% include "common/norm_sums_results.wgsl" %}

alias Columns = {{ "f32" if unit == 1 else "vec4<f32>" }};
{% if eps %}
fn rstd_of(variance: f32) -> f32 { return 1.0 / sqrt(variance + {{ eps }}); }
{% else %}
fn rstd_of(rstd: f32) -> f32 { return rstd; }
{% endif %}

{% macro term(j, row) %}
    let at{{ j }} = start + ({{ row }}) * {{ m // unit }}u;
    let error{{ j }} = {{ load("grad_output[at" ~ j ~ "]", unit) }};
    let x{{ j }} = {{ load("input[at" ~ j ~ "]", unit) }}{{ (" - means[first_row + " ~ row ~ "]" if by_row else " - mean") if centered }};
    errors += error{{ j }};
    products_of += error{{ j }} * x{{ j }}{{ " * rstd_of(rstds[first_row + " ~ row ~ "])" if by_row }};
{% endmacro %}

@compute @workgroup_size({{ lanes }})
fn norm_sums_columns(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let run = group / {{ tiles }}u;
  let column = group % {{ tiles }}u * {{ lanes }}u + lane.x;
  if (column >= {{ kept // unit }}u) { return; }
  let rows = {{ "min(" ~ rows ~ "u, " ~ a ~ "u - (" ~ first_run ~ "u + run) * " ~ rows ~ "u)" if rows < a else rows ~ "u" }};
  let start = run * {{ rows * (m // unit) }}u + column + {{ first_input // unit }}u;
{% if by_row %}
  let first_row = run * {{ rows }}u + {{ first_statistic }}u;
{% else %}
  let own = column * {{ unit }}u + {{ first_statistic }}u;
  let rstd = Columns({% for q in range(unit) %}rstd_of(rstds[own + {{ q }}u]){{ ", " if not loop.last }}{% endfor %});
  {% if centered %}
  let mean = Columns({% for q in range(unit) %}means[own + {{ q }}u]{{ ", " if not loop.last }}{% endfor %});
  {% endif %}
{% endif %}
  var errors = Columns();
  var products_of = Columns();
  let whole = rows / 4u * 4u;
  for (var r = 0u; r < whole; r += 4u) {
{% for j in range(4) %}
{{ term(j, "r + " ~ j ~ "u") }}
{% endfor %}
  }
  for (var r = whole; r < rows; r++) {
{{ term(0, "r") }}
  }
  {% if not by_row %}
  products_of *= rstd;
  {% endif %}
{% for q in range(unit) %}
{% set found = "vec2<f32>(" ~ number("errors", unit, q) ~ ", " ~ number("products_of", unit, q) ~ ")" %}
{% if done %}
  finish(column * {{ unit }}u + {{ q + first_kept }}u, {{ found }});
{% else %}
  parts[run * {{ m }}u + column * {{ unit }}u + {{ q + first_part }}u] = {{ found }};
{% endif %}
{% endfor %}
}
