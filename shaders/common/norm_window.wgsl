// window: where the four numbers number t of a run lie (macro); whether each belongs to it, where runs do not lie in whole fours.
{% macro window(j, t, aligned, stride) %}
      let t{{ j }} = {{ t }};
{% if aligned %}
      let at{{ j }} = (start + t{{ j }} / windows * {{ stride }}u) / 4u + t{{ j }} % windows;
{% else %}
      let from{{ j }} = start + t{{ j }} / windows * {{ stride }}u;
      let four{{ j }} = from{{ j }} / 4u + t{{ j }} % windows;
      let within{{ j }} = four{{ j }} * 4u + vec4<u32>(0u, 1u, 2u, 3u) - from{{ j }} < vec4<u32>(length);
      let at{{ j }} = min(four{{ j }}, last_four);
{% endif %}
{% endmacro %}
