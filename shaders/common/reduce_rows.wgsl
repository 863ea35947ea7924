// The terms of outputs, or what is known of parts of them, joined by the lanes of workgroups: see reduce.wgsl.
{% set sizes = [1, 4] if vec4 else [1] %}
{% set size = 4 if vec4 else 1 %}
{% include "common/group.wgsl" %}
{% if vec4 %}
{% include "common/four.wgsl" %}
{% endif %}
{% include "common/chain.wgsl" %}
{% include "common/reduce.wgsl" %}

const TERMS = {{ terms }}u; {{ "// fours" if vec4 }}
const OUTPUTS = {{ outputs }}u;

@group(0) @binding(0) var<storage, read> input: array<{{ "u32" if second else "Four" if vec4 else "f32" }}>;
{% set n = 2 if reads_first and not second else 1 %}
{% if reads_first and not second %}
// Each row's first element.
@group(0) @binding(1) var<storage, read> firsts: array<f32>;
{% endif %}
{% if partial %}
@group(0) @binding({{ n }}) var<storage, read_write> partials: array<u32>;
{% else %}
@group(0) @binding({{ n }}) var<storage, read_write> output: array<{{ "u32" if kind == "position" else "f32" }}>;
{% if saved > 0 %}
@group(0) @binding({{ n + 1 }}) var<storage, read_write> first_output: array<f32>;
{% endif %}
{% if saved > 1 %}
@group(0) @binding({{ n + 2 }}) var<storage, read_write> second_output: array<f32>;
{% endif %}
{% endif %}

var<workgroup> lanes: array<Known1, {{ lanes }}>;

// One run of terms of one output, by all lanes of a workgroup.
fn run_of_terms(group: u32, lane: u32) {
  if (group >= {{ groups }}u) { return; }
  let o = group % OUTPUTS;
  let part = group / OUTPUTS;
  let base = {% for d in kept %}(o / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u + {% endfor %}{{ first_input }}u;
  {% if reads_first and not second %}
  let first = firsts[{% for d in kept %}(o / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u + {% endfor %}{{ first_of_row }}u];
  {% endif %}
  let last = min((part + 1u) * {{ terms_per_part }}u, TERMS);
  var total = nothing{{ size }}();
  for (var t = part * {{ terms_per_part }}u + lane; t < last; t += {{ lanes }}u) {
    {% if vec4 %}
    let at = base{% for d in summed %} + (t * 4u / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u{% endfor %};
    let x = prologue(four(input[at / 4u]), at / 4u);
    {% else %}
    let at = base{% for d in summed %} + (t / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u{% endfor %};
    {% if not second %}
    let x = prologue(input[at], at);
    {% endif %}
    {% endif %}
    {% if second %}
    let next = Known1({% for field, type in fields %}{{ "bitcast<f32>(" if type == "f32" }}input[at + {{ loop.index0 * all_outputs }}u]{{ ")" if type == "f32" }}{{ ", " if not loop.last }}{% endfor %});
    {% elif kind == "position" %}
    let next = known{{ size }}(x, {{ "vec4<u32>(t * 4u) + vec4<u32>(0u, 1u, 2u, 3u) + vec4<u32>(" if vec4 else "t + (" }}{{ first_term }}u));
    {% elif reads_first %}
    let next = known{{ size }}(x, {{ "vec4<f32>(first)" if vec4 else "first" }});
    {% else %}
    let next = known{{ size }}(x);
    {% endif %}
    total = joined{{ size }}(total, next);
  }
  {% if vec4 %}
  {% for q in range(4) %}
  let own{{ q }} = Known1({% for field, type in fields %}total.{{ field }}[{{ q }}]{{ ", " if not loop.last }}{% endfor %});
  {% endfor %}
  lanes[lane] = joined1(joined1(own0, own1), joined1(own2, own3));
  {% else %}
  lanes[lane] = total;
  {% endif %}
  workgroupBarrier();
{% for step in tree %}
  if (lane < {{ step }}u) { lanes[lane] = joined1(lanes[lane], lanes[lane + {{ step }}u]); }
  workgroupBarrier();
{% endfor %}
  if (lane > 0u) { return; }
  let all = lanes[0];
  let position = {% for d in to %}(o / {{ d.div }}u % {{ d.size }}u) * {{ d.stride }}u + {% endfor %}{{ first_output }}u;
{% if partial %}
{% for field, type in fields %}
  partials[position + (part * {{ fields | length }}u + {{ loop.index0 }}u) * {{ all_outputs }}u] = {{ "bitcast<u32>(all." ~ field ~ ")" if type == "f32" else "all." ~ field }};
{% endfor %}
{% else %}
  output[position] = {{ "result1(all)" if kind == "position" else "epilogue(result1(all), position)" }};
{% if saved > 0 %}
  first_output[position] = first_saved1(all);
{% endif %}
{% if saved > 1 %}
  second_output[position] = second_saved1(all);
{% endif %}
{% endif %}
}
