// argsort: output[o,m,i] = the position l of the element that comes {{ "m-th from the largest" if descending else "m-th" }} of input[o,:,i], equal ones in their order
//
// A workgroup of {{ lanes }} sorts one row in workgroup memory by K. E. Batcher's bitonic network, "Sorting networks and their
// applications", 1968. What is compared is a number whose order is that of the elements (NaN last, -0 as 0), then the position.
//
// input (O, {{ length }}, {{ inner }}), output (O, {{ k }}, {{ inner }}), u32
{% include "common/group.wgsl" %}
{% include "common/nan.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

// Order and position.
var<workgroup> row: array<vec2<u32>, {{ padded }}>;

fn order_of(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let whole = select(bits, 0u, (bits & 0x7fffffffu) == 0u);
  let ascending = whole ^ select(0x80000000u, 0xffffffffu, whole > 0x7fffffffu);
  let order = select(ascending, 0xffffffffu, is_nan(x));
  return {{ "~order" if descending else "order" }};
}

@compute @workgroup_size({{ lanes }})
fn argsort(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ rows }}u) { return; }
  let outer = group / {{ inner }}u;
  let inner = group % {{ inner }}u;
  let base = {{ first_input }}u + outer * {{ length * inner }}u + inner;
  for (var l = lane.x; l < {{ padded }}u; l += {{ lanes }}u) {
    // What fills up to a power of two comes behind all elements.
    let within = l < {{ length }}u;
    row[l] = vec2<u32>(select(0xffffffffu, order_of(input[base + select(0u, l, within) * {{ inner }}u]), within), l);
  }
  workgroupBarrier();
  for (var run = 2u; run <= {{ padded }}u; run *= 2u) {
    for (var apart = run / 2u; apart > 0u; apart /= 2u) {
      for (var pair = lane.x; pair < {{ padded // 2 }}u; pair += {{ lanes }}u) {
        let first = 2u * pair - (pair & (apart - 1u));
        let a = row[first];
        let b = row[first + apart];
        let before = (b.x < a.x) | ((b.x == a.x) & (b.y < a.y));
        if (before == ((first & run) == 0u)) {
          row[first] = b;
          row[first + apart] = a;
        }
      }
      workgroupBarrier();
    }
  }
  let to = {{ first_output }}u + outer * {{ k * inner }}u + inner;
  for (var m = lane.x; m < {{ k }}u; m += {{ lanes }}u) { output[to + m * {{ inner }}u] = row[m].y; }
}
