// embedding_sort: {{ "neighbouring runs of " ~ run ~ " sorted (index, position) become one" if merge else "the positions of " ~ run ~ " indices in the order of the indices, equal ones in their own order" }}
//
{% if merge %}
// An invocation finds where its pair goes: behind those before it in its own run, and behind those of the other run that
// are smaller, or as large where the other run comes first.
{% else %}
// An invocation counts the indices of its run that come before its own.
{% endif %}
//
// {{ "runs" if merge else "indices" }} ({{ count }}), sorted ({{ count }} pairs of an index and its position)
{% include "common/group.wgsl" %}

const COUNT = {{ count }}u;
const RUN = {{ run }}u;

@group(0) @binding(0) var<storage, read> {{ "runs: array<vec2<u32>>" if merge else "indices: array<u32>" }};
@group(0) @binding(1) var<storage, read_write> sorted: array<vec2<u32>>;
{% if not merge and checked %}
// The first index that the table lacks.
@group(0) @binding(2) var<storage, read_write> bad_row: atomic<u32>;
{% endif %}

@compute @workgroup_size(64)
fn embedding_sort(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let n = flat_group(workgroup) * 64u + lane.x;
  if (n >= COUNT) { return; }
  let run = n / RUN;
  {% if merge %}
  let own = runs[n];
  let second = run % 2u == 1u;
  let other = select(run + 1u, run - 1u, second) * RUN;
  let begin = min(other, COUNT);
  var low = begin;
  var high = min(other + RUN, COUNT);
  while (low < high) {
    let middle = (low + high) / 2u;
    let value = runs[middle].x;
    if (value < own.x || (second && value == own.x)) { low = middle + 1u; } else { high = middle; }
  }
  sorted[run / 2u * 2u * RUN + n % RUN + low - begin] = own;
  {% else %}
  let index = indices[n];
  {% if checked %}
  if (index >= {{ rows }}u) { atomicMin(&bad_row, n); }
  {% endif %}
  var to = run * RUN;
  for (var other = run * RUN; other < min((run + 1u) * RUN, COUNT); other++) {
    let value = indices[other];
    to += select(0u, 1u, value < index || (value == index && other < n));
  }
  sorted[to] = vec2<u32>(index, n);
  {% endif %}
}
