// sum: output[o] = epilogue(sum over the summed dimensions of prologue(input))
//
// Output o and term t each have their own dimensions and strides in the input. A workgroup of {{ lanes }} adds
{% if parts > 1 %}
// one of {{ parts }} runs of terms of one output into partials[part, o]; a second pass adds the runs in order:
{% else %}
// the terms of one output:
{% endif %}
// lane l takes {{ "four terms at a time, fours" if vec4 else "terms" }} l, l + {{ lanes }}, .., then a tree in workgroup memory adds the lanes. A fixed order.
//
// input (strided), output ({{ outputs }}), {{ terms }} terms each
{% include "common/group.wgsl" %}
{% if vec4 %}
{% include "common/four.wgsl" %}
{% endif %}
{% include "common/chain.wgsl" %}

const TERMS = {{ terms }}u; {{ "// fours" if vec4 }}
const OUTPUTS = {{ outputs }}u;

@group(0) @binding(0) var<storage, read> input: array<{{ "Four" if vec4 else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

var<workgroup> lanes: array<f32, {{ lanes }}>;

@compute @workgroup_size({{ lanes }})
fn sum(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let o = group % OUTPUTS;
  let part = group / OUTPUTS;
  let base = {% for d in kept %}(o / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u + {% endfor %}{{ first_input }}u;
  let last = min((part + 1u) * {{ terms_per_part }}u, TERMS);
  var total = {{ "vec4<f32>()" if vec4 else "0.0" }};
  for (var t = part * {{ terms_per_part }}u + lane.x; t < last; t += {{ lanes }}u) {
    {% if vec4 %}
    let first = base{% for d in summed %} + (t * 4u / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u{% endfor %};
    total += prologue(four(input[first / 4u]), first / 4u);
    {% else %}
    let at = base{% for d in summed %} + (t / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u{% endfor %};
    total += prologue(input[at], at);
    {% endif %}
  }
  lanes[lane.x] = {{ "(total.x + total.y) + (total.z + total.w)" if vec4 else "total" }};
  workgroupBarrier();
{% for step in tree %}
  if (lane.x < {{ step }}u) { lanes[lane.x] += lanes[lane.x + {{ step }}u]; }
  workgroupBarrier();
{% endfor %}
  let to = {% for d in to %}(o / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u + {% endfor %}part * {{ all_outputs }}u + {{ first_output }}u;
  if (lane.x == 0u) { output[to] = epilogue(lanes[0], to); }
}
