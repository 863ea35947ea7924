// scan: sums[i] = input[0] + .. + input[i], by one workgroup of 16 invocations (Hillis and Steele's method)
//
// input (16), sums (16)
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

var<workgroup> part: array<u32, 16>;

@compute @workgroup_size(16)
fn scan(@builtin(local_invocation_index) i: u32) {
  part[i] = input[i];
  for (var step = 1u; step < 16u; step <<= 1u) {
    workgroupBarrier();
    let below = select(0u, part[max(i, step) - step], i >= step);
    workgroupBarrier();
    part[i] += below;
  }
  sums[i] = part[i];
}
