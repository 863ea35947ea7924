// The flat number of this workgroup in a grid folded into two dimensions.
fn flat_group(workgroup: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * {{ grid_x }}u;
}
const GROUPS = {{ groups }}u;
