// No fault: integer sums that every adapter gets right. Where this one is wrong or does not run, nothing that the others say counts.
//
// workgroups: 2
// input u32: 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160
// output u32: 11 22 33 44 55 66 77 88 99 110 121 132 143 154 165 176
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  output[id.x] = x[id.x] + id.x + 1u;
}
