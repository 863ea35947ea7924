// The area to draw a digit in: by pointer or by keyboard. What is drawn are strokes, lists of points of 0 to 1.

const SIDE = 28;
/** The longer side of a digit's box, as in the digits that the network learns from (and in MNIST). */
const BOX = 20;
/** The pen's width in pixels of the small image. */
const PEN = 2.6;
/** How far an arrow key moves the pen. */
const STEP = 0.04;

export class Pad {
  /** `changed(pixels)` is told the 28 by 28 grey values, or null when the area is empty. */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.strokes = [];
    this.pen = { x: 0.5, y: 0.2, down: false };
    this.small = document.createElement("canvas");
    this.small.width = this.small.height = SIDE;
    // The first call settles how the canvas is kept.
    this.small.getContext("2d", { willReadFrequently: true });
    canvas.addEventListener("pointerdown", (e) => this.#down(e));
    canvas.addEventListener("pointermove", (e) => this.#move(e));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.drawing = null));
    canvas.addEventListener("keydown", (e) => this.#key(e));
    for (const event of ["focus", "blur"]) canvas.addEventListener(event, () => this.#draw());
    this.#draw();
  }

  clear() {
    this.strokes = [];
    this.drawing = null;
    this.pen.down = false;
    this.#draw();
    this.#tell();
  }

  /** Shows an image that was not drawn here. */
  show(pixels) {
    this.strokes = [];
    this.#draw();
    const c = this.canvas.getContext("2d");
    const image = new ImageData(SIDE, SIDE);
    pixels.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
    this.small.getContext("2d").putImageData(image, 0, 0);
    c.imageSmoothingEnabled = true;
    c.drawImage(this.small, 0, 0, this.canvas.width, this.canvas.height);
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #down(event) {
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = [this.#at(event)];
    this.strokes.push(this.drawing);
    this.#draw();
    this.#tell();
  }

  #move(event) {
    if (!this.drawing) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) this.drawing.push(this.#at(part));
    this.#draw();
    this.#tell();
  }

  #key(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const { pen } = this;
    if (by) {
      pen.x = Math.min(0.98, Math.max(0.02, pen.x + by[0] * STEP));
      pen.y = Math.min(0.98, Math.max(0.02, pen.y + by[1] * STEP));
      if (pen.down) this.strokes[this.strokes.length - 1].push([pen.x, pen.y]);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) this.strokes.push([[pen.x, pen.y]]);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      return this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.#draw();
    if (pen.down) this.#tell();
  }

  #draw() {
    const c = this.canvas.getContext("2d");
    const side = this.canvas.width;
    c.fillStyle = "#0d0f10";
    c.fillRect(0, 0, side, side);
    stroke(c, this.strokes, side * 0.075, ([x, y]) => [x * side, y * side]);
    if (document.activeElement === this.canvas && !this.drawing) {
      c.strokeStyle = this.pen.down ? "#ffb26b" : "#6cc0c9";
      c.lineWidth = 2;
      c.beginPath();
      c.arc(this.pen.x * side, this.pen.y * side, side * 0.045, 0, 2 * Math.PI);
      c.stroke();
    }
  }

  #tell() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.changed(this.#pixels());
    });
  }

  /** The strokes fitted into a box of 20 pixels in the middle of 28, with a pen of one width whatever the size drawn. */
  #pixels() {
    const points = this.strokes.flat();
    if (points.length === 0) return null;
    const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
    // A dot stays a dot.
    const scale = (BOX - PEN) / Math.max(width, height, 0.05);
    const place = ([x, y]) => [(x - left - width / 2) * scale + SIDE / 2, (y - top - height / 2) * scale + SIDE / 2];
    const c = this.small.getContext("2d");
    c.fillStyle = "#000";
    c.fillRect(0, 0, SIDE, SIDE);
    stroke(c, this.strokes, PEN, place);
    const { data } = c.getImageData(0, 0, SIDE, SIDE);
    return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => data[4 * i]);
  }
}

function stroke(c, strokes, width, place) {
  c.strokeStyle = "#fff";
  c.lineWidth = width;
  c.lineCap = c.lineJoin = "round";
  for (const points of strokes) {
    c.beginPath();
    points.forEach((point, i) => c[i ? "lineTo" : "moveTo"](...place(point)));
    // A line to where it is draws a dot.
    if (points.length === 1) c.lineTo(...place(points[0]));
    c.stroke();
  }
}
