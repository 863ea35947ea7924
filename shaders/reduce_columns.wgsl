// reduce_columns: output[c] = epilogue({{ name }} of prologue(input[r,c]) over the rows r), and what is saved beside it
//
// An invocation joins 4 neighbouring columns of one part of the rows in their order, a workgroup {{ lanes }} such runs of
// columns: neighbours read neighbours. {{ "It leaves what is known of each part; a second pass joins the parts in order." if parts > 1 else "One part is all rows." }}
//
// input ({{ rows }}, {{ columns }} vec4), {{ parts }} parts
{% set sizes = [4] %}
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/chain.wgsl" %}
{% include "common/reduce.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<Four>;
{% set n = 2 if reads_first else 1 %}
{% if reads_first %}
// The first row.
@group(0) @binding(1) var<storage, read> firsts: array<Four>;
{% endif %}
{% if parts > 1 %}
@group(0) @binding({{ n }}) var<storage, read_write> partials: array<vec4<u32>>;
{% else %}
@group(0) @binding({{ n }}) var<storage, read_write> output: array<{{ "vec4<u32>" if kind == "position" else "Four" }}>;
{% if saved > 0 %}
@group(0) @binding({{ n + 1 }}) var<storage, read_write> first_output: array<Four>;
{% endif %}
{% if saved > 1 %}
@group(0) @binding({{ n + 2 }}) var<storage, read_write> second_output: array<Four>;
{% endif %}
{% endif %}

@compute @workgroup_size({{ lanes }})
fn reduce_columns(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let part = group / {{ tiles }}u;
  let column = group % {{ tiles }}u * {{ lanes }}u + lane.x;
  if (column >= {{ width }}u) { return; }
  let last = min((part + 1u) * {{ rows_per_part }}u, {{ rows }}u);
  {% if reads_first %}
  let first = four(firsts[{{ first_of_row }}u + column]);
  {% endif %}
  var total = nothing4();
  for (var r = part * {{ rows_per_part }}u; r < last; r++) {
    let at = {{ first_input }}u + r * {{ columns }}u + column;
    let x = prologue(four(input[at]), at);
    total = joined4(total, known4(x{{ ", first" if reads_first }}{{ ", vec4<u32>(r + " ~ first_row ~ "u)" if kind == "position" }}));
  }
{% if parts > 1 %}
{% for field, type in fields %}
  partials[{{ first_output }}u + (part * {{ fields | length }}u + {{ loop.index0 }}u) * {{ columns }}u + column] = {{ "bitcast<vec4<u32>>(total." ~ field ~ ")" if type == "f32" else "total." ~ field }};
{% endfor %}
{% else %}
  let position = {{ first_output }}u + column;
  output[position] = {{ "result4(total)" if kind == "position" else "to_four(epilogue(result4(total), position))" }};
{% if saved > 0 %}
  first_output[position] = to_four(first_saved4(total));
{% endif %}
{% if saved > 1 %}
  second_output[position] = to_four(second_saved4(total));
{% endif %}
{% endif %}
}
