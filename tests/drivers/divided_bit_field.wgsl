// A bit field, divided: x / 4 % 8 / 2, written with u32 divisions by constants.
//
// FXC (d3dcompiler_47.dll, "Microsoft (R) HLSL Shader Compiler 10.1"), which wgpu uses for Direct3D 12 where no DXC is at hand,
// reads the field of 3 bits from bit 2 with one instruction, and divides it by 2 in moving its offset: `ubfe r0.x, l(3), l(3), x`,
// 3 bits from bit 3, where 2 bits are left. So bit 5 of x is in the result: 4 to 7 for x = 32 to 63, where 0 to 3 is right. The
// division by 4 gives `ubfe l(3), l(4)` likewise. `(x / 4 % 8) >> 1` gives the right `ubfe l(2), l(3)`, but `(x % 64 / 8) >> 1`
// is as wrong; `u32(i32(x / 4 % 8) >> 1)` is right in all forms. In HLSL:
//   RWByteAddressBuffer o : register(u0);
//   [numthreads(64, 1, 1)] void main(uint3 id : SV_DispatchThreadID) { o.Store(id.x * 4, id.x / 4u % 8u / 2u); }
// DXC gives what is right.
//
// workgroups: 2
// input u32: 0
// output u32: 0 x 8 1 x 8 2 x 8 3 x 8 0 x 8 1 x 8 2 x 8 3 x 8 0 x 8 1 x 8 2 x 8 3 x 8 0 x 8 1 x 8 2 x 8 3 x 8
// affected: dx12
@group(0) @binding(0) var<storage, read> unused: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  output[id.x] = id.x / 4u % 8u / 2u + unused[0];
}
