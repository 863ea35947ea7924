// A row of length LENGTH along one dimension, worked on by one workgroup of LANES invocations.
const LENGTH = {{ length }}u;
const INNER = {{ inner }}u;
const LANES = {{ lanes }}u;

var<workgroup> lanes: array<f32, {{ lanes }}>;

fn row_base(row: u32) -> u32 {
  return row / INNER * {{ length * inner }}u + row % INNER;
}

// The maximum over all lanes, in all lanes.
fn join_max(lane: u32, value: f32) -> f32 {
  lanes[lane] = value;
  workgroupBarrier();
{% for step in tree %}
  if (lane < {{ step }}u) { lanes[lane] = max(lanes[lane], lanes[lane + {{ step }}u]); }
  workgroupBarrier();
{% endfor %}
  let joined = lanes[0];
  workgroupBarrier();
  return joined;
}

// The sum over all lanes in a fixed order, in all lanes.
fn join_sum(lane: u32, value: f32) -> f32 {
  lanes[lane] = value;
  workgroupBarrier();
{% for step in tree %}
  if (lane < {{ step }}u) { lanes[lane] += lanes[lane + {{ step }}u]; }
  workgroupBarrier();
{% endfor %}
  let joined = lanes[0];
  workgroupBarrier();
  return joined;
}
