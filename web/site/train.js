// The page that trains. It draws and listens; the network runs in a worker.

import { Chart } from "./chart.js";
import { Link, byId, facts, followVisibility, notice, number, onTheReference, percent } from "./link.js";
import { Pad } from "./pad.js";
import { grey, planes } from "./picture.js";
import { startText } from "./text.js";

const query = new URLSearchParams(location.search);
const lossChart = new Chart(byId("loss-chart"), { names: ["loss"], colors: ["--accent"], format: (y) => number(y, 2) });
const accuracyChart = new Chart(byId("accuracy-chart"), {
  names: ["learned", "unseen"], colors: ["--accent", "--second"], range: [0, 1], format: (y) => `${number(100 * y)} %`,
});

let running = false;
let paused = false;
let finished = false;
let watched;
let samples;
let device;
/** Whether the reference was asked for. */
let asked = false;
const use = {};

const link = new Link({
  opened(message) {
    device = message.device;
    byId("device-name").textContent = device.name;
    facts(byId("device-limits"), [
      ...device.limits,
      ...device.features.map(([name, there]) => [name, there ? "yes" : "no"]),
    ]);
    if (device.cpu) {
      notice(onTheReference(asked));
      byId("batch").value = String(message.batch);
    } else {
      notice("");
    }
  },
  stage: ({ text }) => status(text),
  samples({ images, labels }) {
    samples = labels.map((label, i) => ({ label, pixels: images.subarray(784 * i, 784 * (i + 1)) }));
    byId("samples").replaceChildren(...samples.map(sampleButton));
    const first = samples.find((sample) => sample.label === 3) ?? samples[0];
    if (!watched && first) choose(first);
  },
  started({ batch, memory, epochs, images, unseen }) {
    running = true;
    for (const id of ["pause", "restart"]) byId(id).disabled = false;
    Object.assign(use, { batch, memory, images, unseen, epochs });
    paint();
    showUse();
  },
  progress(now) {
    byId("loss").textContent = number(now.loss, 3);
    byId("accuracy").textContent = percent(now.accuracy);
    byId("speed").textContent = number(now.speed);
    byId("step").textContent = number(now.total);
    byId("epoch").textContent = `${Math.min(now.epoch + 1, now.epochs)} of ${now.epochs}`;
    for (const look of now.looks) {
      lossChart.add(0, look.step, look.loss);
      accuracyChart.add(0, look.step, look.accuracy);
    }
    use.now = now;
    if (now.total > 0) use.firstStep ??= performance.now();
  },
  test({ step, accuracy, loss, confusion, examples }) {
    byId("test").textContent = percent(accuracy);
    accuracyChart.add(1, step, accuracy);
    lossChart.describe();
    accuracyChart.describe();
    showConfusion(confusion);
    showUse();
    if (running && !paused) {
      status(`Step ${number(step)}: ${percent(accuracy)} of ${number(examples)} unseen digits right, loss ${number(loss, 3)}`);
    }
  },
  filters: (shape) => {
    planes(byId("filters"), shape.values, { ...shape, columns: 8, signed: true });
    showUse();
    byId("filters").setAttribute("aria-label", `${shape.count} filters of ${shape.height} by ${shape.width} weights, as of step ${shape.step}`);
  },
  told: showTold,
  done({ epochs }) {
    finished = true;
    running = false;
    paint();
    status(`Learned: ${epochs} epochs are done, ${byId("test").textContent} of the unseen digits are right`);
    text.offer();
  },
  paused: ({ why }) => status(why),
  refused({ message, batch }) {
    running = false;
    status("This device cannot hold the training");
    const actions = batch ? [[`Try batches of ${batch}`, () => (notice(""), begin({ batch }))]] : [];
    actions.push(["Use the CPU reference", () => (notice(""), begin({ cpu: true }))]);
    notice(`This network with its batch needs more than this device gives: ${message}`, actions);
  },
  lost({ message }) {
    status("The device was lost; opening it again");
    notice(`The browser took the GPU away: ${message}\nThe page opens it again and goes on with the last weights it kept.`);
  },
  recovered({ step }) {
    use.recovered = step;
    notice("");
    status(`The device is back: training goes on from step ${number(step)}`);
  },
  kept: ({ step }) => (use.kept = step),
  failed: ({ message }) => fail(message),
}, fail);

const text = startText({ options: () => ({ cpu: Boolean(device?.cpu) || asked }) });
followVisibility(link);

const pad = new Pad(byId("pad"), (pixels) => {
  press(null);
  pixels ? watch(pixels, "your digit") : forget();
});

function begin(changes = {}) {
  if (changes.batch) byId("batch").value = String(changes.batch);
  lossChart.clear();
  accuracyChart.clear();
  running = paused = finished = false;
  use.now = undefined;
  for (const id of ["loss", "accuracy", "test", "speed", "step", "epoch"]) byId(id).textContent = "–";
  paint();
  status("Loading");
  asked = query.has("cpu") || Boolean(changes.cpu);
  link.start("digits", {
    batch: Number(byId("batch").value),
    rate: Number(byId("rate").value),
    cpu: asked,
    memory: Number(query.get("memory") ?? 0),
    seed: Number(query.get("seed") ?? 0),
    hidden: document.hidden,
  });
  if (watched?.pixels) link.send({ type: "watch", pixels: watched.pixels, number: watched.number });
}

