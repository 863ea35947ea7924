// The page in a real browser: headless Chromium with WebGPU on SwiftShader, driven by playwright-core. scripts/web_test.sh
// brings both and runs this; screenshots are left in target/browser/.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium, executablePath, QUIET, root, SWIFTSHADER } from "./browser.mjs";
import { serve } from "./serve.mjs";

const shots = join(root, "target/browser/shots");

/** Waits are this many times as long on a busy machine. Times are asserted on a quiet one alone, which WGRAD_QUIET=1 says. */
const patience = Number(process.env.WGRAD_PATIENCE ?? 3);
const quiet = process.env.WGRAD_QUIET === "1";

let site;
let browser;

before(async () => {
  mkdirSync(shots, { recursive: true });
  site = await serve(join(root, "target/web"));
  browser = await chromium.launch({ executablePath, args: SWIFTSHADER });
});

after(async () => {
  await browser?.close();
  await site?.close();
});

/** A page that notes what must not be: errors, requests to elsewhere, long tasks of the main thread. */
async function open(path, { in: where = browser, width = 1200, height = 900, allow = [] } = {}) {
  const context = await where.newContext({ viewport: { width, height }, acceptDownloads: true });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && !allow.some((a) => a.test(m.text())) && wrong.push(m.text()));
  page.on("pageerror", (e) => wrong.push(String(e)));
  page.on("request", (r) => r.url().startsWith(site.address) || r.url().startsWith("blob:") || wrong.push(`request: ${r.url()}`));
  await page.addInitScript(() => {
    window.stalls = [];
    new PerformanceObserver((list) => window.stalls.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({ type: "longtask", buffered: true });
  });
  await page.goto(new URL(path, site.address).href);
  return { page, wrong, close: () => context.close() };
}

const textOf = (page, id) => page.locator(`#${id}`).textContent();
const use = (page) => page.evaluate(() => window.wgrad.use);

/** Waits until a function of the page gives what is true. */
const until = (page, f, seconds, argument) => page.waitForFunction(f, argument, { timeout: 1000 * seconds * patience, polling: 100 });

const numberIn = (text) => Number(text.replace(/[^0-9.]/g, ""));
const trained = (page, steps, seconds) => until(page, (n) => (window.wgrad.use.now?.total ?? 0) >= n, seconds, steps);

/** Draws strokes, lists of points of 0 to 1, with the mouse. */
async function draw(page, strokes) {
  await page.locator("#clear").click();
  const box = await page.locator("#pad").boundingBox();
  for (const points of strokes) {
    const at = points.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
    await page.mouse.move(...at[0]);
    await page.mouse.down();
    for (const point of at.slice(1)) await page.mouse.move(...point, { steps: 6 });
    await page.mouse.up();
  }
}

const circle = Array.from({ length: 25 }, (_, i) => [0.5 + 0.2 * Math.sin((i * Math.PI) / 12), 0.5 - 0.3 * Math.cos((i * Math.PI) / 12)]);
const DRAWN = {
  0: [circle],
  1: [[[0.5, 0.2], [0.5, 0.8]]],
  7: [[[0.3, 0.22], [0.7, 0.2], [0.55, 0.5], [0.45, 0.8]]],
};

