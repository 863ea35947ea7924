// nll_loss: loss[o,i] = -weight[t] input[o,t,i], counted[o,i] = weight[t], t = target[o,i]; both 0 where t is ignored
//
// An invocation computes one row, a workgroup 64.
//
// input (O, C = {{ length }}, {{ inner }}), target (u32), loss and counted (O, {{ inner }}){{ ", weight (C)" if weighted else "; all weights are 1" }}
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> counted: array<f32>;
// The first row whose target is neither a class nor ignored.
@group(0) @binding(4) var<storage, read_write> bad_row: atomic<u32>;
{% if weighted %}
@group(0) @binding(5) var<storage, read> weight: array<f32>;
{% endif %}

@compute @workgroup_size(64)
fn nll_loss(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = flat_group(workgroup) * 64u + lane.x;
  if (row >= {{ rows }}u) { return; }
  let label = labels[{{ first_label }}u + row];
{% if ignore is not none %}
  let ignored = label == {{ ignore }}u;
{% else %}
  let ignored = false;
{% endif %}
  if (label >= {{ length }}u && !ignored) { atomicMin(&bad_row, {{ before }}u + row); }
  let known = label < {{ length }}u && !ignored;
  let chosen = select(0u, label, known);
  let counts = select(0.0, {{ "weight[chosen]" if weighted else "1.0" }}, known);
  let at = {{ first_input }}u + (row / {{ inner }}u * {{ length }}u + chosen) * {{ inner }}u + row % {{ inner }}u;
  loss[{{ first_loss }}u + row] = select(0.0, -counts * input[at], known);
  counted[{{ first_counted }}u + row] = counts;
}
