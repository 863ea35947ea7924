// Small images out of numbers, a canvas pixel each; the style sheet enlarges them.

/** Grey pixels of 0 to 255. */
export function grey(canvas, pixels, side) {
  const image = new ImageData(side, side);
  pixels.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  canvas.width = canvas.height = side;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/**
 * `count` planes of `height` by `width` numbers, so many in a row, a line of nothing between them. Signed numbers are blue
 * below zero and orange above it, each plane by its own largest; others are grey, black for 0.
 */
export function planes(canvas, values, { count, height, width, columns, signed }) {
  const rows = Math.ceil(count / columns);
  const gap = Math.max(1, Math.round(height / 14));
  const [w, h] = [columns * (width + gap) - gap, rows * (height + gap) - gap];
  const image = new ImageData(w, h);
  for (let plane = 0; plane < count; plane++) {
    const part = values.subarray(plane * height * width, (plane + 1) * height * width);
    let most = 1e-12;
    for (const value of part) most = Math.max(most, Math.abs(value));
    const [left, top] = [(plane % columns) * (width + gap), Math.floor(plane / columns) * (height + gap)];
    part.forEach((value, i) => {
      const at = 4 * ((top + Math.floor(i / width)) * w + left + (i % width));
      image.data.set(signed ? two(value / most) : one(value / most), at);
    });
  }
  canvas.width = w;
  canvas.height = h;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const mix = (from, to, share) => [...from.map((v, i) => Math.round(v + (to[i] - v) * share)), 255];
const one = (share) => mix([13, 15, 16], [245, 240, 228], Math.min(1, Math.max(0, share)));
const two = (share) => mix([128, 130, 132], share < 0 ? [43, 108, 176] : [240, 137, 50], Math.min(1, Math.abs(share)));
