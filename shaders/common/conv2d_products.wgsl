    // Four terms: those that were loaded of each row, passed round where lanes share them, times b0 to b3 of each four
    // columns.
    {% for i in range(tm) %}
    {% if shuffle %}
    let a{{ i }} = subgroupShuffle(held{{ i // lanes }}, {{ i % lanes }}u);
    {% else %}
    let a{{ i }} = held{{ i }};
    {% endif %}
    {% for j in range(4) %}
    {% for v in range(tn // 4) %}
    s{{ i }}_{{ v }} = fma(vec4<f32>(a{{ i }}[{{ j }}]), b{{ j }}_{{ v }}, s{{ i }}_{{ v }});
    {% endfor %}
    {% endfor %}
    {% endfor %}
