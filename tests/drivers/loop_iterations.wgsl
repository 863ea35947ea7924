// Loops of an invocation with more than 65,535 iterations.
//
// llvmpipe and lavapipe of Mesa 22.3.6 end all loops of an invocation after 65,535 iterations, without an error: each of the 8
// outputs is less than 65,536. Those of Mesa 25.0.7 and 26.2.6 are right. WGSL has no such limit.
// wgrad counts the iterations that an adapter takes when it is opened, and divides longer loops into several launches.
//
// workgroups: 1
// input u32: 100000
// output u32: 100000 x 8
// affected: Mesa 22.3
@group(0) @binding(0) var<storage, read> iterations: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32) {
  var count = 0u;
  for (var i = 0u; i < iterations[0]; i++) { count += 1u; }
  output[lane] = count;
}
