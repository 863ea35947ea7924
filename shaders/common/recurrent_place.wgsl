// The batch rows and the four units of an invocation of workgroup `group`; those behind the last are moved inside.
  let first_row = group / {{ unit_tiles }}u * ROWS;
  let start = (group % {{ unit_tiles }}u * {{ lanes }}u + lane.x) * 4u;
  {% if vec4 %}
  let unit = min(start, H - 4u);
  {% else %}
  {% for q in range(4) %}
  let u{{ q }} = min(start + {{ q }}u, H - 1u);
  {% endfor %}
  {% endif %}
  {% for i in range(rows) %}
  let row{{ i }} = min(first_row + {{ i }}u, B - 1u);
  let row_ok{{ i }} = first_row + {{ i }}u < B;
  {% endfor %}
