// count_turns: counted[g] = the loop iterations that an invocation of workgroup g really takes, and a number that depends on all
//
// Drivers may end loops without a word. Workgroup 0 has one loop, workgroup 1 two nested ones with as many iterations in
// all. An iteration makes a number from the one before, so that no compiler can do without the loop. How
// far the loops go comes from memory, so that none is unrolled. the iteration in which a loop ends counts too.
//
// wanted (2): iterations, inner iterations; counted (2, 2): iterations, number
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> wanted: array<u32>;
@group(0) @binding(1) var<storage, read_write> counted: array<u32>;

fn next(x: u32) -> u32 { return x * 1664525u + 1013904223u; }

@compute @workgroup_size(64)
fn count_turns(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  var x = lane.x;
  var iterations = 0u;
  let inner = select(0u, wanted[1], group == 1u);
  // Each outer iteration is one, and the end of the inner loop another: workgroup 0 has no inner iterations.
  for (var i = 0u; i < wanted[0]; i += 2u + inner) {
    x = next(x);
    iterations += 2u;
    for (var j = 0u; j < inner; j++) {
      x = next(x);
      iterations++;
    }
  }
  if (lane.x == 0u) {
    counted[group * 2u] = iterations;
    counted[group * 2u + 1u] = x;
  }
}
