// saxpy: y[i] = a x[i] + y[i]; an element an invocation, 64 a workgroup
//
// factor (1), x (n), y (n)
@group(0) @binding(0) var<uniform> factor: vec4<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn saxpy(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i < arrayLength(&x)) { y[i] = fma(factor.x, x[i], y[i]); }
}
