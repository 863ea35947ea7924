// The page that runs the parity suite and the benchmarks. The work is done in a worker.

import { Link, byId, facts, notice, number } from "./link.js";

const results = {};
let use;

const link = new Link({
  ops({ ops }) {
    byId("ops").replaceChildren(...ops.map((op) => Object.assign(document.createElement("option"), { value: op })));
  },
  opened({ device }) {
    byId("device-name").textContent = device.name;
    facts(byId("device-limits"), [...device.limits, ...device.features.map(([name, there]) => [name, there ? "yes" : "no"])]);
  },
  stage: ({ text }) => status(text),
  progress(now) {
    bar().max = Math.max(1, now.count);
    bar().value = now.done;
    status(`${number(now.done)} of ${number(now.count)}: ${now.what}`);
    if (use === "parity") showCounts(now);
  },
  failure: ({ text }) => {
    byId("failures-box").hidden = false;
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("code"), { textContent: text }));
    byId("failures").append(item);
  },
  row({ what, median, rate, check }) {
    const row = byId("rows").insertRow();
    const cell = (text, className = "") => Object.assign(row.insertCell(), { textContent: text, className });
    cell(what);
    cell(median, "number");
    cell(rate, "number");
    cell(check, check === "ok" ? "pass" : check.startsWith("failed") ? "fail" : "");
  },
  finished(message) {
    Object.assign(results, message);
    if (use === "parity") {
      byId("matrix").replaceChildren(...message.matrix.map(matrixRow));
      byId("parity-html").disabled = !message.html;
    }
    byId(use === "parity" ? "parity-json" : "bench-json").disabled = false;
    status(message.complete ? message.words : `Cancelled. ${message.words}`);
    idle();
  },
  lost: ({ message }) => fail(`the device was lost: ${message}`),
  refused: ({ message }) => fail(message),
  failed: ({ message }) => fail(message),
}, fail);

const bar = () => byId(use === "parity" ? "parity-progress" : "bench-progress");
const status = (words) => (byId(use === "parity" ? "parity-status" : "bench-status").textContent = words);

function fail(message) {
  status("Stopped");
  notice(`It stopped: ${message}`);
  idle();
}

function idle() {
  link.end();
  for (const id of ["parity-start", "peaks-start", "smoke-start"]) byId(id).disabled = false;
  for (const id of ["parity-cancel", "bench-cancel"]) byId(id).disabled = true;
}

function begin(what, options) {
  use = what;
  notice("");
  for (const id of ["parity-start", "peaks-start", "smoke-start"]) byId(id).disabled = true;
  byId(use === "parity" ? "parity-cancel" : "bench-cancel").disabled = false;
  bar().value = 0;
  status("Loading");
  link.start(what, { ...options, ...here() });
}

/** Where and when this is, for the results. */
function here() {
  const agent = navigator.userAgent;
  const brands = navigator.userAgentData?.brands ?? [];
  const known = brands.find(({ brand }) => !/Not.?A|Chromium/i.test(brand)) ?? brands.find(({ brand }) => brand === "Chromium");
  const named = agent.match(/(Firefox|Edg|Chrome)\/(\d+)/) ?? agent.match(/(Version)\/([\d.]+)/);
  const browser = known ? `${known.brand} ${known.version}` : named ? `${named[1] === "Version" ? "Safari" : named[1]} ${named[2]}` : agent;
  return {
    browser,
    system: navigator.userAgentData?.platform || (agent.match(/\(([^;)]+)/)?.[1] ?? ""),
    threads: navigator.hardwareConcurrency ?? 0,
    started: Math.floor(Date.now() / 1000),
    date: `${new Date().toISOString().slice(0, 19)}Z`,
  };
}

byId("parity-start").onclick = () => {
  for (const id of ["failures", "matrix"]) byId(id).replaceChildren();
  byId("failures-box").hidden = true;
  for (const id of ["parity-json", "parity-html"]) byId(id).disabled = true;
  begin("parity", { set: byId("set").value, only: byId("op").value.trim() });
};
for (const what of ["peaks", "smoke"]) {
  byId(`${what}-start`).onclick = () => {
    byId("rows").replaceChildren();
    byId("bench-json").disabled = true;
    begin(what, {});
  };
}
for (const id of ["parity-cancel", "bench-cancel"]) {
  byId(id).onclick = () => {
    status("Ends after what runs now");
    link.send({ type: "cancel" });
  };
}

function showCounts({ pass, fail: failed, skipped, worst }) {
  byId("passed").textContent = number(pass);
  byId("failed").textContent = number(failed);
  byId("skipped").textContent = number(skipped);
  byId("worst").textContent = number(worst, 2);
}

function matrixRow({ op, pass, fail: failed, skipped, worst }) {
  const row = document.createElement("tr");
  row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: op }));
  const cells = [[number(pass), ""], [number(failed), failed ? "fail" : ""], [number(skipped), ""], [number(worst, 2), ""]];
  for (const [textContent, mark] of cells) Object.assign(row.insertCell(), { textContent, className: `number ${mark}` });
  return row;
}

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
byId("parity-json").onclick = () => download("wgrad-parity.json", "application/json", results.json);
byId("parity-html").onclick = () => download("wgrad-parity.html", "text/html", results.html);
byId("bench-json").onclick = () => download("wgrad-bench.json", "application/json", results.json);

// An address with a case runs that one.
const asked = new URLSearchParams(location.search).get("case");
if (asked) {
  byId("op").value = asked;
  byId("set").value = "quick";
  if (navigator.gpu) byId("parity-start").click();
}

if (!navigator.gpu) {
  for (const id of ["parity-start", "peaks-start", "smoke-start"]) byId(id).disabled = true;
  notice("This browser offers no WebGPU, so there is no adapter to hold to the reference.\n" +
    (isSecureContext
      ? "Use a current Chrome, Edge, Safari 26 or Firefox 141 and, where it is off, switch hardware acceleration on."
      : "Browsers offer it over https and on this machine's own address alone: open the page that way."));
}
// What a test looks at.
window.wgrad = { results };
