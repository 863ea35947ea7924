// bench_fma: the rate of multiply-adds. sum[g] = the accumulators of invocation 0 of workgroup g
//
// An invocation keeps {{ accumulators }} independent sums of {{ width }} numbers and adds {{ unroll }} terms to each an iteration: enough
// chains to hide the latency of an fma, few enough to stay in registers. Factors come from memory, so that
// nothing is folded; the sums converge, so that nothing overflows.
//
// factors (2): multiplier below 1, addend; sum (groups)
{% if half %}
enable f16;
{% endif %}
{% include "common/group.wgsl" %}
{% set number = "f16" if half else "f32" %}
{% set part = ".x" if width == 1 else "" %}
alias Number = {{ number if width == 1 else "vec4<" ~ number ~ ">" }};

@group(0) @binding(0) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64)
fn bench_fma(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let factor = Number(factors[0]{{ part }});
  let addend = Number(factors[1]{{ part }});
  {% for a in range(accumulators) %}
  var s{{ a }} = Number({{ "f32" if width == 1 else "vec4<f32>" }}(f32(lane.x + {{ a }}u) * 0.01));
  {% endfor %}
  for (var i = 0u; i < {{ iterations }}u; i++) {
    {% for u in range(unroll) %}
    {% for a in range(accumulators) %}
    s{{ a }} = fma(s{{ a }}, factor, addend);
    {% endfor %}
    {% endfor %}
  }
  let total = {{ "f32" if width == 1 else "vec4<f32>" }}({% for a in range(accumulators) %}s{{ a }}{{ "" if loop.last else " + " }}{% endfor %});
  if (lane.x == 0u) { sum[group] = {{ "vec4<f32>(total)" if width == 1 else "total" }}; }
}
