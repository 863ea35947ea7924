// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, 2011): 64 random bits from a key and a counter,
// by additions, rotations and exclusive ors alone, so the same on every device.
{% set keys = ["key.x", "key.y", "(0x1bd11bdau ^ key.x ^ key.y)"] %}
{% set rotations = [[13, 15, 26, 6], [17, 29, 16, 24]] %}
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
  var x = counter.x + key.x;
  var y = counter.y + key.y;
{% for group in range(5) %}
  {% for r in rotations[group % 2] %}
  x += y;
  y = ((y << {{ r }}u) | (y >> {{ 32 - r }}u)) ^ x;
  {% endfor %}
  x += {{ keys[(group + 1) % 3] }};
  y += {{ keys[(group + 2) % 3] }} + {{ group + 1 }}u;
{% endfor %}
  return vec2<u32>(x, y);
}
