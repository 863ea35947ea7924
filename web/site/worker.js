// The worker: it opens the engine and does one job, told by the first message. README.md lists the messages.

import init, * as engine from "./wgrad_web.js";
import { digits } from "./job-digits.js";
import { parity, peaks, smoke } from "./job-check.js";
import { text } from "./job-text.js";

const JOBS = { digits, text, parity, peaks, smoke };

/** For how long a job may go on before the worker looks for messages, in milliseconds. */
const BREATH = 12;

/** The messages that wait for the job, and what they say of whether it may go on. */
class Inbox {
  waiting = [];
  paused = false;
  hidden = false;
  looked = 0;

  put(message) {
    if (message.type === "pause" || message.type === "go") this.paused = message.type === "pause";
    else if (message.type === "hidden") this.hidden = message.hidden;
    else this.waiting.push(message);
    this.wake?.();
  }

  take() {
    return this.waiting.splice(0);
  }

  /** Lets messages in, which come between tasks only. */
  async breathe() {
    if (performance.now() - this.looked < BREATH) return;
    await new Promise((done) => {
      channel.port1.onmessage = done;
      channel.port2.postMessage(null);
    });
    this.looked = performance.now();
  }

  /** Resolves with the next message, or after some milliseconds. */
  next(milliseconds) {
    return new Promise((done) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(done, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        done();
      };
    });
  }

  /** Why the job has to wait, or nothing. */
  get held() {
    if (this.paused) return "Paused";
    return this.hidden ? "Paused while this page is in the background" : "";
  }
}

const channel = new MessageChannel();
const inbox = new Inbox();
const send = (message, transfer = []) => postMessage(message, transfer);

onmessage = ({ data }) => {
  if (data.type !== "open") {
    inbox.put(data);
    return;
  }
  inbox.hidden = Boolean(data.options.hidden);
  run(data).catch((error) => send({ type: "failed", message: words(error) }));
};

async function run({ use, options }) {
  const job = JOBS[use];
  if (!job) throw new Error(`job: expected one of ${Object.keys(JOBS).join(", ")}, got ${use}`);
  const [{ memory }, adapter] = await Promise.all([init(), adapterName()]);
  await job({ engine, memory, options: { ...options, adapter }, inbox, send });
}

/** What the browser tells of the adapter: wgpu is told less. */
async function adapterName() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  const { vendor, architecture, device, description } = adapter?.info ?? {};
  return description || [vendor, device || architecture].filter(Boolean).join(" ");
}

/** What an error says; those of the engine are texts of what was expected and what came. */
function words(error) {
  return error instanceof Error ? error.message : String(error);
}