test("the page trains to over 90 % and tells drawn digits", async (t) => {
  const { page, wrong, close } = await open("/");
  await page.locator("#batch").waitFor();
  await trained(page, 1, 30);
  const first = await page.evaluate(() => window.wgrad.use.firstStep);
  t.diagnostic(`the first step ended ${Math.round(first)} ms after loading`);
  if (quiet) assert.ok(first < 5000, "expected below 5000 ms");
  assert.match(await textOf(page, "device-name"), /swiftshader/i);
  await until(page, () => parseFloat(document.getElementById("test").textContent) > 90, 120);

  for (const [digit, strokes] of Object.entries(DRAWN)) {
    await draw(page, strokes);
    await until(page, (d) => document.getElementById("told").textContent === `It takes your digit for a ${d}`, 20, digit);
  }
  await page.screenshot({ path: join(shots, "train.png"), fullPage: true });
  // The picture of the guide: scripts/pictures.sh takes it from here.
  await page.setViewportSize({ width: 760, height: 900 });
  await page.screenshot({ path: join(shots, "page.jpg"), type: "jpeg", quality: 30, clip: { x: 0, y: 0, width: 760, height: 860 } });
  await page.setViewportSize({ width: 1200, height: 900 });

  // The same by keyboard: a line downwards.
  await page.locator("#clear").click();
  await page.locator("#pad").focus();
  for (const key of ["Space", ...Array(14).fill("ArrowDown"), "Space"]) await page.keyboard.press(key);
  await until(page, () => document.getElementById("told").textContent === "It takes your digit for a 1", 20);

  const verdicts = [];
  for (let digit = 0; digit < 10; digit++) {
    await page.getByRole("button", { name: `An unseen ${digit}` }).click();
    const words = await until(page, (d) => {
      const told = document.getElementById("told").textContent;
      return told.startsWith(`It takes an unseen ${d} for`) && told;
    }, 20, digit);
    verdicts.push(await words.jsonValue());
  }
  const right = verdicts.filter((words, digit) => words.endsWith(` ${digit}`)).length;
  assert.ok(right >= 6, `${right} of 10 unseen digits are told at ${await textOf(page, "test")}: expected at least 6: ${verdicts.join("; ")}`);

  const inks = await page.evaluate(() => ["filters", "maps", "seen", "loss-chart", "accuracy-chart"].map((id) => {
    const canvas = document.getElementById(id);
    return new Set(new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
  }));
  inks.forEach((colors, i) => assert.ok(colors > 2, `canvas ${i} has ${colors} colours: expected a picture`));
  const told = await page.locator("#confusion td").allTextContents();
  const examples = told.reduce((sum, text) => sum + Number(text), 0);
  assert.equal(examples, (await use(page)).unseen);
  for (const id of ["loss-chart", "accuracy-chart", "filters", "maps", "seen"]) {
    assert.doesNotMatch(await page.locator(`#${id}`).getAttribute("aria-label"), /^No |nothing yet/i, id);
  }

  const stalls = await page.evaluate(() => window.stalls);
  t.diagnostic(`tasks of the main thread above 50 ms: ${stalls.join(", ") || "none"}`);
  if (quiet) assert.ok(Math.max(0, ...stalls) < 100, "expected none above 100 ms");
  assert.deepEqual(wrong, []);
  await close();
});

test("pause, start over, a page in the background and a lost device", async () => {
  const { page, wrong, close } = await open("/", { allow: [/device.*lost|GPU process|external Instance/i] });
  await trained(page, 3, 60);
  await page.locator("#pause").click();
  await until(page, () => document.getElementById("status").textContent === "Paused", 10);
  const stopped = (await use(page)).now.total;
  await page.waitForTimeout(1000);
  assert.ok((await use(page)).now.total <= stopped + 1, "steps went on while it was paused");
  await page.locator("#pause").click();
  await trained(page, stopped + 3, 30);

  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await hide(true);
  await until(page, () => /in the background/.test(document.getElementById("status").textContent), 10);
  await hide(false);
  await trained(page, (await use(page)).now.total + 2, 30);

  // The weights of some seconds ago are kept.
  await until(page, () => window.wgrad.use.kept > 0, 30);
  const session = await (page.context().browser()).newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess").catch(() => {});
  await until(page, () => window.wgrad.use.recovered > 0, 60);
  const { recovered, kept } = await use(page);
  assert.ok(recovered >= kept, `it went on from step ${recovered}, step ${kept} was kept`);
  await trained(page, recovered + 3, 60);
  assert.deepEqual(wrong, []);
  await close();
});

test("a limit below what the network needs: a smaller batch is offered and trains", async () => {
  const { page, wrong, close } = await open("/?memory=11");
  const offer = page.getByRole("button", { name: /Try batches of/ });
  await offer.waitFor({ timeout: 60_000 * patience });
  assert.match(await textOf(page, "notice-text"), /expected a program of at most/);
  let batch = 64;
  while ((await use(page)).now === undefined && batch > 8) {
    batch = numberIn(await offer.textContent());
    await offer.click();
    await until(page, () => window.wgrad.use.now?.total > 0 || !document.getElementById("notice").hidden, 60);
  }
  assert.ok(batch < 64);
  assert.equal((await use(page)).batch, batch);
  assert.deepEqual(wrong, []);
  await close();
});

test("without WebGPU the reference trains, and the page says what to do", async () => {
  const { page, wrong, close } = await open("/?cpu");
  await trained(page, 2, 90);
  assert.match(await textOf(page, "notice-text"), /CPU reference/);
  assert.ok((await use(page)).batch <= 8);
  assert.deepEqual(wrong, []);
  await close();
  // A browser that has no adapter to give.
  const without = await chromium.launch({ executablePath, args: [...QUIET, "--disable-gpu", "--disable-features=WebGPU,WebGPUService"] });
  try {
    const { page, close } = await open("/", { in: without, allow: [/WebGPU|adapter/i] });
    await trained(page, 1, 90);
    assert.match(await textOf(page, "device-name"), /CPU reference/);
    await page.screenshot({ path: join(shots, "without.png"), fullPage: true });
    await close();
  } finally {
    await without.close();
  }
});

test("the character model learns and writes", async () => {
  const { page, wrong, close } = await open("/");
  await trained(page, 1, 60);
  await page.locator("#pause").click();
  await page.locator("#text-start").click();
  await until(page, () => /^Stopped/.test(document.getElementById("text-status").textContent) || document.getElementById("written").textContent.length > 60, 60);
  assert.doesNotMatch(await textOf(page, "text-status"), /^Stopped/);
  const loss = numberIn(await textOf(page, "text-loss"));
  assert.ok(loss > 0 && loss < 3.7, `loss ${loss}: expected below 3.7 after some 20 steps; it begins at 4.1`);
  await page.screenshot({ path: join(shots, "text.png"), fullPage: true });
  assert.deepEqual(wrong, []);
  await close();
});

test("one parity case of each op passes under Tint; results are offered", async () => {
  const { page, wrong, close } = await open("/parity.html");
  await page.locator("#parity-start").click();
  await page.locator("#parity-json:not([disabled])").waitFor({ timeout: 100_000 * patience });
  const [json] = await Promise.all([page.waitForEvent("download"), page.locator("#parity-json").click()]);
  const results = JSON.parse(readFileSync(await json.path(), "utf8"));
  assert.equal(results.complete, true);
  assert.ok(results.cases.length > 50, `${results.cases.length} cases`);
  const failed = results.cases.filter((c) => c.verdict === "fail");
  assert.deepEqual(failed.map((c) => `${c.case}: ${c.reason}`), []);
  const [html] = await Promise.all([page.waitForEvent("download"), page.locator("#parity-html").click()]);
  assert.match(readFileSync(await html.path(), "utf8"), /<html/i);
  await page.screenshot({ path: join(shots, "parity.png"), fullPage: true });
  // A run of one op, cancelled at once, says so.
  await page.locator("#set").selectOption("quick");
  await page.locator("#op").fill("conv2d");
  await page.locator("#parity-start").click();
  await page.locator("#parity-cancel").click();
  await until(page, () => /^Cancelled/.test(document.getElementById("parity-status").textContent), 60);
  await page.locator("#op").fill("conv9d");
  await page.locator("#parity-start").click();
  await until(page, () => /conv9d/.test(document.getElementById("notice-text").textContent), 30);
  assert.deepEqual(wrong, []);
  await close();
});

test("both pages fit a phone, and the keyboard reaches all of them", async () => {
  for (const path of ["/", "/parity.html"]) {
    const { page, close } = await open(path, { width: 360, height: 740 });
    if (path === "/") await trained(page, 1, 60);
    const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    assert.ok(inner <= outer, `${path} is ${inner} pixels wide: expected at most ${outer}`);
    const wanted = await page.evaluate(() => [...document.querySelectorAll("a, button, select, input, summary, [tabindex='0']")]
      .filter((e) => !e.disabled && e.checkVisibility()).map((e, i) => (e.dataset.number = i)));
    const reached = new Set();
    for (let i = 0; i < wanted.length + 20; i++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement?.dataset.number));
    }
    const missed = await page.evaluate((numbers) => numbers.map((n) => document.querySelector(`[data-number="${n}"]`).outerHTML.slice(0, 90)),
      wanted.filter((n) => !reached.has(String(n))));
    assert.deepEqual(missed, [], "the Tab key does not reach these");
    const nameless = await page.evaluate(() => [...document.querySelectorAll("button, select, input, canvas, progress, [role='region']")]
      .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.labels?.length || e.textContent.trim()))
      .map((e) => e.outerHTML.slice(0, 90)));
    assert.deepEqual(nameless, [], "a screen reader has no name for these");
    await page.screenshot({ path: join(shots, `phone-${path === "/" ? "train" : "parity"}.png`), fullPage: true });
    await close();
  }
});
