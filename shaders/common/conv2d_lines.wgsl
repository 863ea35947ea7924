    // Every line of the source that some pixel needs, loaded once; its products with weights, or with errors where weights
    // are what is added up.
    {% for u in columns %}
    {% if u.outside %}
    let in_line{{ loop.index0 }} = u32(x + {{ u.at }}) < u32(WIDTH);
    {% endif %}
    {% endfor %}
    {% for line in lines %}
    {
      {% if line.outside %}
      let in_image = u32(y + {{ line.at }}) < {{ source_h }}u;
      {% endif %}
      let begin = plane + (y + {{ line.at }}) * WIDTH;
      {% for u in columns %}
      {% set m = loop.index0 %}
      {% if line.outside or u.outside %}
      let ok{{ m }} = {{ "in_image" if line.outside }}{{ " & " if line.outside and u.outside }}{{ "in_line" ~ m if u.outside }};
      let loaded{{ m }} = select({{ zero(unit) }}, {{ load("source[select(0u, u32(begin + " ~ u.at ~ "), ok" ~ m ~ ")]", unit) }}, ok{{ m }});
      {% else %}
      let loaded{{ m }} = {{ load("source[u32(begin + " ~ u.at ~ ")]", unit) }};
      {% endif %}
      {% endfor %}
      {% for tap in taps %}
      {% set b = loop.index0 %}
      let b{{ b }} = {{ vector }}({% for position in tap.positions %}{{ number("loaded" ~ position.element, unit, position.part) }}{{ ", " if not loop.last }}{% endfor %});
      {% for product in line.products %}
      {% for i in range(rows) %}
      {% set w = "w" ~ i ~ "_" ~ product.r ~ "_" ~ tap.s %}
      {% set t = i ~ "_" ~ (product.t * spans + tap.part) %}
      {% if weights %}
      {{ w }} = fma(e{{ t }}, b{{ b }}, {{ w }});
      {% else %}
      s{{ t }} = fma({{ w }}, b{{ b }}, s{{ t }});
      {% endif %}
      {% endfor %}
      {% endfor %}
      {% endfor %}
    }
    {% endfor %}
