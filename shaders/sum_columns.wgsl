// sum_columns: partials[p,c] = epilogue(sum of prologue(input[r,c]) over the rows r of part p, in their order)
//
// An invocation adds 4 neighbouring columns of one part, a workgroup {{ lanes }} such runs of columns: neighbours read
// neighbours. {{ "A second pass adds the parts in order." if parts > 1 else "One part is the sum." }}
//
// input ({{ rows }}, {{ columns }} vec4), partials ({{ parts }}, {{ columns }} vec4)
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/chain.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<Four>;
@group(0) @binding(1) var<storage, read_write> output: array<Four>;

@compute @workgroup_size({{ lanes }})
fn sum_columns(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let part = group / {{ tiles }}u;
  let column = group % {{ tiles }}u * {{ lanes }}u + lane.x;
  if (column >= {{ width }}u) { return; }
  let last = min((part + 1u) * {{ rows_per_part }}u, {{ rows }}u);
  var total = vec4<f32>();
  for (var r = part * {{ rows_per_part }}u; r < last; r++) {
    let at = {{ first_input }}u + r * {{ columns }}u + column;
    total += prologue(four(input[at]), at);
  }
  let at = {{ first_output }}u + part * {{ columns }}u + column;
  output[at] = to_four(epilogue(total, at));
}
