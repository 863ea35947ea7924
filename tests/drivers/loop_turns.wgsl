// Loops of an invocation that turn more than 65,535 times.
//
// llvmpipe and lavapipe up to Mesa 24 end all loops of an invocation after 65,535 turns, without an error: gallivm's limit
// against programs that hang, LP_MAX_TGSI_LOOP_ITERATIONS. Each of the 8 outputs there is 65535 or less. WGSL has no such limit.
// wgrad counts the turns that an adapter takes when it is opened, and cuts longer loops into several launches.
//
// workgroups: 1
// input u32: 100000
// output u32: 100000 x 8
// affected: Mesa 22.3
@group(0) @binding(0) var<storage, read> turns: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32) {
  var count = 0u;
  for (var i = 0u; i < turns[0]; i++) { count += 1u; }
  output[lane] = count;
}
