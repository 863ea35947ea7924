// The flat number of this workgroup in a grid that is folded into two dimensions where it is long.
fn flat_group(workgroup: vec3<u32>) -> u32 {
{% if groups > grid_x %}
  return workgroup.x + workgroup.y * {{ grid_x }}u;
{% else %}
  return workgroup.x;
{% endif %}
}
