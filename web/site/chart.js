// A line chart on a canvas. It keeps at most MOST points a line: then every second one goes, so that hours need no memory.

const MOST = 600;

export class Chart {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{names: string[], colors: string[], range?: [number, number], format: (y: number) => string}} options
   *   colors are CSS variables; without a range the chart begins at 0 and ends above the largest value.
   */
  constructor(canvas, options) {
    this.canvas = canvas;
    this.options = options;
    this.clear();
    new ResizeObserver(() => this.#later()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#later());
  }

  clear() {
    this.lines = this.options.names.map(() => []);
    this.every = this.options.names.map(() => 1);
    this.skipped = this.options.names.map(() => 0);
    this.canvas.setAttribute("aria-label", `${this.options.names.join(", ")}: nothing yet`);
    this.#later();
  }

  add(line, x, y) {
    const points = this.lines[line];
    this.skipped[line] += 1;
    if (points.length > 1 && this.skipped[line] < this.every[line]) {
      points[points.length - 1] = [x, y];
    } else {
      this.skipped[line] = 0;
      points.push([x, y]);
    }
    if (points.length > MOST) {
      this.lines[line] = points.filter((_, i) => i % 2 === 0 || i === points.length - 1);
      this.every[line] *= 2;
    }
    this.#later();
  }

  /** What a screen reader is told; called now and then, not for every point. */
  describe() {
    const told = this.options.names.map((name, i) => {
      const points = this.lines[i];
      if (points.length === 0) return `${name}: nothing yet`;
      const [first, last] = [points[0], points[points.length - 1]];
      const of = this.options.format;
      return `${name}: ${of(first[1])} at step ${first[0]}, ${of(last[1])} at step ${last[0]}`;
    });
    this.canvas.setAttribute("aria-label", told.join("; "));
  }

  #later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#draw();
    });
  }

  #draw() {
    const { canvas, options } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (width === 0) return;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const style = getComputedStyle(canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    const c = canvas.getContext("2d");
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, width, height);
    const all = this.lines.flat();
    const [low, high] = options.range ?? [0, all.reduce((most, p) => Math.max(most, p[1]), 0) * 1.05 || 1];
    const last = Math.max(1, all.reduce((most, p) => Math.max(most, p[0]), 0));
    const [left, right, top, bottom] = [42, 8, 8, 22];
    const x = (v) => left + (v / last) * (width - left - right);
    const y = (v) => height - bottom - ((v - low) / (high - low)) * (height - top - bottom);
    c.font = `12px ${style.fontFamily}`;
    c.lineWidth = 1;
    c.strokeStyle = color("--line");
    c.fillStyle = color("--quiet");
    c.textBaseline = "middle";
    c.textAlign = "right";
    for (let i = 0; i <= 4; i++) {
      const v = low + ((high - low) * i) / 4;
      c.beginPath();
      c.moveTo(left, Math.round(y(v)) + 0.5);
      c.lineTo(width - right, Math.round(y(v)) + 0.5);
      c.stroke();
      c.fillText(options.format(v), left - 6, y(v));
    }
    c.textBaseline = "alphabetic";
    c.fillText(`step ${last}`, width - right, height - 5);
    c.textAlign = "left";
    c.fillText("0", left, height - 5);
    c.lineWidth = 2;
    c.lineJoin = "round";
    this.lines.forEach((points, i) => {
      c.strokeStyle = c.fillStyle = color(options.colors[i]);
      c.beginPath();
      points.forEach(([px, py], n) => c[n ? "lineTo" : "moveTo"](x(px), y(Math.min(high, Math.max(low, py)))));
      c.stroke();
      if (points.length === 1) c.fillRect(x(points[0][0]) - 2, y(points[0][1]) - 2, 4, 4);
    });
  }
}
