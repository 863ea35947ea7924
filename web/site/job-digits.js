// Trains the SimpleCNN on drawn digits and looks into it now and then.

/** Milliseconds between two messages of progress, two looks into the network, and two copies of its weights. */
const TELL = 100;
const LOOK = 900;
const KEEP = 4000;
/** Steps between two tests within an epoch, at first and later. */
const TEST_FIRST = 16;
const TEST_LATER = 64;
/** How often a lost device is opened again without a step in between. */
const TRIES = 3;

export async function digits({ engine, memory, options, inbox, send }) {
  const stage = (text) => send({ type: "stage", text });
  stage("Opening the GPU");
  const job = await engine.Digits.open(options);
  const opened = () => send({ type: "opened", device: job.device(), batch: job.batch });
  opened();
  send(job.samples());
  stage("Compiling the kernels");
  try {
    await job.compile();
  } catch (error) {
    // What does not fit may fit with fewer examples at a time.
    const batch = job.batch > 8 ? Math.floor(job.batch / 2) : 0;
    send({ type: "refused", message: String(error.message ?? error), batch });
    return;
  }
  send({ type: "started", ...job.plan() });
  stage("Training");

  let [told, looked, kept, tested] = [0, performance.now(), performance.now(), 0];
  let looks = [];
  let watched;
  let tries = 0;
  let done = false;
  let held = "";
  const rate = new Rate();

  async function tell() {
    if (watched?.pixels) send({ type: "told", number: watched.number, ...(await job.told(watched.pixels)) });
  }

  async function look() {
    looked = performance.now();
    await tell();
    send({ type: "filters", ...(await job.filters()) });
  }

  async function test() {
    rate.stop();
    send({ type: "test", ...(await job.test()) });
  }

  async function turn() {
    for (const message of inbox.take()) {
      if (message.type === "watch") {
        watched = message;
        await tell();
      } else if (message.type === "more") {
        job.more();
        done = false;
      }
    }
    const why = inbox.held;
    if (why !== held) {
      held = why;
      rate.stop();
      send({ type: "paused", why: why || "Training" });
    }
    if (done || held) {
      await inbox.next();
      return;
    }
    const step = await job.step();
    tries = 0;
    rate.add(step.examples);
    looks.push(...step.looks);
    const now = performance.now();
    if (now - told > TELL || step.total === 1 || step.done) {
      send({ type: "progress", ...step, looks, speed: rate.perSecond(), wasm: memory.buffer.byteLength });
      [told, looks] = [now, []];
    }
    const every = step.total < 4 * TEST_FIRST ? TEST_FIRST : TEST_LATER;
    if (step.total - tested >= every || step.ended) {
      tested = step.total;
      await test();
    }
    if (now - looked > LOOK) await look();
    if (now - kept > KEEP) {
      send({ type: "kept", step: await job.keep() });
      kept = performance.now();
    }
    if (step.done) {
      done = true;
      await job.keep();
      await look();
      send({ type: "done", epochs: step.epochs });
    }
    await inbox.breathe();
  }

  for (;;) {
    try {
      await turn();
    } catch (error) {
      if (!job.lost() || ++tries > TRIES) throw error;
      send({ type: "lost", message: String(error.message ?? error) });
      await inbox.next(500 * tries);
      await job.recover();
      opened();
      send({ type: "recovered", step: job.position });
      rate.stop();
    }
  }
}

/** Examples a second over the last few seconds of work. */
export class Rate {
  marks = [];
  sum = 0;

  add(count) {
    this.sum += count;
    this.marks.push([performance.now(), this.sum]);
    while (this.marks.length > 2 && performance.now() - this.marks[0][0] > 3000) this.marks.shift();
  }

  /** What follows is not to be counted with what was before. */
  stop() {
    this.last = this.perSecond();
    this.marks = [];
  }

  perSecond() {
    if (this.marks.length < 2) return this.last ?? 0;
    const [[t0, n0], [t1, n1]] = [this.marks[0], this.marks[this.marks.length - 1]];
    return t1 > t0 ? (1000 * (n1 - n0)) / (t1 - t0) : (this.last ?? 0);
  }
}
