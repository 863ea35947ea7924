{# The four pixels around a position of the first one `x`, `y`: their numbers, and whether they lie inside. #}
  let nw = pixel(y, x);
  let ne = pixel(y, x + 1);
  let sw = pixel(y + 1, x);
  let se = pixel(y + 1, x + 1);
  let has_nw = inside(y, x);
  let has_ne = inside(y, x + 1);
  let has_sw = inside(y + 1, x);
  let has_se = inside(y + 1, x + 1);
