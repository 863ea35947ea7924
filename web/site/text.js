// The part of the page that learns to write, with a worker of its own.

import { Chart } from "./chart.js";
import { Link, byId, followVisibility, number } from "./link.js";

/** Texts that are kept on the page. */
const EARLIER = 8;

/** `options()` gives what the worker is opened with. */
export function startText({ options }) {
  const chart = new Chart(byId("text-chart"), { names: ["loss"], colors: ["--accent"], format: (y) => number(y, 1) });
  const status = (words) => (byId("text-status").textContent = words);
  let state = "idle";
  let now;

  const link = new Link({
    stage: ({ text }) => status(text),
    started() {
      state = "running";
      paint();
      status("Learning");
    },
    progress(message) {
      byId("text-step").textContent = `${number(message.step)} of ${number(message.steps)}`;
      byId("text-loss").textContent = number(message.loss, 3);
      byId("text-speed").textContent = number(message.speed);
      message.looks.forEach(({ step, loss }) => chart.add(0, step, loss));
    },
    writing({ step, prompt }) {
      keep();
      now = { step, text: prompt };
      const first = Object.assign(document.createElement("span"), { className: "prompt", textContent: prompt });
      byId("written").replaceChildren(first, document.createTextNode(""));
    },
    wrote({ text }) {
      now.text += text;
      byId("written").lastChild.textContent += text;
    },
    tested({ step, loss }) {
      chart.describe();
      status(`Step ${number(step)}: loss ${number(loss, 3)} on text it has not read`);
    },
    done({ steps }) {
      state = "done";
      paint();
      status(`Learned: ${number(steps)} steps are done; it has read the text as often as is good for it`);
    },
    paused: ({ why }) => status(why),
    lost: () => status("The device was lost; opening it again"),
    recovered: ({ step }) => status(`The device is back: learning goes on from step ${number(step)}`),
    refused: ({ message }) => fail(message),
    failed: ({ message }) => fail(message),
  }, fail);
  followVisibility(link);

  function keep() {
    if (!now) return;
    const item = document.createElement("li");
    const step = Object.assign(document.createElement("b"), { textContent: `Step ${number(now.step)}` });
    item.append(step, now.text.slice(0, 160));
    byId("earlier").prepend(item);
    while (byId("earlier").children.length > EARLIER) byId("earlier").lastChild.remove();
  }

  function fail(message) {
    state = "failed";
    link.end();
    paint();
    status(`Stopped: ${message}`);
  }

  function begin() {
    state = "opening";
    now = undefined;
    chart.clear();
    byId("earlier").replaceChildren();
    byId("written").textContent = "Nothing yet.";
    for (const id of ["text-step", "text-loss", "text-speed"]) byId(id).textContent = "–";
    paint();
    status("Loading");
    link.start("text", { ...options(), temperature: Number(byId("temperature").value), hidden: document.hidden });
  }

  function paint() {
    const label = { idle: "Start", opening: "Start", running: "Pause", paused: "Go on", done: "Start over", failed: "Start over" };
    byId("text-start").textContent = label[state];
    byId("text-start").disabled = state === "opening";
    byId("text-restart").disabled = !["running", "paused"].includes(state);
  }

  byId("text-start").onclick = () => {
    if (state === "running" || state === "paused") {
      state = state === "running" ? "paused" : "running";
      link.send({ type: state === "paused" ? "pause" : "go" });
      status(state === "paused" ? "Paused" : "Learning");
      paint();
    } else {
      begin();
    }
  };
  byId("text-restart").onclick = begin;
  byId("temperature").oninput = () => {
    byId("temperature-value").textContent = byId("temperature").value;
    link.send({ type: "temperature", temperature: Number(byId("temperature").value) });
  };
  return {
    /** Begins where nobody has begun yet. */
    offer: () => state === "idle" && begin(),
  };
}
