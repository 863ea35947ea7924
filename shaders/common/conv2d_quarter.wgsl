    // Four source channels from 4 * c on, of one tap: source values of 4 pixels times weights of {{ tm }} channels.
    {% for q in range(4) %}
    let p{{ q }} = four(source[from{{ q }} + c]);
    {% endfor %}
    {% for j in range(4) %}
    let b{{ j }} = vec4<f32>(p0[{{ j }}], p1[{{ j }}], p2[{{ j }}], p3[{{ j }}]);
    {% endfor %}
    {% for g in range(tm // lanes if shuffle else tm) %}
    let held{{ g }} = four(weight[w{{ g }} + c]);
    {% endfor %}
{% include "common/conv2d_products.wgsl" %}
