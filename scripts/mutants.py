#!/usr/bin/env python3
"""Seeds one bug at a time and reports which check finds it: the proof that the suite catches bugs.

    scripts/mutants.py [NAME..]     all, or those whose name contains one of the words; writes tests/MUTANTS.md
    scripts/mutants.py --new        those that neither the report nor an earlier run knows

Each mutant is a text replaced once in a file of a copy of this tree (target/mutants); the copy shares the build
folder, so that only this crate is compiled again. Shaders are read when a process starts (feature `live-shaders`),
from a copy of their own, so that all bugs in them run, first, with one build. Bugs of kernels are run through `wgrad parity OP.. --quick`
(tier in the report: exact, bound, norm, repeat, canaries), or with every variant where the bug hides in one that
the planner does not choose; bugs of gradient rules and of the reference, which a device and the reference share,
through PyTorch's results (`--test fixtures`) or finite differences (`--test gradients`); bugs of fusion through
`--test fusion`; those of a pass that leaves the results alone where it does nothing through its own tests (`--lib`).
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "target" / "mutants"
# What WGRAD_SHADERS names: beside the copy, where cargo does not look for changes.
SHADERS = ROOT / "target" / "mutants-shaders"
FEATURES = ["--features", "cli,live-shaders"]
RESULTS = ROOT / "target" / "mutants.json"
REPORT = ROOT / "tests" / "MUTANTS.md"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# name, file, text, replacement, check
MUTANTS = [
    ("conv2d: last tap dropped", "shaders/conv2d.wgsl", "tap < {{ outer_last }}u; tap++", "tap < {{ outer_last - 1 if outer_last > 1 else 1 }}u; tap++", "parity conv2d"),
    ("conv2d: pads swapped", "shaders/conv2d.wgsl", "+ r - {{ pad_top }};", "+ r - {{ pad_left }};", "parity conv2d"),
    ("conv2d: stride on the wrong axis", "shaders/conv2d.wgsl", "x{{ q }} * {{ stride_w }} + s", "x{{ q }} * {{ stride_h }} + s", "parity conv2d"),
    ("conv2d: dilation ignored", "shaders/conv2d.wgsl", "i32(tap / TAPS_W) * {{ dilation_h }}", "i32(tap / TAPS_W)", "parity conv2d"),
    ("conv2d: bias missing", "shaders/conv2d.wgsl", "vec4<f32>(bias[block * ROWS + row{{ i }}])", "vec4<f32>(bias[0] * 0.0)", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=integers:3'"),
    ("conv2d: bias of the first group for all", "shaders/conv2d.wgsl", "let first{{ g }} = bias[block * ROWS + row{{ g }}];", "let first{{ g }} = bias[row{{ g }}];", "parity conv2d"),
    ("conv2d: group offset missing", "shaders/conv2d.wgsl", " + block * SOURCE_BLOCK;", ";", "parity conv2d"),
    ("conv2d: channel tail dropped", "shaders/conv2d.wgsl", "{% if end > whole %}", "{% if end > whole and terms < 4 %}", "parity conv2d"),
    ("conv2d: row bound off by one", "shaders/conv2d.wgsl", "if (row + {{ i }}u < ROWS) {", "if (row + {{ i }}u < ROWS - 1u) {", "parity conv2d"),
    ("conv2d: column bound off by one", "shaders/conv2d.wgsl", "    if (column + {{ q }}u < COLUMNS) {", "    if (column + {{ q }}u + 1u < COLUMNS) {", "parity conv2d"),
    ("phases: pixels stored without their phase", "shaders/conv2d.wgsl", "u32(horizontal.x + x{{ q }} * {{ stride_w }})", "u32(x{{ q }} * {{ stride_w }})", "parity conv2d"),
    ("phases: every tap reads as the first one", "shaders/conv2d.wgsl", "vec2<i32>(vertical.w, horizontal.w) - vec2<i32>(next) * BACK", "vec2<i32>(vertical.w, horizontal.w)", "parity conv2d"),
    ("phases: pixels behind the end of the image stored", "shaders/conv2d.wgsl", " & (tx{{ q }} < {{ target_w }}u);", ";", "parity conv2d"),
    ("phases: taps of all phases begin with the first", "src/kernels/phases.rs", ".find(|tap| tap * dilation % stride == p)", ".find(|tap| tap * dilation % stride == p || *tap == 0)", "parity conv2d"),
    ("conv2d: padding reads instead of zeros", "shaders/common/conv2d_terms.wgsl", "select(0.0, source[from{{ q }} + (c + {{ j }}u) * step{{ q }}], ok{{ q }})", "source[from{{ q }} + (c + {{ j }}u) * step{{ q }}]", "parity conv2d"),
    ("conv2d: wrong lane of the shuffle", "shaders/common/conv2d_terms.wgsl", "~ i % lanes ~ \"u)\" %}", "~ (i + 1) % lanes ~ \"u)\" %}", "parity conv2d"),
    ("conv2d: = for += without shuffles", "shaders/common/conv2d_terms.wgsl", "s{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}_{{ j }}), b{{ j }}_{{ v }}, s{{ i }}_{{ v }});", "s{{ i }}_{{ v }} = {{ 'fma(' if shuffle else '' }}vec4<f32>(a{{ i }}_{{ j }}){{ ',' if shuffle else '*' }} b{{ j }}_{{ v }}{{ ', s' ~ i ~ '_' ~ v ~ ')' if shuffle else '' }};", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 stride=2 padding=1 data=integers:3'"),
    ("conv2d: products rounded to 11 bits", "shaders/common/conv2d_terms.wgsl", "s{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}_{{ j }}), b{{ j }}_{{ v }}, s{{ i }}_{{ v }});", "s{{ i }}_{{ v }} = bitcast<vec4<f32>>(bitcast<vec4<u32>>(fma(vec4<f32>(a{{ i }}_{{ j }}), b{{ j }}_{{ v }}, s{{ i }}_{{ v }})) & vec4<u32>(0xffffe000u));", "parity conv2d"),
    ("conv2d: group offset missing, channels last", "shaders/conv2d.wgsl", "u + block * QUARTERS, ok{{ q }})", "u, ok{{ q }})", "parity conv2d"),
    ("conv2d: weights of the first group, channels last", "shaders/conv2d.wgsl", "((block * TAPS + tap) * ROWS + row{{ g }}) * QUARTERS", "(tap * ROWS + row{{ g }}) * QUARTERS", "parity conv2d"),
    ("conv2d: wrong lane of the shuffle, channels last", "shaders/common/conv2d_products.wgsl", "{{ i % lanes }}u);", "{{ (i + 1) % lanes }}u);", "parity conv2d"),
    ("channels last: no zeros behind the last channel", "shaders/channels_last.wgsl", "let c{{ j }} = select({{ nothing }}, ", "let c{{ j }} = select({{ 'vec4<f32>(1.0)' if run == 4 else '1.0' }}, ", "parity conv2d"),
    ("channels last: four pixels in reverse", "shaders/channels_last.wgsl", "{{ \"[\" ~ p ~ \"]\" if run == 4 }}", "{{ \"[\" ~ (3 - p) ~ \"]\" if run == 4 }}", "parity conv2d"),
    ("channels last: no zeros for taps outside the image", "shaders/channels_last.wgsl", "if (at < {{ elements // run }}u + QUARTERS) { packed[at + {{ elements - elements // run }}u] = to_four(vec4<f32>()); }", "", "parity conv2d"),
    ("channels last: weights taken as they lie", "src/kernels/channels_last.rs", "channels == 4 * self.quarters() && !self.zeros && (0..4).all(same)", "channels == 4 * self.quarters() && !self.zeros", "parity conv2d"),
    ("pointwise: gradient of the weight as it lies", "src/kernels/pointwise.rs", "MatMul { trans_a: backward, ..MatMul::default() }", "MatMul { trans_a: backward && g.k != g.c, ..MatMul::default() }", "parity --case 'conv2d input=2x8x8x8 weight=8x8x1x1 data=integers:3'"),
    ("spread: lines between are not zero", "shaders/conv2d_spread.wgsl", "let whole = y % {{ stride_h }}u == 0u;", "let whole = true;", "parity conv2d"),
    ("spread: pairs swapped", "shaders/conv2d_spread.wgsl", "vec4<f32>(two.x, 0.0, two.y, 0.0)", "vec4<f32>(two.y, 0.0, two.x, 0.0)", "parity conv2d"),
    ("spread: columns between are not zero", "shaders/conv2d_spread.wgsl", "if (whole & ((x + {{ q }}u) % {{ stride_w }}u == 0u))", "if (whole)", "parity conv2d"),
    ("wide loads: words swapped", "shaders/common/four.wgsl", "u32(words.y), u32(words.y >> 32u)", "u32(words.y >> 32u), u32(words.y)", "parity matmul"),
    ("weight gradient: four pixels of one line", "shaders/conv2d_backward_weight.wgsl", "i32((pixel + {{ j }}u) / OW)", "i32(pixel / OW)", "parity conv2d"),
    ("weight gradient: last pixels of a run dropped", "shaders/conv2d_backward_weight.wgsl", "turn < last; turn++", "turn + 1u < last; turn++", "parity conv2d"),
    ("weight gradient: the first image's error for all", "shaders/conv2d_backward_weight.wgsl", "(image * {{ output_channels }}u + channel{{ g }})", "(channel{{ g }})", "parity conv2d"),
    ("weight gradient: padding on the wrong axis", "shaders/conv2d_backward_weight.wgsl", "* {{ dilation_w }} - {{ pad_left }}", "* {{ dilation_w }} - {{ pad_top }}", "parity conv2d"),
    ("weight gradient: split offset missing", "shaders/conv2d_backward_weight.wgsl", "((({{ first_partial }}u + split) * BLOCKS", "(({{ first_partial }}u) * BLOCKS", "parity conv2d"),
    ("weight gradient: first partial of a later part", "src/kernels/conv2d.rs", "partials += splits;", "partials += splits.min(1);", "parity-full conv2d"),
    ("conv2d: part of a split batch binds the wrong images", "src/kernels/conv2d.rs", "binding.range(first as u64 * bytes(image), images as u64 * bytes(image))", "binding.range(0 * first as u64, images as u64 * bytes(image))", "parity-full conv2d"),
    ("winograd: padding reads instead of zeros", "shaders/winograd_input.wgsl", "select({{ zero(unit) }}, {{ load(\"source[from\" ~ r ~ \"_\" ~ p ~ \"_\" ~ q ~ \"]\", unit) }}, ok{{ r }}_{{ p }}_{{ q }})", "{{ load(\"source[from\" ~ r ~ \"_\" ~ p ~ \"_\" ~ q ~ \"]\", unit) }}", "parity-full --case 'conv2d input=2x4x6x6 weight=5x4x3x3 bias padding=1 data=integers:3'"),
    ("winograd: odd lines begin at the wrong pixel", "shaders/winograd_input.wgsl", "select(0u, line{{ r }}_{{ q }} + {{ p * unit }}u, ok{{ r }}_{{ p }}_{{ q }})", "select(0u, line{{ r }}_{{ q }} + {{ [p * unit, 1] | max }}u, ok{{ r }}_{{ p }}_{{ q }})", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=real:1'"),
    ("winograd: taps of the input gradient not reversed", "shaders/winograd_weight.wgsl", "8 - (3 * r + s) if backward else 3 * r + s", "3 * r + s", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=integers:3'"),
    ("winograd: write behind the last line", "shaders/winograd_output.wgsl", "    if (y + {{ i }}u < {{ target_h }}u) {", "    if (y + {{ i }}u < {{ target_h }}u + 1u) {", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=integers:3'"),
    ("winograd: a point in its fourth digit", "src/kernels/winograd_transforms.rs", "_ => format!(\"{} * \", literal(v as f32)),", "_ => format!(\"{} * \", literal(v as f32 * 1.0001)),", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=real:1'"),
    ("winograd gradient: tiles behind the last are not zero", "shaders/winograd_error.wgsl", "let inside = tile < {{ tiles }}u;", "let inside = true;", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=integers:3'"),
    ("winograd gradient: pixels behind the line are not zero", "shaders/winograd_error.wgsl", " & (x + {{ p }}u < {{ target_w }}u);", ";", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=integers:3'"),
    ("winograd gradient: the last run of images only", "shaders/winograd_gradient.wgsl", "p{{ j }}_{{ l }} += four(", "p{{ j }}_{{ l }} = four(", "parity-full --case 'conv2d input=56x32x14x14 weight=40x32x3x3 padding=1 data=integers:1'"),
    ("winograd gradient: rows and columns of the taps swapped", "shaders/winograd_gradient.wgsl", "grad_weight[to + {{ 3 * r + s }}u]", "grad_weight[to + {{ 3 * s + r }}u]", "parity-full --case 'conv2d input=2x5x9x9 weight=7x5x3x3 bias padding=1 data=integers:3'"),
    ("axis_gather: outputs without inputs read the first element", "shaders/axis_gather.wgsl", "input[plane + select(0u, at, inside)], inside);", "input[plane + select(0u, at, inside)], true);", "parity pad"),
    ("axis_gather: four places, the second for the third", "shaders/axis_gather.wgsl", "place(t + 1u), place(t + 2u)", "place(t + 1u), place(t + 1u)", "parity flip"),
    ("axis_gather: looked-up places of the first four", "shaders/axis_gather.wgsl", "places[i % {{ outputs // 4 }}u]", "places[0]", "parity index_select"),
    ("axis_map: second entry of a pair dropped", "shaders/axis_map.wgsl", '["xy", "zw"]', '["xy"]', "parity axis_map"),
    ("axis_map: last entry of a loop dropped", "shaders/axis_map.wgsl", "e < last; e++", "e + 1u < last; e++", "parity axis_map"),
    ("axis_map: every row is the first", "shaders/axis_map.wgsl", "s{{ r }} = fma(weight, {{ four }}(input[source + {{ r }}u", "s{{ r }} = fma(weight, {{ four }}(input[source + 0u", "parity axis_map"),
    ("axis_map: later pieces begin at 0", "src/kernels/axis_map.rs", "carried => !piece.first", "carried => false", "parity-full axis_map"),
    ("axis_map: the transposed matrix without its last entry", "src/ops/sparse.rs", "weights[to]) = (output as u32, weight);", "weights[to]) = (output as u32, if to + 1 == next.len() { 0.0 } else { weight });", "gradients axis_map"),
    ("pad: the edge reflected too", "src/ops/pad.rs", "Some(2 * (n - 1) - at)", "Some(2 * n - 1 - at)", "fixtures pytorch"),
    ("interpolate: middles of elements at their beginning", "src/ops/interpolate.rs", "scale * (t + 0.5) - 0.5", "scale * t", "fixtures pytorch"),
    ("interpolate: antialias narrower than an output", "src/ops/interpolate.rs", "let wide = self.scale().max(1.0);", "let wide = self.scale().min(1.0);", "fixtures pytorch"),
    ("axis_map: two maps in the other order", "src/graph/rules/axis_map.rs", "second.matrix.after(&first.matrix)?", "first.matrix.after(&second.matrix)?", "gradients axis_map"),
    ("einsum: a repeated letter is its other diagonal", "src/graph/rules/products.rs", "term.x = term.x.diagonal(0, first, second)?;", "term.x = term.x.flip([first])?.diagonal(0, first, second)?;", "fixtures pytorch"),
    ("einsum: columns before rows", "src/graph/rules/products.rs", "let labels = [&batch[..], &rows, &columns].concat();", "let labels = [&batch[..], &columns, &rows].concat();", "fixtures pytorch"),
    ("rsub: the other way round", "src/functions/operand.rs", "self.graph().scalar(number)?.sub(self)", "self.sub(self.graph().scalar(number)?)", "fixtures pytorch"),
    ("embedding: the row of padding learns", "src/graph/rules/embedding.rs", "padding.select(0.0, grad)?", "padding.select(grad, grad)?", "fixtures pytorch"),
    ("scatter_add: a smaller index lies at the end", "src/graph/rules/gather.rs", "[0, (all - few) as i64]", "[(all - few) as i64, 0]", "fixtures pytorch"),
    ("alpha_dropout: what is dropped is not moved", "src/graph/rules/dropout.rs", "ALPHA * a * (p - 1.0)", "-ALPHA * a", "fixtures pytorch"),
    ("dropout2d: single elements", "src/graph/rules/dropout.rs", "for_each(|size| *size = 1)", "for_each(|size| *size *= 1)", "fixtures pytorch"),
    ("local_response_norm: an even window begins later", "src/graph/rules/norm.rs", "c.saturating_sub(size / 2)", "c.saturating_sub((size - 1) / 2)", "fixtures pytorch"),
    ("init: orthogonal rows lean on one another", "src/ops/draws.rs", "*x -= along * y", "*x -= 0.75 * along * y", "lib ops::init"),
    ("init: all of a tail is taken", "src/ops/draws.rs", "(-0.5 * (z - rate).powi(2)).exp()", "1.0", "lib ops::init"),
    ("weight_norm: begins with the squares of lengths", "src/ops/init.rs", "|sum| sum.sqrt() as f32", "|sum| sum as f32", "lib ops::init"),
    ("grid: second dimension ignored", "shaders/common/group.wgsl", "workgroup.x + workgroup.y * {{ grid_x }}u", "workgroup.x", "parity-full matmul"),
    ("matmul: tail of the terms dropped", "shaders/matmul.wgsl", "{% if k > whole %}", "{% if k > whole and k < 4 %}", "parity matmul linear"),
    ("matmul: transposed operand read straight", "shaders/matmul.wgsl", "{% if trans_a %}a[a_base + ({{ k }}) * ROW_A + {{ row }}]", "{% if trans_a %}a[a_base + ({{ k }}) + {{ row }} * K]", "parity matmul linear"),
    ("matmul: second four of eight columns is the first", "shaders/matmul.wgsl", "let b{{ j }}_1 = four(w{{ j }}.zw);", "let b{{ j }}_1 = four(w{{ j }}.xy);", "parity-full --case 'matmul a=63x64 b=64x64 data=integers:3'"),
    ("weight gradient: second four of eight channels is the first", "shaders/conv2d_backward_weight.wgsl", "let b{{ j }}_1 = four(w{{ j }}.zw);", "let b{{ j }}_1 = four(w{{ j }}.xy);", "parity-full --case 'conv2d input=2x8x9x9 weight=9x8x3x3 bias padding=1 data=integers:3'"),
    ("matmul: rows of a transposed operand mixed up", "shaders/matmul.wgsl", "{% set at = j * fours + i // 4 %}", "{% set at = j * fours + i % 4 %}", "parity matmul"),
    ("recurrent: error of the state not carried", "shaders/recurrent_backward.wgsl", "dh_{{ v }} += carry_{{ v }};", "", "parity recurrent"),
    ("recurrent: GRU's last sum where n will stand", "shaders/recurrent.wgsl", ", 3u, ", ", 2u, ", "parity recurrent"),
    ("recurrent: state of the last step but one", "shaders/recurrent.wgsl", "let to_slot = (s + 1u) % 2u", "let to_slot = s % 2u", "parity recurrent"),
    ("matmul: batch stride missing", "src/kernels/matmul.rs", "context! { size, div, a, b, output }", "context! { size, div, a, b => 0 * b, output }", "parity matmul"),
    ("matmul: write behind the last column", "shaders/common/matmul.wgsl", "    if (column + {{ q }}u < N) { output[{{ to }}]", "    { output[{{ to }}]", "parity matmul linear"),
    ("matmul: write behind the last row", "shaders/common/matmul.wgsl", "  if (row < M) {", "  if (row < M + 1u) {", "parity matmul linear"),
    ("recurrent: units behind the last are not 0", "shaders/recurrent.wgsl", "only_first(H, {{ name }}_{{ v }}, start + {{ 4 * v }}u)", "{{ name }}_{{ v }}", "parity lstm"),
    ("recurrent: second four of shared errors is the first", "shaders/common/recurrent_memory.wgsl", "_mine, {{ 4 * f + e }}u)", "_mine, {{ e }}u)", "parity lstm"),
    ("softmax: two invocations have one row", "shaders/common/row.wgsl", '"u + lane" }}', '"u + lane / 2u" }}', "parity softmax"),
    ("recurrent: every slice begins with the bias", "shaders/common/recurrent_memory.wgsl", '"select(vec4<f32>(), " ~ value ~ ", slice == 0u)" if slices > 1 else value', "value", "parity-full --case 'lstm sizes=5x3x7 reverse bias masked data=real:1'"),
    ("recurrent: sums of a half of the slices left out", "shaders/common/recurrent_memory.wgsl", "{% for half in halves %}", "{% for half in halves[1:] %}", "parity-full --case 'gru sizes=7x9x33 reverse bias masked data=real:1'"),
    ("recurrent: GRU's last sum not kept for the way back", "shaders/recurrent.wgsl", '"z2" if slices > 1 or merged else ""', '"n" if slices > 1 or merged else ""', "parity-full --case 'gru sizes=7x9x33 reverse bias masked data=real:1'"),
    ("reduce: a product without its zeros", "shaders/common/reduce.wgsl", "select(k.product, {{ F }}(0.0), zero));", "k.product);", "parity prod"),
    ("reduce: a second zero is not counted", "shaders/common/reduce.wgsl", "min(a.zeros + b.zeros, {{ F }}(2.0))", "max(a.zeros, b.zeros)", "parity prod"),
    ("reduce: equals are not counted", "shaders/common/reduce.wgsl", "select(one, a.ties + b.ties, equal)", "one", "parity amax"),
    ("reduce: NaN is passed over", "shaders/common/reduce.wgsl", "(is_nan{{ size }}(b.extreme) | (b.extreme {{ beyond }} a.extreme))", "(b.extreme {{ beyond }} a.extreme)", "parity amax"),
    ("reduce: the last of equals in argmin", "shaders/common/reduce.wgsl", "& (b.place < a.place);", "& (b.place > a.place);", "parity argmin"),
    ("reduce: means joined without their weights", "shaders/common/reduce.wgsl", "let share = b.count / max(count, {{ F }}(1.0));", "let share = {{ F }}(0.5);", "parity var"),
    ("reduce: spreads joined without the distance of the means", "shaders/common/reduce.wgsl", "(b.squares + apart * apart * a.count * share)", "b.squares", "parity std"),
    ("reduce: distances from 0", "shaders/common/reduce.wgsl", "{{ Known }}({{ F }}(1.0), x - first, {{ F }}(0.0))", "{{ Known }}({{ F }}(1.0), x, {{ F }}(0.0) * first)", "parity var"),
    ("reduce: sums of exponentials of other maxima added", "shaders/common/reduce.wgsl", "select(b.sum, a.sum, beats) * factor)", "select(b.sum, a.sum, beats))", "parity logsumexp"),
    ("reduce: a row of -inf alone is finite", "shaders/common/reduce.wgsl", "least_where{{ size }}(k.sum == {{ F }}(0.0), computed)", "computed", "parity logsumexp"),
    ("reduce: the last lane left out", "shaders/common/reduce_rows.wgsl", "t < last; t +=", "t + 1u < last; t +=", "parity any amin norm"),
    ("reduce: lanes joined with themselves", "shaders/common/reduce_rows.wgsl", "lanes[lane + {{ step }}u]); }", "lanes[lane]); }", "parity norm"),
    ("reduce, columns: parts overlap", "shaders/reduce_columns.wgsl", "for (var r = part * {{ rows_per_part }}u;", "for (var r = 0u;", "parity norm"),
    ("reduce: places of the second run count from 0", "src/kernels/rows.rs", "first_term => self.first_term,", "first_term => 0,", "parity --case 'argmin input=4801 dim=0 data=real:1'"),
    ("reduce: equals do not share", "shaders/reduce_backward.wgsl", "select(0.0, g / max(ties, 1.0), x == y)", "select(0.0, g, x == y)", "parity amax"),
    ("reduce: gradient of a standard deviation is that of the variance", "shaders/reduce_backward.wgsl", "(select(y, 1.0, y == 0.0) * {{ divisor }})", "{{ divisor }}", "parity std"),
    ("gather: an index beyond the dimension shows the first", "shaders/gather.wgsl", "select(0.0, input[seen], known)", "input[seen]", "parity gather"),
    ("gather: rows of the index as far apart as those of the input", "shaders/gather.wgsl", "at / {{ count * inner }}u", "at / {{ length * inner }}u", "parity gather"),
    ("conv_transpose2d: what is cut off lies behind", "src/ops/convolutions.rs", "if more < stride { 0 } else { more.min(after) }", "0", "fixtures pytorch"),
    ("padding same: the larger half first", "src/ops/convolutions.rs", "(all / 2, all - all / 2)", "(all - all / 2, all / 2)", "fixtures pytorch"),
    ("adaptive_max_pool2d: windows are rounded down", "shaders/adaptive_max_pool2d.wgsl", "let right = ((j + 1u) * {{ w }}u - 1u) / {{ ow }}u + 1u;", "let right = (j + 1u) * {{ w }}u / {{ ow }}u;", "parity adaptive_max_pool2d"),
    ("adaptive_max_pool2d: ties go to the last", "shaders/adaptive_max_pool2d.wgsl", "(value > best)", "(value >= best)", "parity adaptive_max_pool2d"),
    ("grid_sample: the ends of a side are mixed up", "shaders/common/grid.wgsl", "((g + 1.0) * size - 1.0) * 0.5, size * 0.5", "(g + 1.0) * (size - 1.0) * 0.5, size * 0.5", "parity grid_sample"),
    ("grid_sample: a held coordinate still moves", "shaders/common/grid.wgsl", "select(place.y, 0.0, low | high)", "place.y", "parity grid_sample"),
    ("grid_sample: a reflected coordinate keeps its direction", "shaders/common/grid.wgsl", "returns != (offset < 0.0)", "returns", "parity grid_sample"),
    ("grid_sample: halves are rounded up", "shaders/common/grid.wgsl", '{{ "round" if nearest else "floor" }}(at)', 'floor(at{{ " + 0.5" if nearest }})', "parity grid_sample"),
    ("grid_sample: points of the cells above alone", "shaders/grid_sample_backward_input.wgsl", "let count = of_above + starts[cell + ROW + 2u] - below;", "let count = of_above + 0u * below;", "parity grid_sample"),
    ("grid_sample: a piece begins anew", "shaders/grid_sample_backward_input.wgsl", 'if carried else "0.0" }};\n  {% endfor %}', 'if carried and not carried else "0.0" }};\n  {% endfor %}', "parity grid_sample"),
    ("affine_grid: rows and columns swapped", "src/graph/rules/grid_sample.rs", "column(0)?.mul(&x)?.add(&column(1)?.mul(&y)?)?", "column(0)?.mul(&y)?.add(&column(1)?.mul(&x)?)?", "fixtures pytorch"),
    ("multilabel_margin_loss: a list does not end", "src/graph/rules/margins.rs", ".unsqueeze(0)?.lt(&ends)?", ".unsqueeze(0)?.ge(&ends.scale(0.0)?)?", "fixtures pytorch"),
    ("multilabel_margin_loss: listed classes among the others", "src/graph/rules/margins.rs", ".mul(&others.unsqueeze(1)?)?", "", "fixtures pytorch"),
    ("fractional_max_pool2d: rows and columns share a number", "shaders/fractional_max_pool2d.wgsl", "samples[number + 1u]", "samples[number]", "parity fractional_max_pool2d"),
    ("fractional_max_pool2d: the first window is not at the beginning", "shaders/fractional_max_pool2d.wgsl", " - u32(u * apart)", "", "parity fractional_max_pool2d"),
    ("movedim: places are in ascending order", "src/graph/rules/copy.rs", "dims.in_order(rank)", "dims.of(rank)", "fixtures pytorch"),
    ("movedim: dimensions go where places come from", "src/graph/rules/copy.rs", "let (from, to) = (places(source.into())?, places(destination.into())?);", "let (to, from) = (places(source.into())?, places(destination.into())?);", "fixtures pytorch"),
    ("weight_norm: lengths along another dimension", "src/ops/init.rs", ".skip(along + 1)", ".skip(along)", "lib ops::init"),
    ("weight_norm: the norm is over the first dimension too", "src/graph/rules/norm.rs", "is_none_or(|&length| length == 1)", "is_none_or(|&length| length > 0)", "layers weight_norm"),
    ("lp_pool: the sign is lost", "src/graph/rules/pools.rs", "means.sign()?.mul(&means.abs()?.relu()?)?", "means.abs()?.relu()?", "fixtures pytorch"),
    ("avg_pool2d: another divisor", "shaders/common/avg_window.wgsl", "return {{ override_ }}.0;", "return {{ override_ }}.5;", "parity avg_pool2d"),
    ("scatter: a row's elements are added up", "shaders/scatter_add.wgsl", '"=" if last_one', '"+=" if last_one', "parity scatter"),
    ("scatter: the first stays", "shaders/scatter_add.wgsl", "next], index == j);\n    {% else %}", "next], (index == j) & (total == 0.0));\n    {% else %}", "parity scatter"),
    ("scatter_add: = for +=", "shaders/scatter_add.wgsl", '"+=" }} source[', '"=" }} source[', "parity scatter_add"),
    ("scatter_add: a piece begins anew", "shaders/scatter_add.wgsl", '" if carried else "0.0" }}', '" if not carried and carried else "0.0" }}', "parity scatter_add"),
    ("argsort: equal elements in no order", "shaders/argsort.wgsl", "& (b.y < a.y)", "& (b.y > a.y)", "parity sort"),
    ("argsort: -0 before 0", "shaders/argsort.wgsl", "select(bits, 0u, (bits & 0x7fffffffu) == 0u)", "bits", "parity sort"),
    ("argmax: the last of equals in a workgroup", "shaders/argmax.wgsl", "other < indices[first]", "other > indices[first]", "parity-full argmax"),
    ("share: all launches are told the sizes of the first", "src/plan/share.rs", "rows.iter().map(|row| row[member])", "rows.iter().map(|row| row[member * 0])", "lib"),
    ("share: a constant that depends on a size stays", "src/plan/share.rs", "let told = (equals..end).any(|i| code(i, &constants).is_some());", "let told = (equals..end).any(|i| size_at.contains_key(&i));", "lib"),
    ("matmul in workgroup memory: tail of four terms not zero", "shaders/matmul_workgroup.wgsl", "return select(vec4<f32>(), found, k < K);\n  {% else %}", "return found;\n  {% else %}", "parity-full --case 'linear input=9x300 weight=12x300 bias data=integers:3'"),
    ("matmul in workgroup memory: tail of the terms not zero", "shaders/matmul_workgroup.wgsl", "  {% endif %}\n  return select(vec4<f32>(), found, k < K);", "  {% endif %}\n  return found;", "parity-full --case 'matmul a=2x17x33 b=2x65x17 trans_a trans_b bias data=integers:3'"),
    ("matmul in workgroup memory: transposed operand read straight", "shaders/matmul_workgroup.wgsl", '"M", along_a, a_vec4)', '"M", not along_a, a_vec4)', "parity-full --case 'matmul a=2x17x33 b=2x65x17 trans_a trans_b bias data=integers:3'"),
    ("matmul in workgroup memory: bias of the first column for all", "shaders/matmul_workgroup.wgsl", "bias_of(column)", "bias_of(0u)", "parity-full --case 'linear input=65x13 weight=129x13 bias data=integers:3'"),
    ("norm: parts joined as if alike in number", "shaders/common/norm_finish.wgsl", "let share = b.x / max(count, 1.0);", "let share = 0.5;", "parity norm_statistics"),
    ("norm: the distance of the means is not squared deviation", "shaders/common/norm_finish.wgsl", "a.z + b.z + step * step * (a.x * share)", "a.z + b.z", "parity norm_statistics"),
    ("norm: no pivot", "shaders/norm_statistics.wgsl", "let pivot = four(input[start / 4u])[start % 4u];", "let pivot = 0.0;", "parity norm_statistics"),
    ("norm: last fours dropped", "shaders/norm_statistics.wgsl", "for (var t = whole + own; t < terms;", "for (var t = whole + own; t + 1u < terms;", "parity norm_statistics"),
    ("norm: running variance divided by the count", "shaders/common/norm_finish.wgsl", "{{ count_less_1 }}", "{{ count }}", "parity norm_statistics"),
    ("norm: first numbers of the next run", "shaders/common/norm_window.wgsl", "< vec4<u32>(length);", "<= vec4<u32>(length);", "parity batch_norm"),
    ("norm: statistics of the neighbouring row", "shaders/common/norm_spread.wgsl", "rows == rows.xxxx", "rows == rows.yyyy", "parity batch_norm"),
    ("norm: weight of the first channel", "src/kernels/norm.rs", "parameter => of_row(three(strides.parameter), first_parameter),", "parameter => of_row([0; 3], first_parameter),", "parity group_norm"),
    ("norm: the sum of errors is not subtracted", "shaders/norm_backward.wgsl", "* (sums[at] / COUNT);", "* 0.0;", "parity batch_norm"),
    ("norm: row sums without the weight", "shaders/norm_sums.wgsl", "{{ \" * w\" ~ j if weight }}", "", "parity layer_norm"),
    ("norm: gradients of parameters by the first row's rstd", "shaders/norm_sums_columns.wgsl", " * rstd_of(rstds[first_row + \" ~ row ~ \"])", " * rstd_of(rstds[first_row])", "parity layer_norm"),
    ("norm: group sums without the weight", "src/graph/rules/norm.rs", "|| Ok(sum.clone()), |weight| sum.mul(weight))?;\n            if k == 1", "|| Ok(sum.clone()), |_| Ok(sum.clone()))?;\n            if k == 1", "gradients norm"),
    ("matmul in workgroup memory: first matrix of the batch for all", "shaders/matmul_workgroup.wgsl", "Place(begin_{{ name }}(z), line)", "Place(begin_{{ name }}(0u), line)", "parity-full --case 'matmul a=2x17x33 b=2x65x17 trans_a trans_b bias data=integers:3'"),
    ("workgroup tiles: next block stored before all have read", "shaders/common/workgroup_product.wgsl", "    {% endif %}\n    workgroupBarrier();\n  }\n", "    {% endif %}\n  }\n", "parity-full --case 'matmul a=63x64 b=64x65 data=integers:3'"),
    ("workgroup tiles: multiplied before all have stored", "shaders/common/workgroup_product.wgsl", "    workgroupBarrier();\n    if (k + {{ turn * slices }}u < K) {", "    if (k + {{ turn * slices }}u < K) {", "parity-full --case 'linear input=127x9 weight=129x9 bias data=integers:3'"),
    ("workgroup tiles: terms without their padding where they are read", "shaders/common/workgroup_product.wgsl", "half + t * (fours + 1) + p * across_lanes", "half + t * fours + p * across_lanes", "parity-full --case 'linear input=127x9 weight=129x9 bias data=integers:3'"),
    ("conv2d in workgroup memory: padding reads instead of zeros", "shaders/conv2d_workgroup.wgsl", "found, ok & vec4<bool>(k < K));", "found, vec4<bool>(k < K));", "parity-full --case 'conv2d input=2x4x6x6 weight=5x4x3x3 bias padding=1 data=integers:3'"),
    ("conv2d in workgroup memory: one tap's terms past the end", "shaders/conv2d_workgroup.wgsl", "return select(vec4<f32>(), four(source[first / 4u]), k < K);", "return four(source[first / 4u]);", "parity-full --case 'conv2d input=2x3x6x6 weight=5x3x1x1 bias data=special:1'"),
    ("phases in workgroup memory: weights of the first taps", "shaders/conv2d_workgroup.wgsl", "let first = vec2<u32>(u32(vertical.y), u32(horizontal.y)) + next * STEP;", "let first = next * STEP;", "parity-full --case 'conv2d input=2x4x9x9 weight=5x4x3x3 bias stride=2 padding=1 data=integers:3'"),
    ("phases in workgroup memory: taps not further back", "shaders/conv2d_workgroup.wgsl", "let sx = place.x - back.y;", "let sx = place.x;", "parity-full --case 'conv2d input=2x4x9x9 weight=5x4x3x3 bias stride=2 padding=1 data=integers:3'"),
    ("conv2d in workgroup memory: weights of the first group for all", "shaders/conv2d_workgroup.wgsl", "return (z * ROWS + min(row, ROWS - 1u)) * K;", "return min(row, ROWS - 1u) * K;", "parity-full --case 'conv2d input=2x8x6x6 weight=6x4x3x3 bias padding=1 groups=2 data=integers:3'"),
    ("workgroup tiles: the last slice's sums left out", "shaders/common/workgroup_product.wgsl", "other < {{ 2 * half * slices }}u;", "other < {{ 2 * half * (slices - 1) }}u;", "parity-full --case 'linear input=65x13 weight=31x13 bias data=integers:3' --case 'linear input=9x300 weight=12x300 bias data=integers:3'"),
    ("workgroup tiles: slices take the same terms", "shaders/common/workgroup_product.wgsl", "let first_term = lane.z * TURN;", "let first_term = 0u;", "parity-full --case 'linear input=9x300 weight=12x300 bias data=integers:3'"),
    ("workgroup tiles: four terms of a line in the place of the next line", "shaders/common/workgroup_product.wgsl", "[line_{{ name }}{{ c }} % 4u] =", "[(line_{{ name }}{{ c }} + 1u) % 4u] =", "parity-full --case 'linear input=9x300 weight=12x300 bias data=integers:3'"),
    ("conv2d in workgroup memory: weights of four channels of the first group", "shaders/conv2d_workgroup.wgsl", " * {{ group_stride }}u + min(row + NEXT", " * 0u + min(row + NEXT", "parity-full --case 'conv2d input=2x6x6x6 weight=6x3x3x3 bias padding=1 groups=2 data=integers:3'"),
    ("weight gradient in workgroup memory: four pixels of the first channel", "shaders/conv2d_backward_weight_workgroup.wgsl", "z % BLOCKS * ROWS + min(row, ROWS - 1u));", "z % BLOCKS * ROWS);", "parity-full --case 'conv2d input=2x4x6x6 weight=5x4x3x3 bias padding=1 data=integers:3'"),
    ("weight gradient in workgroup memory: split offset missing", "shaders/conv2d_backward_weight_workgroup.wgsl", "return Weights(z / BLOCKS * K,", "return Weights(0u,", "parity-full --case 'conv2d input=4x3x17x19 weight=5x3x3x3 bias padding=1 data=integers:3'"),
    ("input gradient, swapped: images of the source as far apart as those of the error", "src/kernels/roles.rs", "source_strides: [taps, k * c * taps, c * taps]", "source_strides: [taps, k * c * taps, taps]", "parity conv2d"),
    ("input gradient, swapped: groups of the target as far apart as its images", "src/kernels/roles.rs", "target_strides: [plane, c * plane, g.c * plane]", "target_strides: [plane, plane, g.c * plane]", "parity conv2d"),
    ("input gradient, swapped: stride and dilation not swapped", "src/kernels/roles.rs", "Conv2d { stride: dilation, dilation: stride, padding, groups }", "Conv2d { stride, dilation, padding, groups }", "parity conv2d"),
    ("input gradient, swapped: channels last as they lie in an image", "src/kernels/conv2d.rs", "strides: [image, 1, group, channel],", "strides: [image, 1, group, h * w],", "parity conv2d"),
    ("conv2d: columns lie as rows without their stride", "src/kernels/roles.rs", ".map(|d| crate::shape::Pair { h: 1, w: d.h })", ".map(|d| crate::shape::Pair { h: 1, w: d.w })", "parity conv2d"),
    ("conv2d, direct: the last run of a line begins where the others do", "shaders/conv2d_direct.wgsl", "min(at % RUNS * {{ many * spans }}u, {{ target_w - many * spans }}u)", "at % RUNS * {{ many * spans }}u", "parity conv2d"),
    ("conv2d, direct: the second span takes the first one's sums", "shaders/conv2d_direct.wgsl", "epilogue(s{{ i }}_{{ t * spans + q // many }}", "epilogue(s{{ i }}_{{ t * spans }}", "parity conv2d"),
    ("weight gradient, direct: every source channel of a group is its first", "shaders/conv2d_direct_weight.wgsl", "(image * BLOCKS * TERMS + source_channel)", "(image * BLOCKS * TERMS + block * TERMS)", "parity conv2d"),
    ("matmul, turned: the bias of another row", "shaders/common/matmul.wgsl", "return vec4<f32>(bias[{{ first_bias }}u + min(column, M - 1u)]);", "return vec4<f32>(bias[{{ first_bias }}u + min(column + 1u, M - 1u)]);", "parity matmul"),
    ("matmul, turned: stored as it is computed", "shaders/common/matmul.wgsl", "begin_output(z) + column * ROW + row;", "begin_output(z) + row * N + column;", "parity matmul"),
    ("avg_pool2d in two passes: both divide", "src/kernels/avg_pool2d_side.rs", 'else { ["", "last"] };', 'else { ["last", "last"] };', "parity avg_pool2d"),
    ("avg_pool2d in two passes: neighbours get all terms", "shaders/avg_pool2d_side.wgsl", "(f >= first\" ~ q ~ \") & (f < end\" ~ q ~ \"))", "f < end\" ~ q ~ \")", "parity avg_pool2d"),
    ("avg_pool2d in two passes: the next line begins where the first did", "shaders/avg_pool2d_side.wgsl", "let o{{ q }} = all{{ q }} / PLACES;", "let o{{ q }} = all0 / PLACES;", "parity avg_pool2d"),
    ("avg_pool2d in two passes: a later piece begins anew", "shaders/avg_pool2d_side.wgsl", 'if stored > 1)) if carried else "0.0"', 'if stored > 1)) if false else "0.0"', "parity avg_pool2d"),
    ("avg_pool2d in two passes: the divisor of the first column for all", "shaders/avg_pool2d_side.wgsl", '{{ j }}{{ " + " ~ q if q }}', '{{ j }}', "parity avg_pool2d"),
    ("narrow: lines are not told apart in fours", "shaders/narrow_backward.wgsl", "let e{{ q }} = at * {{ loads }}u + {{ q }}u;", "let e{{ q }} = at * {{ loads }}u;", "parity narrow"),
    ("argmax: neighbours take the first one's place", "shaders/argmax.wgsl", "index{{ q }} = select(index{{ q }}, l, larger{{ q }});", "index{{ q }} = select(index{{ q }}, l, larger0);", "parity argmax"),
    ("embedding: a tile begins where the one before did", "shaders/embedding.wgsl", "let d{{ q }} = at % TILES * {{ many }}u + {{ q }}u;", "let d{{ q }} = {{ q }}u;", "parity embedding"),
    ("embedding: the last zeros are not written", "shaders/embedding_zeros.wgsl", "+ {{ q }}u < UNITS)", "+ {{ q }}u + 1u < UNITS)", "parity embedding"),
    ("embedding: every place that shows a row adds up those behind it", "shaders/embedding_rows.wgsl", "  if (at > 0u && sorted[at - 1u].x == v) { return; }\n", "", "parity embedding"),
    ("matmul, a tile an invocation: all runs of terms begin with the first", "shaders/matmul.wgsl", "let begin = z / {{ products }}u * {{ step }}u;", "let begin = 0u;", "parity matmul"),
    ("matmul, a tile an invocation: four rows of a term are the first", "shaders/matmul.wgsl", "rows{{ j }}_{{ i // 4 }}[{{ i % 4 }}]", "rows{{ j }}_{{ i // 4 }}[0]", "parity matmul"),
    ("matmul, a tile an invocation: columns that there are left out", "shaders/matmul.wgsl", "tiles_n == 1 and q >= n }}", "tiles_n == 1 and q + 1 >= n }}", "parity matmul"),
    ("recurrent, weights held: state of another unit", "shaders/recurrent_held.wgsl", "subgroupShuffle(h_{{ j // 8 }}, {{ j % 8 }}u)", "subgroupShuffle(h_{{ j // 8 }}, {{ (j + 1) % 8 }}u)", "parity lstm"),
    ("recurrent, weights held: a row begins with the state of the one before", "shaders/recurrent_held.wgsl", "var h_{{ v }} = first_h[row * H + unit{{ v }}];", "var h_{{ v }} = first_h[unit{{ v }}];", "parity lstm"),
    ("recurrent, weights held: error of the cell not carried", "shaders/recurrent_held_backward.wgsl", "let dc_{{ v }} = cell_carry_{{ v }}{{", "let dc_{{ v }} = 0.0{{", "parity lstm"),
    ("recurrent, weights held: GRU's last error is that of the input", "shaders/recurrent_held_backward.wgsl", 'subgroupShuffle({{ "last" if gru and q == 2 else', 'subgroupShuffle({{ "last" if gru and q == 3 else', "parity gru"),
    ("recurrent, weights held: later steps begin with the first state's step", "src/kernels/recurrent_held.rs", "start.max(1) - 1 };", "0 };", "parity-full --case 'lstm sizes=150x3x7 bias data=real:1'"),
    ("embedding: equal indices in no order", "shaders/embedding_sort.wgsl", "second && value == own.x", "value == own.x", "parity embedding"),
    ("embedding: the last run is merged as a whole one", "shaders/embedding_sort.wgsl", "var high = min(other + RUN, COUNT);", "var high = other + RUN;", "parity embedding"),
    ("embedding: rows begin behind their first place", "shaders/embedding_starts.wgsl", "if (sorted[middle].x < v)", "if (sorted[middle].x <= v)", "parity embedding"),
    ("embedding: a block is taken where it begins in a row", "shaders/embedding_rows.wgsl", '"at + " ~ block ~ "u <= last"', '"true"', "parity embedding"),
    ("embedding: the last place of a block left out", "shaders/embedding_blocks.wgsl", "at < first + BLOCK; at++", "at < first + BLOCK - 1u; at++", "parity embedding"),
    ("conv2d, direct: a tap of another line", "src/kernels/conv2d_direct.rs", "filter(|(_, line)| **line == at)", "filter(|(_, line)| **line == at + 1)", "parity conv2d"),
    ("conv2d, direct: taps of the gradient not turned round", "src/kernels/conv2d_direct.rs", "if backward { before - tap as i64 * dilation }", "if false { before - tap as i64 * dilation }", "parity conv2d"),
    ("conv2d, direct: weights of the first group", "shaders/conv2d_direct.wgsl", "= block * {{ group_stride }}u + ", "= ", "parity conv2d"),
    ("conv2d, direct: lines outside the image are not zero", "shaders/common/conv2d_lines.wgsl", "{{ \"in_image\" if line.outside }}{{ \" & \" if line.outside and u.outside }}{{ \"in_line\" ~ m if u.outside }}", "{{ \"in_line\" ~ m if u.outside else \"true\" }}", "parity conv2d"),
    ("weight gradient, direct: an invocation's sums left out", "shaders/conv2d_direct_weight.wgsl", "for (var l = 0u; l <", "for (var l = 1u; l <", "parity conv2d"),
    ("weight gradient, direct: parts overlap", "shaders/conv2d_direct_weight.wgsl", "var piece = part * {{ pieces_per_part }}u + lane.x;", "var piece = lane.x;", "parity conv2d"),
    ("Winograd: tiles begin within elements of four pixels", "src/kernels/winograd.rs", "let unit = at_once(self.source[2]).min(at_once(self.m * together));", "let unit = at_once(self.source[2]);", "parity --case 'conv2d input=16x64x8x8 weight=64x64x3x3 data=integers:1'"),
    ("layout: a weight that is an image too is not read", "src/plan/layout.rs", "Role::Product(_, images) => images.contains(place),", "Role::Product(..) => true,", "lib plan::layout"),
    ("max_pool2d: last of equals wins", "shaders/max_pool2d.wgsl", "is_nan(value) | (value > best{{ q }});", "is_nan(value) | (value >= best{{ q }});", "parity max_pool2d"),
    ("max_pool2d: starts from 0", "shaders/max_pool2d.wgsl", "{{ \"\" if begins[q] else", "{{ \"\" if true else", "parity max_pool2d"),
    ("max_pool2d, not unrolled: last of equals wins", "shaders/max_pool2d.wgsl", "is_nan(value) | (value > best));", "is_nan(value) | (value >= best));", "parity --case 'max_pool2d input=400x8x2x2 kernel=9 stride=1 padding=4 data=integers:3'"),
    ("max_pool2d, not unrolled: starts from 0", "shaders/max_pool2d.wgsl", "let wins = ok & ((index == NONE) | is_nan(value) | (value > best));", "let wins = ok & (is_nan(value) | (value > best));", "parity --case 'max_pool2d input=400x8x2x2 kernel=9 stride=1 padding=4 data=integers:3'"),
    ("max_pool2d: columns before the row are in the row above", "src/kernels/runs.rs", "at < 0 || self", "self", "parity max_pool2d"),
    ("max_pool2d: first part of every element", "src/kernels/runs.rs", "number.rem_euclid(unit))", "0)", "parity max_pool2d"),
    ("max_pool2d: overlapping windows not added", "shaders/max_pool2d_backward.wgsl", "{% for window in windows %}", "{% for window in windows[:1] %}", "parity max_pool2d"),
    ("max_pool2d: windows that begin earlier left out", "src/kernels/max_pool2d.rs", "-(-first).div_euclid(stride)..=", "first.div_euclid(stride) + 1..=", "parity max_pool2d"),
    ("max_pool2d, not unrolled: overlapping windows not added", "shaders/max_pool2d_backward.wgsl", "sum += select(0.0,", "sum = select(sum,", "parity --case 'max_pool2d input=400x8x2x2 kernel=9 stride=1 padding=4 data=integers:3'"),
    ("max_pool2d, not unrolled: last window left out", "shaders/max_pool2d_backward.wgsl", "j < min(first_j + {{ inner_last }}, last_j + 1); j++", "j < max(last_j, 1); j++", "parity --case 'max_pool2d input=400x8x2x2 kernel=9 stride=1 padding=4 data=integers:3'"),
    ("fusion: reshapes are looked through though another reads what they give another shape", "src/plan/joining.rs", "stored: stored.or(behind[output].stored)", "stored: behind[output].stored", "lib plan::fuse"),
    ("avg_pool2d: divisor counts beyond the padding", "shaders/common/avg_window.wgsl", "min(y + {{ whole.kernel_h }}, {{ whole.h + whole.pad_bottom }}) - y", "{{ whole.kernel_h }}", "parity avg_pool2d"),
    ("avg_pool2d: padding counted", "shaders/common/avg_window.wgsl", "- max(x, 0);", "- x;", "parity avg_pool2d"),
    ("sum: barrier missing", "shaders/sum.wgsl", "if vec4 else \"total\" }};\n  workgroupBarrier();", "if vec4 else \"total\" }};", "parity-full sum"),
    ("sum: last term dropped", "shaders/sum.wgsl", "t < last; t +=", "t + 1u < last; t +=", "parity sum"),
    ("sum: last partial dropped", "shaders/sum_partials.wgsl", "p < {{ runs }}u; p++", "p + 1u < {{ runs }}u; p++", "parity sum"),
    ("sum: partials from the second on", "shaders/sum_partials.wgsl", "var p = 0u;", "var p = 1u;", "parity sum"),
    ("softmax: maximum of the first lane only", "shaders/common/row.wgsl", "max(lanes[lane], lanes[lane + {{ step }}u])", "lanes[lane]", "parity softmax"),
    ("softmax: sum of the row without its tail", "shaders/softmax.wgsl", "l < LENGTH; l += LANES) { part +=", "l < LENGTH / LANES * LANES; l += LANES) { part +=", "parity softmax"),
    ("softmax: gradient without the row's sum", "shaders/softmax_backward.wgsl", "output[at] * (grad_output[at] - total)", "output[at] * grad_output[at]", "parity softmax"),
    ("checks: a target out of range is passed over", "shaders/cross_entropy.wgsl", "if (label >= LENGTH && !ignored)", "if (label > LENGTH && !ignored)", "checks"),
    ("checks: an ignored target is out of range", "shaders/cross_entropy.wgsl", "if (label >= LENGTH && !ignored)", "if (label >= LENGTH)", "checks"),
    ("checks: another row is named", "shaders/embedding.wgsl", "atomicMin(&bad_row, {{ before }}u + n);", "atomicMin(&bad_row, at);", "checks"),
    ("checks: the last row instead of the first", "shaders/embedding.wgsl", "atomicMin(&bad_row, {{ before }}u + n);", "atomicStore(&bad_row, {{ count - 1 }}u);", "checks"),
    ("checks: a read does not look", "src/exec/readback.rs", "watches.iter().try_for_each(|watch| watch.look(&self.gpu))?;", "", "checks"),
    ("checks: a run does not look", "src/exec/program.rs", "self.watch.as_ref().map_or(Ok(()), |watch| watch.look(&self.gpu))?;", "", "checks"),
    ("checks: parameters do not tell", "src/exec/parameters.rs", "Ok(Pending::start(gpu, &buffer, ty)?.watched(watches))", "Pending::start(gpu, &buffer, ty)", "checks"),
    ("checks: what was said is said again", "src/exec/watch.rs", "place.state = State::Said(mapped.clone());", "place.state = State::Mapping(mapped.clone());", "checks"),
    ("checks: the words are not cleared", "src/exec/watch.rs", "gpu.upload(&self.words, &vec![u8::MAX; self.words.size() as usize]);", "", "checks"),
    ("checks: the reference is silent", "src/exec/reference.rs", "store.failures.add(self.number, failure);", "", "checks"),
    ("checks: all share the first one's words", "src/plan/check.rs", "plan.checks.len() as u64 * limits", "0 * limits", "checks"),
    ("checks: a sequence longer than its mask is passed over", "shaders/sequence_mask.wgsl", "if (length > {{ max_length }}u)", "if (length > {{ max_length }}u + 1u)", "checks sequence"),
    ("checks: the first index the table lacks is passed over, few places", "shaders/embedding_backward.wgsl", "looks && index >= {{ rows }}u", "looks && index > {{ rows }}u", "checks only_the_gradient"),
    ("checks: the first index the table lacks is passed over, sorted places", "shaders/embedding_sort.wgsl", "if (index >= {{ rows }}u)", "if (index > {{ rows }}u)", "checks only_the_gradient"),
    ("checks: the reference lets a long sequence pass", "src/reference/select.rs", "length > max_length as f64)", "length > max_length as f64 + 1.0)", "checks sequence"),
    ("turns: a file of another driver is believed", "src/exec/turns.rs", "let rest = text.strip_prefix(of)?.strip_prefix('\\n')?;", "let (_, rest) = text.split_once('\\n')?;", "lib exec::turns"),
    ("turns: a changed digit is believed", "src/exec/turns.rs", "filter(|turns| whole && ", "filter(|turns| (whole || !whole) && ", "lib exec::turns"),
    ("series: a variance beyond all numbers is taken", "src/data/series.rs", "if !variance.is_finite() {", "if variance.is_nan() {", "lib data::series"),
    ("finite: minus infinity is passed for infinity", "shaders/finite.wgsl", "1u + (bits >> 31u)", "1u", "checks"),
    ("finite: infinity is passed over", "shaders/finite.wgsl", "if ((bits & 0x7f800000u) != 0x7f800000u) { return; }", "if ((bits & 0x7fffffffu) <= 0x7f800000u) { return; }", "checks"),
    ("finite: inputs and parameters are not looked at", "src/plan/build.rs", "return if held { self.look(group) } else { Ok(()) };", "return Ok(());", "checks"),
    ("finite: the new value of a state is not named", "src/plan/check.rs", "|(_, new)| *new == id", "|(_, new)| *new == id + 1", "checks"),
    ("learning rate: NaN is taken", "src/exec/parameters.rs", "rate.is_finite() && **rate >= 0.0", "rate.is_infinite() || **rate >= 0.0", "checks"),
    ("where: NaN is false", "src/functions/ternary.rs", "(bitcast<u32>(a) & 0x7fffffffu) != 0u", "abs(a) > 0.0", "checks"),
    ("recurrent: what a sequence does not have leaves its NaN", "shaders/recurrent_backward.wgsl", '("select(vec4<f32>(), ", ", within)") if masked', '("f32(within) * (", ")") if masked', "checks"),
    ("softmax: -inf is nearly 0", "shaders/common/math.wgsl", "select(0.0, exp(clamp(x, -87.0, 88.0)), x >= -87.0)", "exp(clamp(x, -87.0, 88.0))", "parity softmax"),
    ("softmax: a row of -inf alone is 0", "shaders/softmax.wgsl", "- highest) / divisor;", "- highest) / select(divisor, 1.0, highest < -3.4e38);", "parity softmax"),
    ("softmax: NaN does not make its row NaN", "shaders/common/row.wgsl", "return select(x, bitcast<f32>(bitcast<u32>(x) & 0x7f800000u), is_nan(x));", "return select(x, -1e30, is_nan(x));", "parity softmax"),
    ("log_softmax: maximum and logarithm added first", "shaders/softmax.wgsl", "(input[base + l * INNER] - highest) - shift", "input[base + l * INNER] - (highest + shift)", "parity log_softmax"),
    ("cross_entropy: a probability that is NaN is 0", "shaders/cross_entropy_backward.wgsl", "exp_bounded((logits[at]", "exp_clamped((logits[at]", "parity cross_entropy"),
    ("cross_entropy: maximum and logarithm added first", "shaders/cross_entropy_backward.wgsl", "(logits[at] - saved[pair]) - saved[pair + 1u]", "logits[at] - (saved[pair] + saved[pair + 1u])", "parity cross_entropy"),
    ("reference: maximum and logarithm added first", "src/reference/softmax.rs", "v - highest - log_sum", "v - (highest + log_sum)", "fixtures"),
    ("reference: cross entropy adds them first", "src/reference/cross_entropy.rs", "logits.data[at] - saved[2 * row] - saved[2 * row + 1]", "logits.data[at] - (saved[2 * row] + saved[2 * row + 1])", "fixtures"),
    ("argmax: NaN is passed over", "shaders/argmax.wgsl", "(is_nan(value) | (value > best))", "(value > best)", "parity argmax"),
    ("argmax: the last NaN wins", "shaders/argmax.wgsl", "return !is_nan(best) & (", "return (", "parity argmax"),
    ("argmax: NaNs of two lanes are not equal", "shaders/argmax.wgsl", " | (is_nan(value) & is_nan(best))", "", "parity-full argmax"),
    ("max_pool2d: NaN is passed over", "shaders/max_pool2d.wgsl", "is_nan(value) | (value > best{{ q }});", "(value > best{{ q }});", "parity max_pool2d"),
    ("reference: max_pool2d passes over NaN", "src/reference/max_pool2d.rs", " || value.is_nan()", "", "fixtures"),
    ("NaN: inf is one", "shaders/common/nan.wgsl", "> 0x7f800000u", ">= 0x7f800000u", "parity argmax"),
    ("relu: NaN becomes 0", "src/functions/activations.rs", "(x > 0.0) | is_nan(x)", "(x > 0.0)", "parity relu"),
    ("relu: no gradient at NaN", "src/functions/activations.rs", "(y > 0.0) | is_nan(y)", "(y > 0.0)", "parity relu"),
    ("clamp_max: NaN is clamped", "src/functions/piecewise.rs", "select(min(x, max), x, is_nan(x))", "min(x, max)", "parity clamp_max"),
    ("clamp_max: gradient passes at the limit", "src/functions/piecewise.rs", "select(0.0, g, x < max)", "select(0.0, g, x <= max)", "parity clamp_max"),
    ("tanh: NaN is saturated", "shaders/common/math.wgsl", "select(select(t, -t, x < 0.0), x, is_nan(x))", "select(t, -t, x < 0.0)", "parity tanh"),
    ("sigmoid: NaN is saturated", "shaders/common/math.wgsl", "select(exp_clamped(x), x, is_nan(x))", "exp_clamped(x)", "parity sigmoid"),
    ("gelu: NaN at infinity", "shaders/common/activations.wgsl", "return x * normal_cdf(x);", "return x - x * normal_cdf(-x);", "parity gelu"),
    ("judge: any number passes for NaN", "src/verify/judge.rs", "!error.is_finite() || bound == 0.0 || bound.is_nan()", "bound == 0.0", "lib judge"),
    ("cross_entropy: ignored rows counted", "shaders/cross_entropy.wgsl", "counted[place] = select(1.0, 0.0, ignored);", "counted[place] = 1.0;", "parity cross_entropy"),
    ("cross_entropy: smoothing left out of the gradient", "shaders/cross_entropy_backward.wgsl", "\" + \" ~ smoothing_per_class if smoothing > 0 else \"\"", "\"\"", "parity cross_entropy"),
    ("argmax: last of equals wins", "shaders/argmax.wgsl", "(is_nan(value) | (value > best))", "(is_nan(value) | (value >= best))", "parity argmax"),
    ("elementwise: stretched operand read straight", "src/kernels/stretch.rs", "if stride > 0 && size > 1 {", "if size > 1 {", "parity add sub mul div"),
    ("elementwise: operands of four beside one another", "src/kernels/stretch.rs", "let element = |q: usize| {", "let element = |_: usize| {\n            let q = 0;", "parity add"),
    ("exp: the second part of ln 2 left out", "shaders/common/functions.wgsl", "n * 2.12194440e-4), i32(n));", "0.0), i32(n));", "parity exp"),
    ("log1p: through log near 0", "shaders/common/functions.wgsl", "let near = (x > -0.2928) & (x < 0.4142);", "let near = false;", "parity log1p"),
    ("sin: far arguments as near ones", "shaders/common/functions.wgsl", "let far = abs(x) >= 256.0;", "let far = abs(x) >= 1e39;", "parity sin"),
    ("pow: a negative base gives its absolute value's power", "shaders/common/functions.wgsl", "value = select(value, -value, is_negative(a) & odd);", "", "parity pow"),
    ("remainder: of the sign of the dividend", "shaders/common/functions.wgsl", "select(r, r + b, !is_zero(r)", "select(r, r + b, false & !is_zero(r)", "parity remainder"),
    ("reference: softplus forgets its beta", "src/functions/activations.rs", "ln_1p()) / beta", "ln_1p())", "fixtures"),
    ("reference: hardswish flat below -2", "src/functions/piecewise.rs", "if x <= -3.0 { 0.0 } else if x < 3.0", "if x <= -2.0 { 0.0 } else if x < 3.0", "gradients"),
    ("halves: sums go on in f16", "src/kernels/halves.rs", "is_half(operand) && reads_back(&lowering, operand)", "false && is_half(operand) && reads_back(&lowering, operand)", "parity-full --case 'matmul a=10x1643 b=1643x3 data=real:1 dtype=f16'"),
    ("halves: parts begin where those of f32 do", "src/kernels/halves.rs", "(offset / 2, bytes / 2)", "(offset, bytes / 2)", "parity-full --case 'relu input=3x37x41 data=integers:3 dtype=f16'"),
    ("halves: fours in reverse", "src/kernels/halves.rs", "store: [\"vec4<f16>(four(\", \"))\"]", "store: [\"vec4<f16>(four(\", \").wzyx)\"]", "parity cast"),
    ("cast: what is too large for u32 is 0", "shaders/cast_.wgsl", "select(u32(inside), 0xffffffffu,", "select(u32(inside), 0u,", "parity cast"),
    ("cast: the last four missing", "shaders/cast_.wgsl", "if (i >= {{ vec4s }}u)", "if (i + 1u >= {{ vec4s }}u)", "parity cast"),
    ("broadcast_to: last element missing", "shaders/broadcast_to.wgsl", "if (i >= {{ elements }}u)", "if (i + 1u >= {{ elements }}u)", "parity broadcast_to"),
    ("relu: gradient passes at 0", "src/functions/activations.rs", "(y > 0.0) | is_nan(y)", "(y >= 0.0) | is_nan(y)", "parity relu"),
    ("gelu: a coefficient in its seventh digit", "shaders/common/math.wgsl", "1.00002368", "1.00002968", "parity gelu"),
    ("tanh: the builtin", "src/functions/activations.rs", "wgsl: \"tanh_exact(x)\"", "wgsl: \"tanh(x)\"", "parity tanh"),
    ("elementwise: last vec4 missing", "src/kernels/elementwise.rs", "let vec4s = outputs[0].shape.elements().div_ceil(4);", "let vec4s = (outputs[0].shape.elements() / 4).max(1);", "parity relu"),
    ("adam: bias correction of the step before", "shaders/optimizer.wgsl", "let t = f32(step_count[0]);", "let t = f32(max(step_count[0], 2u) - 1u);", "parity adam"),
    ("adam: decay not decoupled", "src/updates/rows.rs", "p *= 1.0 - lr * weight_decay;\n{% elif", "\n{% elif", "parity adam"),
    ("optimizer: a batch's parameters share workgroups", "shaders/common/parameters.wgsl", "  group -= groups{{ n }};", "", "fusion"),
    ("layout: the forward pass' weight not transposed", "src/plan/layout.rs", "if of_pixels(options, shape(1)) => product(false, true, &[0]),", "if of_pixels(options, shape(1)) => product(false, false, &[0]),", "fusion"),
    ("layout: images turned back with their channels first already", "src/plan/layout.rs", "Op::Permute { dims: vec![0, 3, 1, 2] }", "Op::Permute { dims: vec![0, 2, 1, 3] }", "fusion"),
    ("layout: what is read with its channels first costs nothing", "src/plan/layout.rs", "i64::from(made) + i64::from(is_read[value])", "i64::from(made)", "lib plan::layout"),
    ("matmul: the last run of a long sum left out", "src/kernels/matmul.rs", "partials::sum(Operand::Workspace(0), count, elements", "partials::sum(Operand::Workspace(0), count - 1, elements", "parity --case 'matmul a=52800x8 b=52800x12 trans_a data=integers:3'"),
    ("permute: the middle two of three dimensions changed round", "src/kernels/copy.rs", "sizes: [outer.0, inner.0, middle.0],", "sizes: [outer.0, middle.0, inner.0],", "parity permute"),
    ("sums: four partial sums a lane of the next run", "shaders/sum_partials.wgsl", "four(partials[at])", "four(partials[(at + LENGTH) % {{ runs * length // 4 }}u])", "parity sum"),
    ("batch: a step whose result is read waits", "src/plan/batch.rs", "let waits = group.outputs.iter().all(|&value| !read[value]);", "let waits = true;", "lib batch"),
    ("adam: amsgrad forgets the largest", "src/updates/rows.rs", "max_exp_avg_sq = max(max_exp_avg_sq, exp_avg_sq);", "max_exp_avg_sq = exp_avg_sq;", "parity adam"),
    ("radam: rectified a step too early", "src/updates/rows.rs", "if (length > 5.0) {", "if (length > 4.0) {", "parity radam"),
    ("radam: series of the length ends early", "src/updates/rows.rs", "(1.0 - s * s / 60.0 * (1.0 - s * s / 42.0))", "1.0", "parity radam"),
    ("nadam: momentum of the step before", "src/updates/rows.rs", "exp_bounded(t * momentum_decay * LN_096));\n  let next", "exp_bounded((t - 1.0) * momentum_decay * LN_096));\n  let next", "parity nadam"),
    ("rprop: a turned gradient still moves", "src/updates/rows.rs", "prev = select(g, vec4<f32>(), agreement < vec4<f32>());", "prev = g;", "parity rprop"),
    ("optimizer: dampening in the first step too (reference)", "src/updates/rows.rs", "dampening != 0.0 && n.step == 1.0", "false", "fixtures"),
    ("sgd: nesterov without its look ahead", "src/updates/rows.rs", "'(g + momentum * momentum_buffer)' if nesterov", "'momentum_buffer' if nesterov", "parity sgd"),
    ("fusion: a value that others read is not stored", "src/plan/joining.rs", ".filter(|&v| readers[v] > 1)", ".filter(|&v| readers[v] > 9)", "fusion"),
    ("fusion: operands swapped", "src/plan/fuse.rs", "step(node, through, group.inputs.len(), graph)", "step(node, 0, group.inputs.len(), graph)", "fusion"),
    ("fusion: order of the functions reversed", "src/kernels/fused.rs", "self.0.iter().enumerate().map(line)", "self.0.iter().enumerate().rev().map(line)", "fusion"),
    ("fusion: epilogue reads another element", "src/kernels/stretch.rs", "format!(\"{name}[i]\")", "format!(\"{name}[i / 2u]\")", "fusion"),
    ("planner: a slot given back too early", "src/plan/build.rs", "last_use[places[value].root] = turn;", "last_use[places[value].root] = turn.saturating_sub(1).max(last_use[places[value].root]);", "counters"),
    ("planner: what a kernel reads may share its output's buffer", "src/plan/slots.rs", "apart[a].push(b);\n                        apart[b].push(a);", "let _ = &apart;", "counters"),
    ("planner: a gap takes more than it holds", "src/plan/memory.rs", "at + bytes <= begin && tighter", "at < begin && tighter", "lib"),
    ("planner: lives that meet in a step share a slot", "src/plan/memory.rs", "self.first <= other.last && other.first <= self.last", "self.first < other.last && other.first < self.last", "parity cross_entropy matmul div reshape"),
    ("rewrite: relu masked by the error", "src/plan/rewrite.rs", "vec![error, pooled]", "vec![error, error]", "fusion"),
    ("views: every part begins where the whole does", "src/plan/views.rs", "offset: from.offset + start", "offset: from.offset", "parity narrow split"),
    ("views: bound where no binding may begin", "src/plan/views.rs", "bound(at(start)) && !begins[v]", "!begins[v]", "parity narrow split"),
    ("views: an output in the midst of a buffer", "src/plan/views.rs", "bound(at(start)) && !begins[v]", "bound(at(start))", "parity narrow split"),
    ("views: rows that lie apart", "src/plan/views.rs", ".all(|&size| size == 1)", ".all(|&size| size > 0)", "lib plan::views"),
    ("common: another op on the same operands", "src/plan/common.rs", "merged.nodes[e].op == node.op && ", "", "lib plan::common"),
    ("common: a constant of another shape", "src/plan/common.rs", "merged.nodes[e].op == node.op && ty(e).eq(ty(id))", "merged.nodes[e].op == node.op", "lib plan::common"),
    ("sum: what it loads is not computed, fours", "shaders/sum.wgsl", "prologue(four(input[first / 4u]), first / 4u)", "four(input[first / 4u])", "fusion"),
    ("sum: what it loads is computed with another element", "shaders/sum.wgsl", "prologue(input[at], at)", "prologue(input[at], at + 1u)", "parity --case 'sum input=2x300x57 dims=0,2 products data=integers:3'"),
    ("sum: columns computed with another row", "shaders/sum_columns.wgsl", "prologue(four(input[at]), at)", "prologue(four(input[at]), at % {{ columns }}u)", "parity --case 'sum input=28x32x64 dims=0,1 products data=integers:3'"),
    ("sum: every part is halved, and the sum of them", "src/kernels/sum.rs", "let target = if parts == 1 { Operand::Output(0) } else { Operand::Workspace(0) };\n    let own = if parts == 1 { fused.clone() } else { fused.loading() };", "let target = if parts == 1 { Operand::Output(0) } else { Operand::Workspace(0) };\n    let own = fused.clone();", "parity --case 'sum input=20x5x600 dims=0,1,2 products data=integers:3'"),
    ("sum: the sum of the parts is not divided", "shaders/sum_partials.wgsl", "else \"epilogue(total, to)\" }};", "else \"2.0 * epilogue(total, to)\" }};", "parity --case 'mean input=300x257 data=real:1'"),
    ("fusion: a sum takes in what is needed elsewhere", "src/plan/fuse.rs", "known.refusal(&groups[group], stored, ", "known.refusal(&groups[group], stored.filter(|_| !takes_prologue(node, graph)), ", "lib plan::fuse"),
    ("fold: a quotient upside down", "src/functions/binary.rs", "value: formula!(a, b => a / b)", "value: formula!(a, b => b / a)", "lib plan::fold"),
    ("staging: an input given again keeps its first value", "src/exec/staging.rs", "view.copy_from_slice(bytes);", "if before.is_none() { view.copy_from_slice(bytes); }", "fusion"),
    ("staging: all inputs are copied from the first byte", "src/exec/staging.rs", "self.waiting.push((begin, length, to));", "self.waiting.push((0, length, to));", "fusion"),
    ("fold: product for sum", "src/functions/binary.rs", "value: formula!(a, b => a * b)", "value: formula!(a, b => a + b)", "lib plan::fold"),
    ("fold: parts that differ", "src/plan/fold.rs", "v.to_bits() == first.to_bits()", "v.is_finite()", "lib plan::fold"),
    ("long loops: limits of a driver are not looked at", "src/kernels/turns.rs", "limits.max_turns.min(LONGEST) as usize", "(limits.max_turns.min(LONGEST) | u32::MAX) as usize", "parity avg_pool2d"),
    ("long loops: launches state none", "src/kernels/mod.rs", "turns: turns as u32,", "turns: turns.min(1) as u32,", "turns"),
    ("long loops: half of a sum's turns are stated", "src/kernels/sum.rs", "turns::of_loop(terms_per_part.div_ceil(lanes), 0)", "turns::of_loop(terms_per_part.div_ceil(2 * lanes), 0)", "turns"),
    ("long loops: a recurrent step's rows are not stated", "src/kernels/recurrent.rs", "[products, turns::of_loop(self.rows, 0)]", "[products, 0]", "turns"),
    ("avg_pool2d: a long window stops early", "shaders/avg_pool2d.wgsl", "max(y, 0) + {{ outer_last }}, rows)", "max(y, 0) + {{ outer_last }}, min(rows, 217))", "parity avg_pool2d"),
    ("avg_pool2d: a later piece of a window begins anew", "shaders/avg_pool2d.wgsl", "{{ \"output[at]\" if carried else \"0.0\" }}", "0.0", "parity avg_pool2d"),
    ("avg_pool2d: every piece of a window is divided", "shaders/avg_pool2d.wgsl", "{{ \"sum / divisor(i, j)\" if done and divides else \"sum\" }}", "sum / divisor(i, j)", "parity avg_pool2d"),
    ("avg_pool2d backward: a later piece begins anew", "shaders/avg_pool2d_backward.wgsl", "if carried else \"0.0\"", "if false else \"0.0\"", "parity-full --case 'avg_pool2d input=1x2x22x22 kernel=12 stride=1 data=integers:3'"),
    ("max_pool2d: a later piece of a window begins anew", "shaders/max_pool2d.wgsl", "{{ \"indices[at]\" if carried else \"NONE\" }}", "NONE", "parity-full --case 'max_pool2d input=1x2x22x22 kernel=12 stride=1 data=integers:3'"),
    ("max_pool2d: a long window stops early", "shaders/max_pool2d.wgsl", "for (var a = {{ outer_first }}; a < {{ outer_last }}; a++) {", "for (var a = {{ outer_first }}; a < {{ [outer_last, 217] | min }}; a++) {", "parity max_pool2d"),
    ("max_pool2d backward: a later piece begins anew", "shaders/max_pool2d_backward.wgsl", "{{ \"grad_input[at]\" if carried else \"0.0\" }}", "0.0", "parity-full --case 'max_pool2d input=1x2x22x22 kernel=12 stride=1 data=integers:3'"),
    ("sum: a long sum stops early", "shaders/sum.wgsl", "t < last; t += {{ lanes }}u", "t < min(last, part * {{ terms_per_part }}u + {{ lanes * 20000 }}u); t += {{ lanes }}u", "parity sum"),
    ("sum: later partial sums begin anew", "shaders/sum_partials.wgsl", "var total = {{ \"four(output[to])\" if fours else \"output[to]\" }};", "var total = {{ \"vec4<f32>()\" if fours else \"0.0\" }};", "parity-full --case 'sum input=7000x32 dims=0 data=integers:3'"),
    ("matmul: a long sum stops early", "shaders/matmul.wgsl", "k < {{ whole_end }}; k += 4u", "k < min({{ whole_end }}, 120000u); k += 4u", "parity matmul linear"),
    ("matmul: parts of the terms stored in one place", "src/kernels/matmul.rs", "let output = (parts, part * elements, count * elements);", "let output = (parts, (part * elements).min(elements), count * elements);", "parity matmul linear"),
    ("matmul: every part adds the bias", "src/kernels/matmul.rs", "bias: part == 0 && self.bias, geometry", "bias: self.bias, geometry", "parity matmul linear"),
    ("conv2d: a long sum of taps stops early", "shaders/conv2d.wgsl", "tap < {{ outer_last }}u; tap++", "tap < {{ [outer_last, outer_first + 2000] | min }}u; tap++", "parity conv2d"),
    ("conv2d: a long sum of channels stops early", "shaders/conv2d.wgsl", "for (var c = {{ inner_first * 4 }}u; c < {{ whole }}u; c += 4u) {", "for (var c = {{ inner_first * 4 }}u; c < {{ [whole, inner_first * 4 + 120000] | min }}u; c += 4u) {", "parity conv2d"),
    ("conv2d: taps of a later part of a phase are the first ones", "shaders/conv2d.wgsl", "for (var turn = {{ outer_first }}u;", "for (var turn = 0u;", "parity-full --case 'conv2d input=2x8x9x9 weight=100x8x3x3 stride=2 padding=1 data=integers:3'"),
    ("conv2d: parts of the terms stored in one place", "src/kernels/conv2d.rs", "let first_output = number * elements", "let first_output = number.min(1) * elements", "parity conv2d"),
    ("recurrent: a later launch goes on from another step", "shaders/recurrent.wgsl", "\"(\" ~ before * batch ~ \"u + row\"", "\"(\" ~ 0 * before ~ \"u + row\"", "parity lstm"),
    ("recurrent: steps left out between two launches", "shaders/recurrent.wgsl", "s < {{ last_step }}u; s++", "s < {{ last_step - 1 if last_step > 1000 else last_step }}u; s++", "parity gru"),
    ("recurrent backward: a long sequence stops early", "shaders/recurrent_backward.wgsl", "s < {{ last_step }}u; s++", "s < {{ [last_step, 2300] | min }}u; s++", "parity rnn_tanh"),
    ("rule: matmul with a wrong transpose", "src/ops/matmul.rs", "product(b, grad, trans_b, true)?", "product(b, grad, trans_b, false)?", "gradients matmul"),
    ("rule: linear's weight gradient of the wrong operand", "src/ops/matmul.rs", "product(grad, a, true, trans_a)?", "product(grad, a, true, trans_a)?.scale(0.5)?", "fixtures"),
    ("rule: division without its sign", "src/functions/binary.rs", "?.div(&flow.inputs[1])?.scale(-1.0))", "?.div(&flow.inputs[1]))", "fixtures"),
    ("rule: subtraction without its sign", "src/functions/binary.rs", "Gradient::Rule(|_, _, g| g.scale(-1.0))", "Gradient::Rule(|_, _, g| Ok(g.clone()))", "fixtures"),
    ("rule: stretched operand not summed", "src/ops/broadcast_to.rs", "unbroadcast(grad, &flow.inputs[0].shape())", "unbroadcast(&grad.scale(0.5)?, &flow.inputs[0].shape())", "fixtures"),
    ("rule: convolution's bias gradient over one axis less", "src/ops/conv2d.rs", "grad.sum(&[0, 2, 3], false)", "grad.sum(&[0, 2, 3], false)?.scale(2.0)", "fixtures"),
    ("rule: second derivative of the input gradient", "src/ops/conv2d.rs", "build(grad, weight, None, *options)", "build(&grad.scale(2.0)?, weight, None, *options)", "gradients conv2d"),
    ("rule: cross entropy saves its loss", "src/ops/cross_entropy.rs", "&flow.outputs[1]];", "&flow.outputs[0]];", "fixtures"),
    ("rule: sum's error not repeated whole", "src/ops/sum.rs", ".broadcast_to(shape.clone()))?])", ".broadcast_to(shape.clone())?.scale(0.5))?])", "fixtures"),
    ("reference: avg_pool2d counts beyond the padding", "src/reference/avg_pool2d.rs", "let end = (start + kernel).min(before + input + after);", "let end = start + kernel;", "fixtures"),
    ("reference: max_pool2d takes the last of equals", "src/reference/max_pool2d.rs", "value > most", "value >= most", "parity max_pool2d"),
    ("reference: elu's derivative without alpha", "src/functions/activations.rs", "if x <= 0.0 { alpha * x.exp() }", "if x <= 0.0 { x.exp() }", "fixtures"),
    ("run: a number that another run has taken is taken again", "src/bin/wgrad/run.rs", "if taken {\n            continue;", "if false {\n            continue;", "bin run::"),
    ("run: a folder with another run's settings is taken", "src/bin/wgrad/run.rs", "write(true).create_new(true).open(&path)?;", "write(true).create(true).truncate(true).open(&path)?;", "bin run::"),
    ("run: a refused run leaves its folder", "src/bin/wgrad/run.rs", "let _ = fs::remove_dir(folder);", "let _ = folder;", "bin run::"),
    ("run: rows are written at the end only", "src/bin/wgrad/run.rs", "file.write_all(format!(\"{row}\\n\").as_bytes())?;", "file.write_all(b\"\")?;", "runs"),
    ("run: earlier rows are not kept in the other folder", "src/bin/wgrad/run.rs", "Ok(write_atomically(&self.path.join(METRICS), self.metrics.as_bytes())?)", "Ok(())", "runs"),
    ("run: the last weights are not written to the other folder", "src/bin/wgrad/run.rs", "self.leave(&error)?;\n                write(&self.path)?;", "self.leave(&error)?;", "runs"),
    ("run: one that was kept elsewhere is a success", "src/bin/wgrad/run.rs", "Some(error) => bail!(\"{error}; the run is kept in {}\", self.path.display()),", "Some(_) => Ok(()),", "runs"),
    ("run: no room is found at the end", "src/bin/wgrad/run.rs", "&vec![b'w'; usize::try_from(bytes)?]", "&vec![b'w'; usize::try_from(bytes)?.min(1)]", "runs"),
    ("output: a place that cannot be written is found at the end", "src/bin/wgrad/output.rs", "if !folder.is_dir() {", "if false {", "runs"),
    ("output: what cannot be written is lost", "src/bin/wgrad/output.rs", "match save(&other) {", "match Ok::<(), wgrad::Error>(()) {", "runs"),
    ("files: a link is replaced by a file", "src/files.rs", "fs::canonicalize(path).and_then(|path| replace(&path, bytes))", "replace(path, bytes)", "lib files::"),
    ("device: a blank name is any device", "src/exec/device.rs", "d.trim().is_empty()", "d.trim() == \"?\"", "runs blank"),
    ("text: a byte order mark is a character", "src/data/text.rs", "strip_prefix('\\u{feff}')", "strip_prefix('\\u{fefe}')", "lib data::text"),
    ("text: CR LF is two characters", "src/data/text.rs", "text.replace(\"\\r\\n\", \"\\n\")", "text.to_owned()", "lib data::text"),
    ("text: from nothing, the first character is always the same", "src/train/text.rs", "[] => rng.below(self.vocabulary.len()) as u32,", "[] => 0,", "lib train::text"),
    ("csv: commas before semicolons", "src/bin/wgrad/csv/records.rs", "[';', '\\t', '|', ',']", "[',', ';', '\\t', '|']", "bin csv"),
    ("csv: the first value is a header", "src/bin/wgrad/csv/mod.rs", "if words().count() == 0 {", "if false {", "cli_csv csv_files"),
    ("csv: thousands are decimals", "src/bin/wgrad/csv/number.rs", "[_, true] => None,", "[_, true] => Some(Mark::Comma),", "bin csv"),
    ("csv: rows are counted without empty lines", "src/bin/wgrad/csv/records.rs", "now.begin = now.line;", "now.begin += 1;", "bin csv"),
    ("csv: a line from the wrong end of a gap", "src/bin/wgrad/csv/mod.rs", "low + share(i) * (high - low)", "high + share(i) * (low - high)", "bin csv"),
    ("idx: labels from 1 are not moved", "src/data/idx.rs", "self.labels.iter_mut().for_each(|label| *label -= first);", "", "lib data::idx"),
    ("idx: EMNIST's images stay on their side", "src/data/idx.rs", "name.contains(\"emnist\")", "name.contains(\"fmnist\")", "lib data::idx"),
    ("idx: the first of several sets is taken", "src/data/idx.rs", "if sets.len() > 1 {", "if sets.len() > 9 {", "lib data::idx"),
    ("models: heights for widths", "src/nn/models.rs", "Lstm::new(columns, HIDDEN)", "Lstm::new(rows, HIDDEN)", "lib nn::models"),
    ("plot: classes are counted from 0", "src/bin/wgrad/plot.rs", "(i32::from(first_label) + row).to_string()", "row.to_string()", "bin plot"),
    ("planning: what is alike is lowered again", "src/plan/lowered.rs", "if let Some(known) = self.known.get(&all) {", "if let Some(known) = self.known.get(&all).filter(|_| false) {", "lib plan::lowered"),
    ("planning: what differs in a function alone is lowered as one", "src/plan/lowered.rs", "(op, &group.fused, &inputs, &outputs)", "(op.name(), &group.fused.is_empty(), &inputs, &outputs)", "lib plan::lowered"),
    ("losses: equal numbers have a slope", "src/functions/losses.rs", "select(select(0.0, -g, a < b), g, a > b)", "select(g, -g, a < b)", "parity absolute_error"),
    ("losses: smooth L1 without its half", "src/functions/losses.rs", "select(d - 0.5 * beta, 0.5 * d", "select(d - beta, 0.5 * d", "parity smooth_l1"),
    ("nll_loss: rows that are ignored count", "shaders/nll_loss.wgsl", "u && !ignored;", "u;", "parity nll_loss"),
    ("nll_loss: gradient without its weight", "shaders/nll_loss_backward.wgsl", "\" * weight[class_index]\" if weighted else \"\"", "\"\"", "parity nll_loss"),
    ("losses: a weighted mean over the rows", "src/graph/rules/losses.rs", "weighted_mean(&rows, &counted, reduction)", "rows.reduced_by(reduction)", "fixtures"),
    ("losses: positive targets are weighted twice", "src/graph/rules/losses.rs", "pos_weight.add_scalar(-1.0)?", "pos_weight.add_scalar(0.0)?", "fixtures"),
    ("losses: a mean over the wrong size", "src/graph/rules/losses.rs", "self.shape().first().copied()", "self.shape().last().copied()", "fixtures"),
    ("losses: the right class has a margin", "src/graph/rules/margins.rs", ".one_hot(classes)?.neg()?", ".one_hot(classes)?.scale(0.0)?", "fixtures"),
    ("ctc_loss: a label follows itself at once", "shaders/common/ctc_states.wgsl", "class_of(n, state) != class_of(n, state - min(state, 2u))", "state % 2u == 1u", "parity ctc_loss"),
    ("ctc_loss: the last blank alone ends", "shaders/common/ctc_end.wgsl", "log_sum(alpha[end], alpha[end - 1u], nothing)", "alpha[end]", "parity ctc_loss"),
    ("ctc_loss: all samples have all steps", "shaders/ctc_loss_beta.wgsl", "t + 1u == length", "t + 1u == STEPS", "parity ctc_loss"),
    ("ctc_loss: nothing fits and is NaN", "shaders/common/ctc.wgsl", "if (is_log_of_zero(most)) { return most; }", "", "parity ctc_loss"),
    ("ctc_loss: a blank is no class of its own", "shaders/ctc_loss_backward.wgsl", "if (c == BLANK) {", "if (c == BLANK && label < count) {", "parity ctc_loss"),
    ("checks: a label that is no class is passed over", "shaders/ctc_loss_alpha.wgsl", "(within && c >= CLASSES)", "(within && c > CLASSES + 9u)", "checks"),
    ("checks: an ignored target of nll_loss is out of range", "shaders/nll_loss.wgsl", "u && !ignored) { atomicMin", "u) { atomicMin", "checks"),
    ("planning: shapes do not tell lowerings apart", "src/plan/lowered.rs", "(op, &group.fused, &inputs, &outputs)", "(op, &group.fused)", "lib plan::lowered"),
    ("planning: a chain without an end", "src/plan/joining.rs", "(group.fused.functions() >= MOST_FUNCTIONS)", "(group.fused.functions() >= usize::MAX)", "lib plan::fuse"),
    ("planning: a place is free one step early", "src/plan/stream.rs", "last < spans[i].0", "last <= spans[i].0", "lib plan::stream"),
    ("planning: read and written in one slot", "src/plan/stream.rs", "!apart.contains(&slot) && (begin", "(begin", "lib plan::stream"),
    ("planning: a life of one byte more than a gap takes it", "src/plan/stream.rs", "self.by_length.range((length, 0, 0)..)", "self.by_length.range((length.saturating_sub(self.alignment), 0, 0)..)", "lib plan::stream"),
    ("planning: zeros of either sign are one", "src/plan/common.rs", "node.op.attributes(), ty(id)", "\"\", ty(id)", "lib plan::common"),
    ("graph: an input's name is not kept", "src/graph/mod.rs", "leaves.entry(label.clone()).or_insert(node);", "", "lib graph"),
    ("ranges: a part binds from its second element on", "src/kernels/ranges.rs", "(bound, span.start - (window.start / 4) as usize)", "(bound, span.start + 1 - (window.start / 4) as usize)", "bindings same_bits"),
    ("ranges: a part is bound where the first one is", "src/kernels/ranges.rs", "binding.range(window.start, window.end - window.start)", "binding.range(0, window.end - window.start)", "bindings same_bits"),
    ("strided: parts without their offset", "src/kernels/strided.rs", "if first > 0 { format!(\" + {}u\", first / unit) }", "if first > usize::MAX / 2 { format!(\" + {}u\", first / unit) }", "bindings same_bits"),
    ("dropout: every part draws the first one's numbers", "shaders/dropout.wgsl", "2u * ({{ first }}u + i)", "2u * i", "bindings same_bits"),
    ("softmax: a part's rows from an aligned one on", "shaders/common/row.wgsl", "return {{ first_element }}u + row", "return row", "bindings same_bits"),
    ("cross entropy: losses of a part from an aligned row on", "shaders/cross_entropy.wgsl", "let place = {{ first_row }}u + row;", "let place = row;", "bindings same_bits"),
    ("sequence mask: every part is the first steps'", "shaders/sequence_mask.wgsl", "{{ first_step }}u + i / {{ batch }}u", "i / {{ batch }}u", "bindings same_bits"),
    ("embedding: every part of the table shows all", "shaders/embedding.wgsl", "  if (!known{{", "  if (false && !known{{", "bindings same_bits"),
    ("embedding: no part shows what the table lacks", "shaders/embedding.wgsl", "\" & (index < \" ~ rows ~ \"u)\" if first_row == 0", "\"\" if first_row == 0", "bindings same_bits"),
    ("matmul: later terms begin anew", "shaders/matmul.wgsl", "~ \"u)\" if carried else \"vec4<f32>()\" }};", "~ \"u)\" if carried and k < 0 else \"vec4<f32>()\" }};", "bindings same_bits"),
    ("matmul: bias and function with every part of the terms", "src/kernels/matmul.rs", "let (fused, biased) = if last {", "let (fused, biased) = if last || self.bias {", "bindings same_bits"),
    ("matmul: a part of the columns takes the first biases", "shaders/common/matmul.wgsl", "bias[{{ first_bias }}u + min(column + {{ q }}u, N - 1u)]", "bias[min(column + {{ q }}u, N - 1u)]", "bindings same_bits"),
    ("sum of columns: a part's columns lie as the whole's", "shaders/sum_columns.wgsl", "let at = {{ first_input }}u + r * {{ columns }}u + column;", "let at = {{ first_input }}u + r * {{ width }}u + column;", "bindings same_bits"),
    ("optimizer: parts of a parameter overlap", "src/kernels/optimizer.rs", "Some((first, count)) => b.range(first as u64 * 16, count as u64 * 16),", "Some((first, count)) => b.range(first as u64 * 8, count as u64 * 16),", "bindings same_bits"),
    ("unchecked: relu has no case", "src/verify/cases/elementwise.rs", "tried().iter().flat_map(lines_of)", "tried().iter().skip(1).flat_map(lines_of)", "verify every_function"),
    ("unchecked: mul has no case of its own", "src/verify/cases/elementwise.rs", "tried().iter().flat_map(lines_of)", "tried().iter().filter(|f| f.name() != \"mul\").flat_map(lines_of)", "verify every_function"),
    ("unchecked: gru has no case", "src/verify/cases/recurrent.rs", "    lines\n}", "    lines.retain(|line| !line.starts_with(\"gru\"));\n    lines\n}", "verify every_function"),
    ("unchecked: argmax has no case", "src/verify/cases/argmax.rs", "lines.chain(LONG.map(|t| format!(\"argmax input={t} data=late:3\"))).collect()", "lines.chain(LONG.map(|t| format!(\"argmax input={t} data=late:3\"))).filter(|_: &String| false).collect()", "verify every_function"),
    ("unchecked: AdamW has no case", "src/verify/cases/optimizer.rs", ", \" weight_decay=0.01 decoupled\"]", "]", "verify every_option"),
    ("unchecked: no loss is a sum", "src/verify/cases/cross_entropy.rs", "for reduction in [\"mean\", \"sum\", \"none\"]", "for reduction in [\"mean\", \"none\"]", "verify every_option"),
    ("unchecked: tanh has no gradient check", "src/verify/cases/elementwise.rs", "    case.output_and_gradients(&output)", "    if op == \"tanh\" {\n        case.output(\"output\", &output);\n        return Ok(());\n    }\n    case.output_and_gradients(&output)", "gradients every_function"),
    ("unchecked: scale has cases without its function", "src/verify/cases/elementwise.rs", "    let f = function(op, fields)?;", "    let f = if op == \"scale\" { Elementwise::leaky_relu(function(op, fields)?.parameters()[0]) } else { function(op, fields)? };", "fixtures every_function"),
    ("unchecked: a wildcard over ops without a reason", "src/plan/layout.rs", "        // Right for every op: it is given what it reads with the channels first.\n", "", "architecture wildcards"),
    ("custom: a second line of workgroups is the first", "src/kernels/custom.rs", "const GROUPS_X = {x}u;", "const GROUPS_X = 0u;", "lib verify::custom"),
    ("custom: outputs that no kernel writes", "src/kernels/custom.rs", "b.access == Access::Write && b.operand == Operand::Output(number)", "b.operand == Operand::Output(number)", "lib verify::custom"),
    ("custom: loop turns that a launch does not state", "src/verify/custom.rs", "launch.counted > launch.stated", "launch.counted > launch.stated + 2", "lib verify::custom"),
    ("custom: gradients are not held to differences", "src/verify/custom.rs", "if !near && measured.is_finite() {", "if !near && measured.is_nan() {", "lib verify::custom"),
    ("projection: its first state left out of the gates", "src/nn/recurrent/stack.rs", "if given {", "if given && steps == 0 {", "recurrent"),
    ("projection: first state of a backward direction with the first step", "src/nn/recurrent/stack.rs", "if reverse { [0, 0, 0, 0, others, 0] }", "if reverse { [0, 0, 0, 0, 0, others] }", "recurrent"),
    ("gru: the reset gate acts on nothing before its product", "src/nn/recurrent/cells.rs", "let from_state = r.mul(h)?.linear", "let from_state = h.linear", "recurrent"),
    ("clip: the norm of norms is Euclid's", "src/optim/clip.rs", "0)?.norm(norm_type, (), false)?,", "0)?.norm(2.0, (), false)?,", "lib optim::clip"),
    ("where: the error goes to what was not chosen", "src/functions/ternary.rs", "flow.inputs[0].select(g, &g.graph().scalar(0.0)?)", "flow.inputs[0].select(&g.graph().scalar(0.0)?, g)", "fixtures"),
]


def run(*command, cwd=COPY):
    folders = {"CARGO_TARGET_DIR": str(TARGET), "WGRAD_SHADERS": str(SHADERS)}
    # What a bug has measured or compiled must not be kept.
    folders |= {"WGRAD_PIPELINES": "off", "WGRAD_TUNING": "off"}
    environment = {**os.environ, **folders, "RUST_BACKTRACE": "0"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def parity(ops, quick):
    """Which tiers found the bug, with the number of cases; None where it was not found."""
    built = run("cargo", "build", *FEATURES, "--quiet")
    if built.returncode:
        return f"does not compile: {built.stderr[-300:]}"
    report = COPY / "parity.json"
    command = [str(TARGET / "debug" / "wgrad"), "parity", *ops, "--json", str(report)] + (["--quick"] if quick else [])
    report.unlink(missing_ok=True)
    done = run(*command)
    if done.returncode == 0:
        return None
    if not report.exists():
        return "parity: the command stops"
    cases = [c for c in json.loads(report.read_text())["cases"] if c["verdict"] == "fail"]
    tiers = Counter(c.get("tier", "device") for c in cases)
    return "parity: " + ", ".join(f"{tier} {count}" for tier, count in tiers.most_common())


FOUND = {
    "fixtures": "PyTorch's results",
    "gradients": "finite differences",
    "fusion": "fused chains",
    "lib": "the pass's own tests",
    "counters": "counted work",
    "checks": "programs that go wrong",
    "turns": "counted turns",
    "bin": "the command's own tests",
    "runs": "real runs that fail",
    "cli_csv": "real files",
    "verify": "the table of cases, by name",
    "recurrent": "layers step by step",
    "architecture": "the rules of the source",
    "planning": "long programs",
    "bindings": "tensors larger than a binding",
}


def test(name, words):
    where = {"lib": ["--lib"], "bin": ["--bin", "wgrad"]}.get(name, ["--test", name])
    done = run("cargo", "test", "--quiet", *FEATURES, *where, *words)
    if "could not compile" in done.stderr:
        return f"does not compile: {done.stderr[-300:]}"
    return None if done.returncode == 0 else FOUND[name]


def check(how):
    kind, *words = shlex.split(how)
    return parity(words, kind == "parity") if kind.startswith("parity") else test(kind, words)


def earlier():
    """What is known of each bug: by this tree's last run, else by the report."""
    lines = [line.split(" | ") for line in REPORT.read_text().splitlines() if line.startswith("| ")]
    known = {line[0][2:]: line[2].removesuffix(" |") for line in lines if len(line) == 3}
    return known | (json.loads(RESULTS.read_text()) if RESULTS.exists() else {})


