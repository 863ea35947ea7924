// Phases of an input gradient with strides. A pixel of the target takes part in the taps from which it is a multiple
// of the stride away: pixels that agree modulo the stride share their taps, and among them the sum is a dense
// convolution. Phase p has line p / PHASES_W of the first table and line p % PHASES_W of the second: the first pixel,
// the first tap, how many taps, and the pixel of the source that the first pixel takes by the first tap.
const PHASES = {{ phases.count }}u;
const PHASES_W = {{ phases.w.table | length }}u;
{% for name, side in [("VERTICAL", phases.h), ("HORIZONTAL", phases.w)] %}
const {{ name }} = array<vec4<i32>, {{ side.table | length }}>({% for line in side.table %}vec4<i32>({{ line | join(", ") }}){{ ", " if not loop.last }}{% endfor %});
{% endfor %}
// From a tap of a phase to the next one, and how much further back in the source that reads.
const STEP = vec2<u32>({{ phases.h.step }}u, {{ phases.w.step }}u);
const BACK = vec2<i32>({{ phases.h.delta }}, {{ phases.w.delta }});
