// What the page offers, run without a person: `node runs.mjs parity quick OUT.json [OP|CASE]`, `peaks OUT.json`, `smoke OUT.json`,
// `memory MINUTES`. scripts/web_runs.sh brings the browser and runs this.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, executablePath, root, SWIFTSHADER } from "./browser.mjs";
import { serve } from "./serve.mjs";

/** Memory may grow by this share of what it is after the first minutes. */
const GROWTH = 1.1;
/** Until then caches fill. */
const SETTLED = 2;

const [what, ...args] = process.argv.slice(2);
const usage = () => {
  console.error("usage: runs.mjs parity one|quick|full OUT.json [OP|CASE] | peaks OUT.json | smoke OUT.json | memory MINUTES");
  process.exit(2);
};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Presses a button of the second page, waits until its results are there and writes them. */
async function results(page, start, button, out) {
  await page.locator(start).click();
  const status = () => page.locator(`#${start.startsWith("#parity") ? "parity" : "bench"}-status`).textContent();
  const offered = page.locator(`${button}:not([disabled])`);
  for (let told = 0; !(await offered.count()); await sleep(1000)) {
    const now = await status();
    if (now === "Stopped") throw new Error(await page.locator("#notice-text").textContent());
    if (Date.now() - told > 60_000) {
      console.error(now);
      told = Date.now();
    }
  }
  const [file] = await Promise.all([page.waitForEvent("download"), offered.click()]);
  const text = readFileSync(await file.path(), "utf8");
  writeFileSync(out, text);
  console.log(await status());
  return JSON.parse(text);
}

async function parity(page, set, out, only = "") {
  await page.locator("#set").selectOption(set);
  await page.locator("#op").fill(only);
  const { cases } = await results(page, "#parity-start", "#parity-json", out);
  const failed = cases.filter(({ verdict }) => verdict === "fail");
  for (const { case: name, reason, rerun } of failed) console.log(`FAIL ${name}\n  ${reason}\n  ${rerun}`);
  return failed.length === 0;
}

/** Roofs or the smoke set; false if a result is wrong. */
async function bench(page, start, out) {
  await results(page, start, "#bench-json", out);
  const wrong = await page.locator("#rows tr:has(.fail)").allTextContents();
  for (const row of wrong) console.log(`FAIL ${row}`);
  return wrong.length === 0;
}

/** What the processes of this browser hold, in MiB: their own pages, and their share of those that they have in common. */
function memory() {
  let kib = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(executablePath.replace("/usr/bin", "/usr/lib"))) continue;
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    } catch { /* It has ended meanwhile. */ }
  }
  return kib / 1024;
}

async function flat(page, minutes) {
  await page.waitForFunction(() => window.wgrad.use.now?.total > 0, undefined, { timeout: 120_000 });
  let [first, last] = [0, 0];
  for (let minute = 0; minute <= minutes; minute++) {
    const { heap, steps } = await page.evaluate(() => ({
      heap: performance.memory?.usedJSHeapSize / 1048576,
      steps: window.wgrad.use.now.total,
    }));
    last = memory();
    if (!(last > 0)) throw new Error(`no process of ${executablePath} is found: its memory is not known`);
    if (minute === Math.min(SETTLED, minutes)) first = last;
    console.log(`minute ${minute}: step ${steps}, ${last.toFixed(0)} MiB in all processes, ${heap.toFixed(1)} MiB of the page's JavaScript`);
    // After the last epoch it waits for a word.
    for (let second = 0; second < 60 && minute < minutes; second += 5) {
      await page.evaluate(() => document.getElementById("pause").textContent === "Go on" && document.getElementById("pause").click());
      await sleep(5000);
    }
  }
  return last <= first * GROWTH;
}

const runs = {
  parity: ["parity.html", ([set, out]) => ["one", "quick", "full"].includes(set) && out, (page) => parity(page, ...args)],
  peaks: ["parity.html", ([out]) => out, (page) => bench(page, "#peaks-start", args[0])],
  smoke: ["parity.html", ([out]) => out, (page) => bench(page, "#smoke-start", args[0])],
  memory: ["", ([minutes]) => Number(minutes) > 0, (page) => flat(page, Number(args[0]))],
};
const [path, fits, run] = runs[what] ?? usage();
if (!fits(args)) usage();

const site = await serve(join(root, "target/web"));
const browser = await chromium.launch({ executablePath, args: SWIFTSHADER });
let good = false;
try {
  const page = await (await browser.newContext({ acceptDownloads: true })).newPage();
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(new URL(path, site.address).href);
  good = await run(page);
} catch (error) {
  console.error(`error: ${error.message}`);
} finally {
  await browser.close();
  await site.close();
}
process.exit(good ? 0 : 1);
