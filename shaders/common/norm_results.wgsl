{# Bindings of the results, and what writes them. #}
{% if done %}
@group(0) @binding({{ first_result }}) var<storage, read_write> rstds: array<f32>;
{% if centered %}
@group(0) @binding({{ first_result + 1 }}) var<storage, read_write> means: array<f32>;
@group(0) @binding({{ first_result + 2 }}) var<storage, read_write> variances: array<f32>;
{% endif %}
{% if running %}
@group(0) @binding({{ first_result + 3 }}) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding({{ first_result + 4 }}) var<storage, read_write> running_var: array<f32>;
{% if momentum is none %}
@group(0) @binding({{ first_result + 5 }}) var<storage, read> batches: array<u32>;
{% endif %}
{% if counts %}
@group(0) @binding({{ first_result + (6 if momentum is none else 5) }}) var<storage, read_write> new_batches: array<u32>;
{% endif %}
{% endif %}
{% else %}
// Of each part: what it found, and its pivot.
@group(0) @binding({{ first_result }}) var<storage, read_write> parts: array<vec4<f32>>;
{% endif %}
{% include "common/norm_finish.wgsl" %}
