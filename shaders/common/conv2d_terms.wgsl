    // {{ count }} source channels from c on, of one tap: source values of 4 pixels times weights of {{ tm }} channels.
    {% for j in range(count) %}
    let b{{ j }} = vec4<f32>(
      {% for q in range(4) %}
      select(0.0, source[from{{ q }} + (c + {{ j }}u) * step{{ q }}], ok{{ q }}){{ "," if q < 3 else "" }}
      {% endfor %}
    );
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
    {% if shuffle %}
    s{{ i }} = fma(vec4<f32>(subgroupShuffle(held{{ i // lanes }}_{{ j }}, {{ i % lanes }}u)), b{{ j }}, s{{ i }});
    {% else %}
    s{{ i }} = fma(vec4<f32>(weight[w{{ i }} + (c + {{ j }}u) * {{ term_stride }}u + tap]), b{{ j }}, s{{ i }});
    {% endif %}
    {% endfor %}
    {% endfor %}
