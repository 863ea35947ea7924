// Learns a text character by character and writes as it learns.

import { Rate } from "./job-digits.js";

const TELL = 100;
const KEEP = 5000;
/** Steps between two texts that are written, and characters of one. */
const WRITE = 20;
const LENGTH = 160;
/** Steps between two looks at the text that is not learned. */
const TEST = 60;
const TRIES = 3;

export async function text({ engine, options, inbox, send }) {
  const stage = (words) => send({ type: "stage", text: words });
  stage("Opening the GPU");
  const job = await engine.Writer.open(options);
  send({ type: "opened", device: job.device() });
  stage("Compiling the kernels");
  await job.compile();
  send({ type: "started" });
  let temperature = options.temperature;
  let [told, kept] = [0, performance.now()];
  let looks = [];
  let tries = 0;
  let held = "";
  let at = 0;
  const rate = new Rate();

  function read() {
    for (const message of inbox.take()) {
      if (message.type === "temperature") temperature = message.temperature;
    }
    return inbox.held;
  }

  async function write(step) {
    rate.stop();
    send({ type: "writing", step, prompt: job.prompt });
    await job.write(LENGTH, temperature, (text) => send({ type: "wrote", text }));
  }

  async function turn() {
    const why = read();
    if (why !== held) {
      held = why;
      rate.stop();
      send({ type: "paused", why: why || "Learning" });
    }
    if (held) {
      await inbox.next();
      return true;
    }
    const step = await job.step();
    tries = 0;
    rate.add(step.characters);
    if (step.step > at) looks.push({ step: step.step, loss: step.loss });
    const now = performance.now();
    if (now - told > TELL || step.done) {
      send({ type: "progress", ...step, looks, speed: rate.perSecond() });
      [told, looks] = [now, []];
    }
    const passed = (every) => Math.floor(step.step / every) > Math.floor(at / every);
    if (passed(TEST) || step.done) {
      rate.stop();
      send({ type: "tested", step: step.step, loss: await job.test() });
    }
    if (passed(WRITE)) await write(step.step);
    at = step.step;
    if (now - kept > KEEP) {
      await job.keep();
      kept = performance.now();
    }
    await inbox.breathe();
    if (step.done) send({ type: "done", steps: step.steps });
    return !step.done;
  }

  for (let going = true; going; ) {
    try {
      going = await turn();
    } catch (error) {
      if (!job.lost() || ++tries > TRIES) throw error;
      send({ type: "lost", message: String(error.message ?? error) });
      await inbox.next(500 * tries);
      await job.recover();
      at = job.position;
      send({ type: "recovered", step: at });
      rate.stop();
    }
  }
}
