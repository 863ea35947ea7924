// reduce: output[o] = epilogue({{ name }} over the reduced dimensions of prologue(input)), and what is saved beside it
//
// Output o and term t each have their own dimensions and strides in the input. A workgroup of {{ lanes }} joins
{% if partial %}
// one of {{ parts }} runs of terms of one output, of which it leaves what is known; a second pass joins the runs in order:
{% else %}
// the terms of one output:
{% endif %}
// lane l takes {{ "four terms at a time, fours" if vec4 else "terms" }} l, l + {{ lanes }}, .., then a tree in workgroup memory joins the lanes. A fixed order.
//
// input (strided), output ({{ outputs }}), {{ terms }} terms each
{% include "common/reduce_rows.wgsl" %}

@compute @workgroup_size({{ lanes }})
fn reduce(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  run_of_terms(flat_group(workgroup), lane.x);
}
