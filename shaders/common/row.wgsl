// A row of length LENGTH along one dimension, worked on by {{ "one workgroup of LANES invocations" if lanes > 1 else "one invocation" }}.
const LENGTH = {{ length }}u;
const INNER = {{ inner }}u;
const LANES = {{ lanes }}u;

{% if lanes > 1 %}
var<workgroup> lanes: array<f32, {{ lanes }}>;
{% endif %}

// The row of an invocation, and its position among those that work on it.
fn row_of(group: u32, lane: u32) -> u32 { return {{ "group" if lanes > 1 else "group * " ~ rows ~ "u + lane" }}; }
fn lane_of(lane: u32) -> u32 { return {{ "lane" if lanes > 1 else "0u" }}; }

fn row_base(row: u32) -> u32 {
  return {{ first_element }}u + row / INNER * {{ length * inner }}u + row % INNER;
}

// A NaN counts as inf: a row that has either is NaN throughout.
fn nan_as_inf(x: f32) -> f32 {
  return select(x, bitcast<f32>(bitcast<u32>(x) & 0x7f800000u), is_nan(x));
}

// What was computed of a row whose maximum is finite, else NaN.
fn nan_unless_finite(value: f32, highest: f32) -> f32 {
  let bits = bitcast<u32>(highest);
  return select(value, nan_from(bits), (bits & 0x7f800000u) == 0x7f800000u);
}

// The maximum over all lanes, in all lanes; none is NaN.
fn join_max(lane: u32, value: f32) -> f32 {
{% if lanes == 1 %}
  return value;
{% else %}
  lanes[lane] = value;
  workgroupBarrier();
{% for step in tree %}
  if (lane < {{ step }}u) { lanes[lane] = max(lanes[lane], lanes[lane + {{ step }}u]); }
  workgroupBarrier();
{% endfor %}
  let joined = lanes[0];
  workgroupBarrier();
  return joined;
{% endif %}
}

// The sum over all lanes in a fixed order, in all lanes.
fn join_sum(lane: u32, value: f32) -> f32 {
{% if lanes == 1 %}
  return value;
{% else %}
  lanes[lane] = value;
  workgroupBarrier();
{% for step in tree %}
  if (lane < {{ step }}u) { lanes[lane] += lanes[lane + {{ step }}u]; }
  workgroupBarrier();
{% endfor %}
  let joined = lanes[0];
  workgroupBarrier();
  return joined;
{% endif %}
}
