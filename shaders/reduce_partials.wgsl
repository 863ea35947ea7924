// reduce_partials: output[o] = epilogue({{ name }} of what is known of its parts), and what is saved beside it
//
// The second pass of reductions that were split. A workgroup of {{ lanes }} joins the parts of one output: lane l takes parts
// l, l + {{ lanes }}, .., then a tree in workgroup memory joins the lanes. A fixed order.
//
// input ({{ terms }}, fields, outputs), output ({{ outputs }})
{% include "common/reduce_rows.wgsl" %}

@compute @workgroup_size({{ lanes }})
fn reduce_partials(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  run_of_terms(flat_group(workgroup), lane.x);
}
