// nll_loss_backward: grad_input[o,c,i] = -weight[c] g[o,i] where c = target[o,i] and is not ignored, else 0
//
// An invocation computes one element, a workgroup 64.
//
// g and target (u32) (O, {{ inner }}), grad_input (O, C = {{ length }}, {{ inner }}){{ ", weight (C)" if weighted else "; all weights are 1" }}
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_loss: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;
{% if weighted %}
@group(0) @binding(3) var<storage, read> weight: array<f32>;
{% endif %}

@compute @workgroup_size(64)
fn nll_loss_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ elements }}u) { return; }
  let row = at / {{ length * inner }}u * {{ inner }}u + at % {{ inner }}u;
  let class_index = at / {{ inner }}u % {{ length }}u;
{% if ignore is not none %}
  let chosen = labels[{{ first_label }}u + row] == class_index && class_index != {{ ignore }}u;
{% else %}
  let chosen = labels[{{ first_label }}u + row] == class_index;
{% endif %}
  let error = grad_loss[{{ first_grad }}u + row];
  grad_input[{{ first_output }}u + at] = select(0.0, -error{{ " * weight[class_index]" if weighted else "" }}, chosen);
}
