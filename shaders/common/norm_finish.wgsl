{# Joining what parts of a group found, and what becomes of it. #}
// A part of the numbers that share statistics: how many (x), {{ "their mean above a pivot (y), the sum of squared deviations from it (z)" if centered else "nothing (y), the sum of their squares (z)" }}.
fn joined(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
{% if centered %}
  // Chan, Golub, LeVeque (1979): nothing is subtracted that was squared before.
  let count = a.x + b.x;
  let share = b.x / max(count, 1.0);
  let step = b.y - a.y;
  return vec3<f32>(count, a.y + step * share, a.z + b.z + step * step * (a.x * share));
{% else %}
  return a + b;
{% endif %}
}

{% if done %}
fn finish(position: u32, pivot: f32, found: vec3<f32>) {
  let variance = found.z / {{ count }};
  rstds[position] = 1.0 / sqrt(variance + {{ eps }});
  {% if centered %}
  let mean = pivot + found.y;
  means[position] = mean;
  variances[position] = variance;
  {% endif %}
  {% if running %}
  {% if momentum is none %}
  let share = 1.0 / f32(batches[0] + 1u);
  {% else %}
  let share = {{ momentum }};
  {% endif %}
  running_mean[position] = (1.0 - share) * running_mean[position] + share * mean;
  running_var[position] = (1.0 - share) * running_var[position] + share * (found.z / {{ count_less_1 }});
  {% if counts %}
  if (position == 0u) { {{ "new_batches[0] = batches[0] + 1u;" if momentum is none else "new_batches[0] += 1u;" }} }
  {% endif %}
  {% endif %}
}
{% endif %}
