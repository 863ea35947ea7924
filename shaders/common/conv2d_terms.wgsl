    // {{ count }} source channels from c on, of one tap: source values of {{ tn }} pixels times weights of {{ tm }} channels.
    {% for j in range(count) %}
    {% for v in range(tn // 4) %}
    let b{{ j }}_{{ v }} = vec4<f32>(
      {% for q in range(4 * v, 4 * v + 4) %}
      select(0.0, source[from{{ q }} + (c + {{ j }}u) * step{{ q }}], ok{{ q }}){{ "," if q % 4 < 3 else "" }}
      {% endfor %}
    );
    {% endfor %}
    {% endfor %}
    {% if shuffle %}
    {% for g in range(tm // lanes) %}
    {% for j in range(count) %}
    let held{{ g }}_{{ j }} = weight[w{{ g }} + (c + {{ j }}u) * {{ term_stride }}u + tap];
    {% endfor %}
    {% endfor %}
    {% endif %}
    {% for i in range(tm) %}
    {% for j in range(count) %}
    {% set held = "subgroupShuffle(held" ~ i // lanes ~ "_" ~ j ~ ", " ~ i % lanes ~ "u)" %}
    {% set loaded = "weight[w" ~ i ~ " + (c + " ~ j ~ "u) * " ~ term_stride ~ "u + tap]" %}
    let a{{ i }}_{{ j }} = {{ held if shuffle else loaded }};
    {% for v in range(tn // 4) %}
    s{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}_{{ j }}), b{{ j }}_{{ v }}, s{{ i }}_{{ v }});
    {% endfor %}
    {% endfor %}
    {% endfor %}
