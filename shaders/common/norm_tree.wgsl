{# Inside an entry point: what {{ lanes }} neighbouring lanes found, joined in a fixed order in the first of them. Zero lanes need no tree. #}
{% if lanes > 1 %}
  lanes[lane.x] = found;
  workgroupBarrier();
{% for step in tree %}
  if (own < {{ step }}u) { lanes[lane.x] = joined(lanes[lane.x], lanes[lane.x + {{ step }}u]); }
  workgroupBarrier();
{% endfor %}
  found = lanes[lane.x];
{% endif %}
