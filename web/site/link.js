// A worker and the messages to and from it; README.md beside this folder lists them.

export class Link {
  /** `on` has a function for each type of message that is expected; `failed(text)` is told what nobody expects. */
  constructor(on, failed) {
    this.on = on;
    this.failed = failed;
  }

  get open() {
    return Boolean(this.worker);
  }

  start(use, options) {
    this.end();
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker = worker;
    worker.onmessage = ({ data }) => worker === this.worker && this.on[data.type]?.(data);
    worker.onerror = (e) => this.failed(e.message ? `${e.message} (${e.filename}:${e.lineno})` : "the worker did not load");
    this.send({ type: "open", use, options });
  }

  send(message, transfer = []) {
    this.worker?.postMessage(message, transfer);
  }

  end() {
    this.worker?.terminate();
    this.worker = undefined;
  }
}

/** Tells the worker when the page goes into the background and comes back. */
export function followVisibility(link) {
  document.addEventListener("visibilitychange", () => link.send({ type: "hidden", hidden: document.hidden }));
}

export const byId = (id) => document.getElementById(id);

/** Fills a list of terms with pairs. */
export function facts(list, pairs) {
  const made = pairs.flatMap(([term, value]) => {
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = term;
    dd.textContent = value;
    return [dt, dd];
  });
  list.replaceChildren(...made);
}

/** Shows what a person has to know, with what they can do; `text` may hold several paragraphs. */
export function notice(text, actions = []) {
  const box = byId("notice");
  box.hidden = text === "";
  byId("notice-text").replaceChildren(
    ...text.split("\n").map((line) => Object.assign(document.createElement("p"), { textContent: line })),
  );
  byId("notice-actions").replaceChildren(
    ...actions.map(([label, run]) => {
      const button = document.createElement("button");
      button.textContent = label;
      button.className = "primary";
      button.onclick = run;
      return button;
    }),
  );
}

/** Why the reference is used, and what to do. */
export function onTheReference(asked) {
  const slow = "the network runs on the CPU reference in WebAssembly: the same numbers, much slower, so with fewer digits in smaller batches.";
  if (asked) return `As asked, ${slow}`;
  const why = navigator.gpu ? "This browser has no adapter for WebGPU" : "This browser offers no WebGPU";
  const where = isSecureContext
    ? "Use a current Chrome, Edge, Safari 26 or Firefox 141 and, where it is off, switch hardware acceleration on in its settings."
    : "Browsers offer it over https and on this machine's own address alone: open the page that way.";
  return `${why}, so ${slow}\n${where}`;
}

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
export const percent = (share) => `${number(100 * share, 1)} %`;
