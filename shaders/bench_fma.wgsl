// bench_fma: the rate of multiply-adds. sum[g] = the accumulators of invocation 0 of workgroup g
//
// An invocation keeps {{ accumulators }} independent vec4 accumulators and adds {{ unroll }} terms to each a turn: enough
// chains to hide the latency of an fma, few enough to stay in the registers of a CPU adapter. Factors come
// from memory, so that nothing is folded; the sums converge, so that nothing overflows.
//
// factors (2): multiplier below 1, addend; sum (groups)
{% if half %}
enable f16;
{% endif %}
{% include "common/group.wgsl" %}
{% if half %}
alias Number = vec4<f16>;
{% else %}
alias Number = vec4<f32>;
{% endif %}

@group(0) @binding(0) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sum: array<vec4<f32>>;

@compute @workgroup_size(64)
fn bench_fma(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= GROUPS) { return; }
  let factor = Number(factors[0]);
  let addend = Number(factors[1]);
  {% for a in range(accumulators) %}
  var s{{ a }} = Number(vec4<f32>(f32(lane.x + {{ a }}u) * 0.01));
  {% endfor %}
  for (var i = 0u; i < {{ turns }}u; i++) {
    {% for u in range(unroll) %}
    {% for a in range(accumulators) %}
    s{{ a }} = fma(s{{ a }}, factor, addend);
    {% endfor %}
    {% endfor %}
  }
  let total = vec4<f32>({% for a in range(accumulators) %}s{{ a }}{{ "" if loop.last else " + " }}{% endfor %});
  if (lane.x == 0u) { sum[group] = total; }
}
