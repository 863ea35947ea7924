// conv2d_direct_weight: grad_weight[k,c,r,s] = sum_n,i,j grad_output[n,k,i,j] input[n,c + k / {{ rows }} * {{ terms }},i*s+r*d-p,..]
//
// For groups of few source and target channels: a workgroup owns one source channel of a group. The pixels of the target are cut into pieces of {{ tall }} lines
// by {{ many }} columns; an invocation takes every {{ lanes }}th piece of one of {{ parts }} parts of a group's pieces and adds
// up the weights of all taps, each line loaded once, {{ unit }} pixels at a time. Then the workgroup adds its
// invocations in order{{ ", and a second pass the parts" if parts > 1 }}: no atomics, the same bits every time.
//
// grad_output (N, {{ rows * blocks }}, {{ target_h }}, {{ target_w }}), input (N, {{ blocks * terms }}, {{ source_h }}, {{ source_w }}), partials ({{ parts }}, {{ rows * blocks }}, {{ terms }}, {{ kernel_h }}, {{ kernel_w }})
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% include "common/pair.wgsl" %}
{% from "common/units.wgsl" import type, load, number, zero %}
{% set vector = "f32" if many == 1 else "vec" ~ many ~ "<f32>" %}

const BLOCKS = {{ blocks }}u;       // groups
const TERMS = {{ terms }}u;        // source channels of a group
const TAPS = {{ kernel_h * kernel_w }}u;
const RUNS = {{ runs }}u;         // of a line
const STRIPS = {{ strips }}u;       // of an image, {{ tall }} lines each
const PIECES = {{ pieces }}u;       // of a group
const WIDTH = {{ source_w // unit }};        // of a source line, in elements of the binding
const WEIGHTS = {{ weights }}u;      // of a source channel

@group(0) @binding(0) var<storage, read> grad_output: array<{{ type(many) }}>;
@group(0) @binding(1) var<storage, read> source: array<{{ type(unit) }}>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

var<workgroup> sums: array<f32, {{ weights * lanes }}>;

@compute @workgroup_size({{ lanes }})
fn conv2d_direct_weight(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let source_channel = group % (BLOCKS * TERMS);
  let block = source_channel / TERMS;
  let part = group / (BLOCKS * TERMS);
  {% for i in range(rows) %}
  {% for r in range(kernel_h) %}
  {% for s in range(kernel_w) %}
  var w{{ i }}_{{ r }}_{{ s }} = {{ vector }}();
  {% endfor %}
  {% endfor %}
  {% endfor %}
  let last = min((part + 1u) * {{ pieces_per_part }}u, PIECES);
  for (var piece = part * {{ pieces_per_part }}u + lane.x; piece < last; piece += {{ lanes }}u) {
    let strip = piece / RUNS % STRIPS;
    let image = piece / (RUNS * STRIPS);
    let y = i32(strip) * {{ tall * stride_h }};
    let x = i32(piece % RUNS) * {{ step }}; // in elements of the binding
    let plane = i32((image * BLOCKS * TERMS + source_channel) * {{ source_h }}u) * WIDTH + x;
    {% for i in range(rows) %}
    let errors{{ i }} = ((image * BLOCKS + block) * {{ rows }}u + {{ i }}u) * {{ target_h }}u * RUNS + piece % RUNS;
    {% for t in range(tall) %}
    let e{{ i }}_{{ t }} = {{ load("grad_output[errors" ~ i ~ " + (strip * " ~ tall ~ "u + " ~ t ~ "u) * RUNS]", many) }};
    {% endfor %}
    {% endfor %}
{% include "common/conv2d_lines.wgsl" %}
  }
  {% for i in range(rows) %}
  {% for r in range(kernel_h) %}
  {% for s in range(kernel_w) %}
  {% set w = "w" ~ i ~ "_" ~ r ~ "_" ~ s %}
  sums[lane.x * WEIGHTS + {{ (i * kernel_h + r) * kernel_w + s }}u] = {{ w if many == 1 else w ~ ".x + " ~ w ~ ".y" if many == 2 else "(" ~ w ~ ".x + " ~ w ~ ".y) + (" ~ w ~ ".z + " ~ w ~ ".w)" }};
  {% endfor %}
  {% endfor %}
  {% endfor %}
  workgroupBarrier();
  for (var i = lane.x; i < WEIGHTS; i += {{ lanes }}u) {
    var total = 0.0;
    for (var l = 0u; l < {{ lanes }}u; l++) { total += sums[l * WEIGHTS + i]; }
    let target_channel = block * {{ rows }}u + i / TAPS;
    partials[({{ first_part }}u + part) * (BLOCKS * TERMS * WEIGHTS) + (target_channel * TERMS + source_channel % TERMS) * TAPS + i % TAPS] = total;
  }
}
