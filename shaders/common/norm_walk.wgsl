{# Inside an entry point: what this invocation has of a tensor (N, G, K, L). In rows of whole fours, {{ row_lanes }} invocations share a row
   or a stretch of {{ stretch }} fours of it; else each has four neighbours, of whatever rows. #}
{% if fours %}
  let row = group / {{ stretches }}u * {{ 64 // row_lanes }}u + lane.x / {{ row_lanes }}u;
  if (row >= {{ rows }}u) { return; }
  let begin = group % {{ stretches }}u * {{ stretch }}u;
  let end = min(begin + {{ stretch }}u, {{ l // 4 }}u);
  let base = {{ base }};
  let at = statistic(row);
{% else %}
  let i = group * 64u + lane.x;
  if (i >= {{ width }}u) { return; }
  let elements = (i + {{ first_four }}u) * 4u + vec4<u32>(0u, 1u, 2u, 3u);
  // What is behind the last element is padding.
  let rows = min(elements / L, vec4<u32>({{ rows - 1 }}u));
{% if not per_row and parameters %}
  let position = elements % L;
{% endif %}
{% endif %}
