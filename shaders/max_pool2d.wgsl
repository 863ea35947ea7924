// max_pool2d: output[p,i,j] = max over taps of input[p, i*s + a*d - pad, ..], indices = h * W + w of the winner
//
// An invocation computes {{ many }} outputs side by side of a plane p = (n, c), a workgroup 64 times as many. The first
// tap inside the input begins, only a larger one takes over: ties go to the first. A NaN takes over from all.
{% if unroll %}
//
// The taps of a row are loaded {{ unit }} at a time, each once for all {{ many }} outputs.
{% elif carried or not done %}
// Taps {{ outer_first }} to {{ outer_last }} by {{ inner_first }} to {{ inner_last }}{{ ", after those before" if carried }}.
{% endif %}
//
// input ({{ planes }}, {{ h }}, {{ w }}), output and indices ({{ planes }}, {{ oh }}, {{ ow }})
{% include "common/group.wgsl" %}
{% include "common/nan.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% from "common/units.wgsl" import type, type_u32, load, load_u32, store, store_u32, number %}

@group(0) @binding(0) var<storage, read> input: array<{{ type(unit) }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ type(many) }}>;
@group(0) @binding(2) var<storage, read_write> indices: array<{{ type_u32(many, wide) }}>;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn max_pool2d(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ planes * oh * runs }}u) { return; }
  let plane = at / {{ oh * runs }}u * {{ h * w // unit }}u;
  let y = i32(at / {{ runs }}u % {{ oh }}u) * {{ stride_h }};
{% if unroll %}
  // In elements of the binding.
  let x = i32(at % {{ runs }}u) * {{ step }};
  {% for q in range(many) %}
  var best{{ q }} = 0.0;
  var index{{ q }} = NONE;
  {% endfor %}
  {% for row in rows %}
  {% set first = loop.first %}
  {
    let iy = y + {{ row.at }};
    {% for u in columns %}
    {% set m = loop.index0 %}
    {% if row.outside or u.outside %}
    let inside{{ m }} = {{ "(u32(iy) < " ~ h ~ "u)" if row.outside }}{{ " & " if row.outside and u.outside }}{{ "(u32(x + " ~ u.at ~ ") < " ~ w // unit ~ "u)" if u.outside }};
    let loaded{{ m }} = {{ load("input[select(0u, plane + u32(iy * " ~ w // unit ~ " + x + " ~ u.at ~ "), inside" ~ m ~ ")]", unit) }};
    {% else %}
    let loaded{{ m }} = {{ load("input[plane + u32(iy * " ~ w // unit ~ " + x + " ~ u.at ~ ")]", unit) }};
    {% endif %}
    {% endfor %}
    {% for taps in outputs %}
    {% set q = loop.index0 %}
    {% for tap in taps %}
    {
      let value = {{ number("loaded" ~ tap.element, unit, tap.part) }};
      let here = u32(iy * {{ w }} + x * {{ unit }} + {{ tap.at }});
      {% set checked = row.outside or columns[tap.element].outside %}
      {% if first and loop.first and not checked %}
      best{{ q }} = value;
      index{{ q }} = here;
      {% else %}
      let larger = {{ "" if begins[q] else "(index" ~ q ~ " == NONE) | " }}is_nan(value) | (value > best{{ q }});
      let wins = {{ "inside" ~ tap.element ~ " & (larger)" if checked else "larger" }};
      best{{ q }} = select(best{{ q }}, value, wins);
      index{{ q }} = select(index{{ q }}, here, wins);
      {% endif %}
    }
    {% endfor %}
    {% endfor %}
  }
  {% endfor %}
  output[at] = {{ store("best", many) }};
  indices[at] = {{ store_u32("index", many, wide) }};
{% else %}
  let x = i32(at % {{ runs }}u) * {{ stride_w }} - {{ pad_left }};
  var best = {{ "output[at]" if carried else "0.0" }};
  var index = {{ "indices[at]" if carried else "NONE" }};
  for (var a = {{ outer_first }}; a < {{ outer_last }}; a++) {
    for (var b = {{ inner_first }}; b < {{ inner_last }}; b++) {
      let iy = y - {{ pad_top }} + a * {{ dilation_h }};
      let ix = x + b * {{ dilation_w }};
      let ok = (u32(iy) < {{ h }}u) & (u32(ix) < {{ w }}u);
      let here = select(0u, u32(iy) * {{ w }}u + u32(ix), ok);
      let value = input[plane + here];
      let wins = ok & ((index == NONE) | is_nan(value) | (value > best));
      best = select(best, value, wins);
      index = select(index, here, wins);
    }
  }
  output[at] = best;
  indices[at] = index;
{% endif %}
}
