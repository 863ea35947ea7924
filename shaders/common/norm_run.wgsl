{# Inside an entry point: the run of numbers that this invocation's lanes go through, one of {{ runs }} runs of each of {{ kept }} sums.
   A tensor is (A, M, B): sums are over A and B; a run has some of A and, where B is long, some of B. #}
  let own = lane.x % {{ lanes }}u;
  let item = group * {{ items }}u + lane.x / {{ lanes }}u;
  let live = item < {{ kept * runs }}u;
  let m = min(item, {{ kept * runs - 1 }}u) % {{ kept }}u;
  let run = min(item, {{ kept * runs - 1 }}u) / {{ kept }}u;
{% if pieces > 1 %}
  let piece = run % {{ pieces_here }}u;
  let length = min({{ piece }}u, {{ b }}u - ({{ first_piece }}u + piece) * {{ piece }}u);
  let windows = {{ "length / 4u" if aligned else "(length + 6u) / 4u" }};
  let of_a = run / {{ pieces_here }}u;
  let start = of_a * {{ rows * m * b }}u + piece * {{ piece }}u + m * {{ b }}u + {{ first_input }}u;
{% else %}
  const length = {{ b }}u;
  const windows = {{ b // 4 if aligned else (b + 6) // 4 }}u;
  let of_a = run;
  let start = of_a * {{ rows * m * b }}u + m * {{ b }}u + {{ first_input }}u;
{% endif %}
  let terms = {{ "min(" ~ rows ~ "u, " ~ a ~ "u - (" ~ first_run ~ "u + of_a) * " ~ rows ~ "u)" if rows < a else rows ~ "u" }} * windows;