function status(words) {
  byId("status").textContent = words;
}

function fail(message) {
  running = false;
  paint();
  status("Stopped");
  notice(`Training stopped: ${message}`, [["Start over", () => (notice(""), begin())]]);
}

function paint() {
  byId("pause").textContent = finished || paused ? "Go on" : "Pause";
  byId("pause").disabled = !running && !finished;
  byId("restart").disabled = !link.open;
}

byId("pause").onclick = () => {
  if (finished) {
    finished = false;
    running = true;
    link.send({ type: "more" });
  } else {
    paused = !paused;
    link.send({ type: paused ? "pause" : "go" });
    status(paused ? "Paused" : "Training");
  }
  paint();
};
for (const id of ["batch", "rate"]) byId(id).onchange = () => begin();
byId("restart").onclick = () => begin();
byId("clear").onclick = () => pad.clear();

// ---- the watched digit

function sampleButton(sample) {
  const button = document.createElement("button");
  button.textContent = sample.label;
  button.setAttribute("aria-label", `An unseen ${sample.label}`);
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => choose(sample);
  sample.button = button;
  return button;
}

function press(chosen) {
  samples?.forEach((sample) => sample.button.setAttribute("aria-pressed", String(sample === chosen)));
}

function choose(sample) {
  press(sample);
  pad.show(sample.pixels);
  watch(sample.pixels, `an unseen ${sample.label}`);
}

function watch(pixels, words) {
  watched = { pixels, words, number: (watched?.number ?? 0) + 1 };
  grey(byId("seen"), pixels, 28);
  byId("seen").setAttribute("aria-label", `28 by 28 pixels of ${words}`);
  link.send({ type: "watch", pixels, number: watched.number });
}

function forget() {
  watched = { number: (watched?.number ?? 0) + 1 };
  byId("told").textContent = "Draw or choose a digit.";
  showBars(new Float32Array(10));
  link.send({ type: "watch", pixels: null });
}

const bars = Array.from({ length: 10 }, (_, digit) => {
  const row = document.createElement("li");
  row.innerHTML = `<span>${digit}</span><span class="bar"><i></i></span><span class="value">–</span>`;
  byId("probabilities").append(row);
  return { row, bar: row.querySelector("i"), value: row.querySelector(".value") };
});

function showBars(probabilities) {
  const most = probabilities.indexOf(Math.max(...probabilities));
  bars.forEach(({ row, bar, value }, digit) => {
    bar.style.transform = `scaleX(${probabilities[digit]})`;
    value.textContent = percent(probabilities[digit]);
    row.className = digit === most && probabilities[most] > 0 ? "most" : "";
  });
  return most;
}

function showTold({ number, probabilities, maps, step }) {
  // What comes may be of the digit before.
  if (number !== watched?.number) return;
  const most = showBars(probabilities);
  const words = `It takes ${watched.words} for a ${most}`;
  // A screen reader is told a new verdict, not every new number.
  if (!byId("told").textContent.startsWith(words)) byId("told").textContent = words;
  planes(byId("maps"), maps.values, { ...maps, columns: 8, signed: false });
  byId("maps").setAttribute("aria-label", `${maps.count} feature maps of ${watched.words}, as of step ${step}`);
}

// ---- the confusion matrix

const cells = (() => {
  const table = byId("confusion");
  const head = table.createTHead().insertRow();
  head.append(th("", "col"), ...Array.from({ length: 10 }, (_, d) => th(d, "col")));
  const body = table.createTBody();
  return Array.from({ length: 10 }, (_, d) => {
    const row = body.insertRow();
    row.append(th(d, "row"));
    return Array.from({ length: 10 }, () => row.insertCell());
  });
})();

function th(words, scope) {
  return Object.assign(document.createElement("th"), { textContent: words, scope });
}

function showConfusion(counts) {
  let worst = [0, 0, 0];
  cells.forEach((row, label) => {
    const own = counts.subarray(10 * label, 10 * label + 10);
    const all = own.reduce((a, b) => a + b, 0);
    row.forEach((cell, told) => {
      const count = own[told];
      const share = all ? count / all : 0;
      cell.textContent = count || "";
      const color = label === told ? "--accent" : "--second";
      cell.style.background = count ? `color-mix(in srgb, var(${color}) ${Math.round(12 + 88 * share)}%, var(--zero))` : "";
      cell.style.color = share > 0.5 ? "var(--accent-text)" : "";
      if (label !== told && count > worst[0]) worst = [count, label, told];
    });
  });
  const [count, label, told] = worst;
  byId("confusion-words").textContent = count
    ? `The commonest mistake: a ${label} taken for a ${told}, ${count === 1 ? "once" : `${count} times`}.`
    : "No mistake among the unseen digits.";
}

function showUse() {
  const { now } = use;
  facts(byId("device-use"), [
    ["network", "SimpleCNN: conv 32, pool, conv 64, pool, linear 128, linear"],
    ["parameters", "421,642"],
    ["batch", number(use.batch ?? 0)],
    ["data", `${number(use.images ?? 0)} drawn digits to learn, ${number(use.unseen ?? 0)} unseen`],
    ["memory of a step", use.memory || "–"],
    ["memory of WebAssembly", now ? `${number(now.wasm / 2 ** 20, 1)} MiB` : "–"],
  ]);
}

// What a test looks at.
window.wgrad = { use };
begin();
