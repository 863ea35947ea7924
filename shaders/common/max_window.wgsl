{# The first of the largest elements of a window that begins at `y`, `x` and ends before `last_row`, `last_column`; of NaNs the last. #}
  var best = {{ "output[at]" if carried else "0.0" }};
  var index = {{ "indices[at]" if carried else "NONE" }};
  for (var iy = y + {{ outer_first }}u; iy < {{ last_row }}; iy++) {
    for (var ix = x + {{ inner_first }}u; ix < {{ last_column }}; ix++) {
      let here = iy * {{ w }}u + ix;
      let value = input[plane + here];
      let wins = (index == NONE) | is_nan(value) | (value > best);
      best = select(best, value, wins);
      index = select(index, here, wins);
    }
  }
  output[at] = best;
  indices[at] = index;