def report(known):
    """Writes what is known of all bugs; those that no run has seen yet are counted."""
    ran = [m for m in MUTANTS if m[0] in known]
    found = [m for m in ran if not known[m[0]].startswith(("**", "does not", "the text"))]
    total = f"{len(found)} of {len(ran)} seeded bugs found."
    if len(ran) < len(MUTANTS):
        total += f" {len(MUTANTS) - len(ran)} more have not run yet: `scripts/mutants.py --new` does."
    table = "\n".join(f"| {m[0]} | `{m[1]}` | {known[m[0]]} |" for m in ran)
    REPORT.write_text(
        "# Seeded bugs\n\nWritten by `scripts/mutants.py`: one bug at a time, and what found it, with the number "
        f"of cases.\n\n{total}\n\n| bug | file | found by |\n|---|---|---|\n{table}\n"
    )


def main(words):
    known = earlier() if words else {}
    if words == ["--new"]:
        chosen = [m for m in MUTANTS if m[0] not in known]
    else:
        chosen = [m for m in MUTANTS if not words or any(w in m[0] for w in words)]
    chosen.sort(key=lambda mutant: not mutant[1].startswith("shaders/"))
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.rmtree(SHADERS, ignore_errors=True)
    keep = shutil.ignore_patterns("target", ".git", "runs")
    shutil.copytree(ROOT, COPY, ignore=keep)
    shutil.copytree(ROOT / "shaders", SHADERS)
    missed = 0
    for name, file, old, new, how in chosen:
        path = SHADERS / file.removeprefix("shaders/") if file.startswith("shaders/") else COPY / file
        text = path.read_text()
        if old not in text:
            found = "the text to replace is not there"
            missed += 1
        else:
            path.write_text(text.replace(old, new, 1))
            found = check(how)
            missed += found is None or found.startswith("does not compile")
            path.write_text(text)
        known[name] = found or "**not found**"
        # Those run before keep their result, so that a part can be run again.
        RESULTS.write_text(json.dumps(known))
        print(f"{name:60} {known[name]}", flush=True)
    report(known)
    print(f"{len(chosen) - missed} of {len(chosen)} seeded bugs found.")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
