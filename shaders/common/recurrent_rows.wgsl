  // What an invocation has to do: its number along the units{{ ", in a slice of the terms" if slices > 1 }}, the batch rows of workgroup `group` and its
  // first tile of units; rows behind the last are moved inside.
  {% if slices > 1 %}
  let slice = lane.x / {{ lanes }}u;
  let unit_lane = lane.x % {{ lanes }}u;
  {% else %}
  let unit_lane = lane.x;
  {% endif %}
  let first_row = group / {{ unit_tiles }}u * ROWS;
  let first_tile = group % {{ unit_tiles }}u;
  {% for i in range(rows) %}
  let row{{ i }} = min(first_row + {{ i }}u, B - 1u);
  {% endfor %}
  {% if shuffle %}
  {% for g in range(rows // 8) %}
  let held_slot{{ g }} = {{ g * 8 }}u + lane.x % 8u;
  let held_row{{ g }} = min(first_row + held_slot{{ g }}, B - 1u);
  {% endfor %}
  {% endif %}
