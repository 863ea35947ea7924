  // A block of {{ size }} x {{ size }} sums of K products, {{ rows_each }} x {{ columns_each }} of them an invocation. An iteration copies {{ k_tile }} terms of the block's
  // rows and columns to workgroup memory, so that what is loaded once from device memory is used {{ size }} times; while
  // they are multiplied the next ones are on their way to registers (Nath, Tomov and Dongarra, "An Improved MAGMA GEMM
  // for Fermi GPUs", 2010). The fours of an invocation lie apart by those of all others along the side, so that
  // neighbours read neighbours; invocations are numbered in a zigzag of 2 x 2, so that two or four neighbours read the
  // same four at once.
  {% if slices > 1 %}
  // {{ slices }} slices of the workgroup divide the terms among them, so that few blocks are still many invocations; their sums
  // are added in order at the end, in the memory that held the terms.
  {% endif %}
  //
  // The kernel says where lines of an operand are (position_a, position_b), what a term of four of them is, or four terms of
  // one of them where those are one load (four_of_a, four_of_b: 0 from K on), and what is done with four sums of a row
  // (finish). {{ "Neighbouring invocations load terms of a that lie side by side" if along_a else "Neighbouring invocations load rows of a that lie side by side" }}, and {{ "terms" if along_b else "columns" }} of b.
  {# Where the loop over the terms ends, which must be uniform, for there are barriers in it. #}
  {% set terms_end = terms_end if terms_end is defined else "K" %}
  {# Fours that an invocation copies an iteration, and that it multiplies. #}
  {% set fours = size // 4 %}
  {% set invocations = across_lanes * down_lanes %}
  {% set copies = fours * k_tile // invocations %}
  {% set row_fours = rows_each // 4 %}
  {% set parts = columns_each // 4 %}
  {% set half = k_tile * (fours + 1) %}
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let z = group / (TILES_M * TILES_N);
  let first_a = (group / TILES_N) % TILES_M * SIZE;
  let first_b = group % TILES_N * SIZE;
  {% if slices > 1 %}
  let item = index % {{ invocations }}u;
  let first_term = lane.z * K_TILE;
  let slice = lane.z * {{ 2 * half }}u;
  {% else %}
  let item = index;
  let first_term = 0u;
  let slice = 0u;
  {% endif %}
  {% if across_lanes >= 8 %}
  // 32 invocations are a block of 8 x 4.
  let near = item % 32u;
  let across = item / 32u % {{ across_lanes // 8 }}u * 8u + ((near & 1u) | ((near >> 1u) & 2u) | ((near >> 2u) & 4u));
  let down = item / 32u / {{ across_lanes // 8 }}u * 4u + (((near >> 1u) & 1u) | ((near >> 2u) & 2u));
  {% else %}
  let across = (item & 1u) | ((item >> 1u) & 2u);
  let down = ((item >> 1u) & 1u) | ((item >> 2u) & 2u);
  {% endif %}
  {% for name, along_terms, whole in [("a", along_a, whole_a), ("b", along_b, whole_b)] %}
  {% set from = "slice" ~ (" + HALF" if name == "b") %}
  {% for c in range(copies) %}
  {% set item = "(item + " ~ c * invocations ~ "u)" %}
  {% if whole %}
  let term_{{ name }}{{ c }} = {{ item }} % {{ k_tile // 4 }}u * 4u;
  let line_{{ name }}{{ c }} = {{ item }} / {{ k_tile // 4 }}u;
  let at_{{ name }}{{ c }} = {{ from }} + term_{{ name }}{{ c }} * PITCH + line_{{ name }}{{ c }} / 4u;
  {% else %}
  let term_{{ name }}{{ c }} = {{ item }} {{ "% K_TILE" if along_terms else "/ " ~ fours ~ "u" }};
  let four_{{ name }}{{ c }} = {{ item }} {{ "/ K_TILE" if along_terms else "% " ~ fours ~ "u" }};
  let line_{{ name }}{{ c }} = four_{{ name }}{{ c }} * 4u;
  let at_{{ name }}{{ c }} = {{ from }} + term_{{ name }}{{ c }} * PITCH + four_{{ name }}{{ c }};
  {% endif %}
  let position_{{ name }}{{ c }} = position_{{ name }}(z, first_{{ name }} + line_{{ name }}{{ c }});
  var next_{{ name }}{{ c }} = four_of_{{ name }}(position_{{ name }}{{ c }}, first_term + term_{{ name }}{{ c }});
  {% endfor %}
  {% endfor %}
  {% for i in range(rows_each) %}
  {% for p in range(parts) %}
  {% if carried is defined and carried %}
  var s{{ i }}_{{ p }} = {{ "select(vec4<f32>(), " if slices > 1 }}carried(z, first_a + (down + {{ i // 4 * down_lanes }}u) * 4u + {{ i % 4 }}u, first_b + (across + {{ p * across_lanes }}u) * 4u){{ ", lane.z == 0u)" if slices > 1 }};
  {% else %}
  var s{{ i }}_{{ p }} = vec4<f32>();
  {% endif %}
  {% endfor %}
  {% endfor %}
  for (var k = 0u; k < {{ terms_end }}; k += {{ k_tile * slices }}u) {
    {% for name, whole in [("a", whole_a), ("b", whole_b)] %}
    {% for c in range(copies) %}
    {% if whole %}
    {% for q in range(4) %}
    block[at_{{ name }}{{ c }} + {{ q }}u * PITCH][line_{{ name }}{{ c }} % 4u] = next_{{ name }}{{ c }}[{{ q }}];
    {% endfor %}
    {% else %}
    block[at_{{ name }}{{ c }}] = next_{{ name }}{{ c }};
    {% endif %}
    {% endfor %}
    {% endfor %}
    workgroupBarrier();
    if (k + {{ k_tile * slices }}u < {{ terms_end }}) {
      let next = k + {{ k_tile * slices }}u + first_term;
      {% for name in ["a", "b"] %}
      {% for c in range(copies) %}
      next_{{ name }}{{ c }} = four_of_{{ name }}(position_{{ name }}{{ c }}, next + term_{{ name }}{{ c }});
      {% endfor %}
      {% endfor %}
    }
    {% if unroll < k_tile %}
    for (var first = 0u; first < K_TILE * PITCH; first += {{ unroll * (fours + 1) }}u) {
    {% endif %}
    {% set from = ("first + " if unroll < k_tile) ~ "slice" %}
    {% for t in range(unroll) %}
    {
      {% for p in range(row_fours) %}
      let a{{ p }} = block[{{ from }} + {{ t * (fours + 1) + p * down_lanes }}u + down];
      {% endfor %}
      {% for p in range(parts) %}
      let b{{ p }} = block[{{ from }} + {{ half + t * (fours + 1) + p * across_lanes }}u + across];
      {% endfor %}
      {% for i in range(rows_each) %}
      {% for p in range(parts) %}
      s{{ i }}_{{ p }} = fma(vec4<f32>(a{{ i // 4 }}[{{ i % 4 }}]), b{{ p }}, s{{ i }}_{{ p }});
      {% endfor %}
      {% endfor %}
    }
    {% endfor %}
    {% if unroll < k_tile %}
    }
    {% endif %}
    workgroupBarrier();
  }
  {% if slices > 1 %}
  {# Rows of an invocation whose sums fit the memory of a slice. #}
  {% set some = 2 * half // (invocations * parts) %}
  {% for first in range(0, rows_each, some) %}
  {% set these = range(first, [first + some, rows_each] | min) %}
  if (lane.z > 0u) {
    {% for i in these %}
    {% for p in range(parts) %}
    block[slice + {{ ((i - first) * parts + p) * invocations }}u + item] = s{{ i }}_{{ p }};
    {% endfor %}
    {% endfor %}
  }
  workgroupBarrier();
  if (lane.z == 0u) {
    for (var other = {{ 2 * half }}u; other < {{ 2 * half * slices }}u; other += {{ 2 * half }}u) {
      {% for i in these %}
      {% for p in range(parts) %}
      s{{ i }}_{{ p }} += block[other + {{ ((i - first) * parts + p) * invocations }}u + item];
      {% endfor %}
      {% endfor %}
    }
  }
  {% if not loop.last %}
  workgroupBarrier();
  {% endif %}
  {% endfor %}
  if (lane.z > 0u) { return; }
  {% endif %}
  {% for p in range(parts) %}
  let column{{ p }} = first_b + (across + {{ p * across_lanes }}u) * 4u;
  {% for i in range(rows_each) %}
  finish(z, first_a + (down + {{ i // 4 * down_lanes }}u) * 4u + {{ i % 4 }}u, column{{ p }}, s{{ i }}_{{ p }});
  {% endfor %}
  {% endfor %}
