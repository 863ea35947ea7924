  // The workgroups of each parameter in order, a vec4 an invocation.
  var group = flat_group(workgroup);
{% for n in range(count) %}
  let groups{{ n }} = (arrayLength(&param{{ n }}) + 63u) / 64u;
  if (group < groups{{ n }}) {
    update{{ n }}(group * 64u + lane.x);
    return;
  }
  group -= groups{{ n }};
{% endfor %}
