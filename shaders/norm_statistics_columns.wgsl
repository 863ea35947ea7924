// norm_statistics_columns: mean, variance and 1 / sqrt(variance + eps) of the columns of a tensor ({{ a }}, {{ m }})
//
// An invocation goes through {{ "the rows" if done else "a run of the rows" }} of {{ unit }} neighbouring columns, four rows at a time, of which it computes mean and squared
// deviations, and joins these with what it has. All is relative to a pivot, the first number of the run.
{% if not done %}
// A second pass joins the {{ parts }} parts.
{% endif %}
{% include "common/group.wgsl" %}
{% if unit == 4 %}
{% include "common/four.wgsl" %}
{% endif %}
{% from "common/units.wgsl" import type, load, zero, number %}

@group(0) @binding(0) var<storage, read> input: array<{{ type(unit) }}>;
{% include "common/norm_results.wgsl" %}

alias Columns = {{ "f32" if unit == 1 else "vec4<f32>" }};
fn row_of(at: u32) -> Columns { return {{ load("input[at]", unit) }}; }

@compute @workgroup_size({{ lanes }})
fn norm_statistics_columns(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let run = group / {{ tiles }}u;
  let column = group % {{ tiles }}u * {{ lanes }}u + lane.x;
  if (column >= {{ kept // unit }}u) { return; }
  let rows = {{ "min(" ~ rows ~ "u, " ~ a ~ "u - (" ~ first_run ~ "u + run) * " ~ rows ~ "u)" if rows < a else rows ~ "u" }};
  let start = run * {{ rows * (m // unit) }}u + column + {{ first_input // unit }}u;
  let pivot = row_of(start);
  var count = 0.0;
  var mean = Columns();
  var squares = Columns();
  let whole = rows / 4u * 4u;
  for (var r = 0u; r < whole; r += 4u) {
{% for j in range(4) %}
    let d{{ j }} = row_of(start + (r + {{ j }}u) * {{ m // unit }}u) - pivot;
{% endfor %}
    let of_four = ((d0 + d1) + (d2 + d3)) * 0.25;
    let step = of_four - mean;
    let share = 4.0 / (count + 4.0);
    mean += step * share;
    squares += step * step * (count * share);
{% for j in range(4) %}
    let e{{ j }} = d{{ j }} - of_four;
{% endfor %}
    squares += (e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3);
    count += 4.0;
  }
  for (var r = whole; r < rows; r++) {
    let step = row_of(start + r * {{ m // unit }}u) - pivot - mean;
    let share = 1.0 / (count + 1.0);
    mean += step * share;
    squares += step * step * (count * share);
    count += 1.0;
  }
{% for q in range(unit) %}
{% if done %}
  finish(column * {{ unit }}u + {{ q + first_kept }}u, {{ number("pivot", unit, q) }}, vec3<f32>(count, {{ number("mean", unit, q) }}, {{ number("squares", unit, q) }}));
{% else %}
  parts[run * {{ m }}u + column * {{ unit }}u + {{ q + first_part }}u] = vec4<f32>(count, {{ number("mean", unit, q) }}, {{ number("squares", unit, q) }}, {{ number("pivot", unit, q) }});
{% endif %}
{% endfor %}
}
