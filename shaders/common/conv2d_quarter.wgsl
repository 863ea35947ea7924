    // Four source channels from 4 * c on, of one tap: source values of {{ tn }} pixels times weights of {{ tm }} channels.
    {% for q in range(tn) %}
    let p{{ q }} = four(source[from{{ q }} + c]);
    {% endfor %}
    {% for j in range(4) %}
    {% for v in range(0, tn, 4) %}
    let b{{ j }}_{{ v // 4 }} = vec4<f32>(p{{ v }}[{{ j }}], p{{ v + 1 }}[{{ j }}], p{{ v + 2 }}[{{ j }}], p{{ v + 3 }}[{{ j }}]);
    {% endfor %}
    {% endfor %}
    {% for g in range(tm // lanes if shuffle else tm) %}
    let held{{ g }} = four(weight[w{{ g }} + c]);
    {% endfor %}
{% include "common/conv2d_products.wgsl" %}
