  // A block of {{ size }} x {{ size }} sums of K products, {{ micro }} x {{ micro }} of them an invocation. A turn copies {{ turn }} terms of the block's
  // rows and columns to workgroup memory, so that what is loaded once from device memory is used {{ size }} times; while
  // they are multiplied the next ones are on their way to registers (Nath, Tomov and Dongarra, "An Improved MAGMA GEMM
  // for Fermi GPUs", 2010). The fours of an invocation lie {{ lanes }} apart, so that neighbours read neighbours.
  //
  // The kernel says where four lines of an operand are (place_a, place_b), what term k of them is (four_of_a, four_of_b:
  // 0 from K on), and what is done with four sums of a row (finish). {{ "Neighbouring invocations load terms of a that lie side by side" if along_a else "Neighbouring invocations load rows of a that lie side by side" }}, and {{ "terms" if along_b else "columns" }} of b.
  {# Fours that an invocation copies a turn, and that it multiplies. #}
  {% set fours = size // 4 %}
  {% set copies = fours * turn // (lanes * lanes) %}
  {% set parts = micro // 4 %}
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let z = group / (TILES_M * TILES_N);
  let first_a = (group / TILES_N) % TILES_M * SIZE;
  let first_b = group % TILES_N * SIZE;
  {% for name, along_terms in [("a", along_a), ("b", along_b)] %}
  {% for c in range(copies) %}
  {% set item = "(index + " ~ c * lanes * lanes ~ "u)" %}
  let term_{{ name }}{{ c }} = {{ item }} {{ "% TURN" if along_terms else "/ " ~ fours ~ "u" }};
  let four_{{ name }}{{ c }} = {{ item }} {{ "/ TURN" if along_terms else "% " ~ fours ~ "u" }};
  let place_{{ name }}{{ c }} = place_{{ name }}(z, first_{{ name }} + four_{{ name }}{{ c }} * 4u);
  var next_{{ name }}{{ c }} = four_of_{{ name }}(place_{{ name }}{{ c }}, term_{{ name }}{{ c }});
  {% endfor %}
  {% endfor %}
  {% for i in range(micro) %}
  {% for p in range(parts) %}
  var s{{ i }}_{{ p }} = vec4<f32>();
  {% endfor %}
  {% endfor %}
  for (var k = 0u; k < K; k += TURN) {
    {% for name in ["a", "b"] %}
    {% for c in range(copies) %}
    block_{{ name }}[term_{{ name }}{{ c }} * PITCH + four_{{ name }}{{ c }}] = next_{{ name }}{{ c }};
    {% endfor %}
    {% endfor %}
    workgroupBarrier();
    if (k + TURN < K) {
      {% for name in ["a", "b"] %}
      {% for c in range(copies) %}
      next_{{ name }}{{ c }} = four_of_{{ name }}(place_{{ name }}{{ c }}, k + TURN + term_{{ name }}{{ c }});
      {% endfor %}
      {% endfor %}
    }
    {% for t in range(turn) %}
    {
      {% for p in range(parts) %}
      let a{{ p }} = block_a[{{ t }}u * PITCH + lane.y + {{ p * lanes }}u];
      let b{{ p }} = block_b[{{ t }}u * PITCH + lane.x + {{ p * lanes }}u];
      {% endfor %}
      {% for i in range(micro) %}
      {% for p in range(parts) %}
      s{{ i }}_{{ p }} = fma(vec4<f32>(a{{ i // 4 }}[{{ i % 4 }}]), b{{ p }}, s{{ i }}_{{ p }});
      {% endfor %}
      {% endfor %}
    }
    {% endfor %}
    workgroupBarrier();
  }
  {% for p in range(parts) %}
  let column{{ p }} = first_b + (lane.x + {{ p * lanes }}u) * 4u;
  {% for i in range(micro) %}
  finish(z, first_a + (lane.y + {{ i // 4 * lanes }}u) * 4u + {{ i % 4 }}u, column{{ p }}, s{{ i }}_{{ p }});
  {% endfor %}
  {% endfor %}
