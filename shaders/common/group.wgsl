// The flat number of this workgroup in a grid that is folded into two dimensions where it is long. A launch that would take too
// long for a watchdog is several (src/plan/divide.rs), which begin at other groups.
const FIRST_GROUP = 0u;

fn flat_group(workgroup: vec3<u32>) -> u32 {
{% if groups > grid_x %}
  return FIRST_GROUP + workgroup.x + workgroup.y * {{ grid_x }}u;
{% else %}
  return FIRST_GROUP + workgroup.x;
{% endif %}
}
