// node tint.mjs PLACE FOLDER: reads every .wgsl file of FOLDER with Tint, through Dawn's null backend, from PLACE/node_modules.
// Exit code 1 if it refuses one.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// Texts that one process reads: Dawn has been seen to abort after some tens of thousands.
const SOME = 2000;

// A text that refuses to be refused would say nothing: these must be.
const WRONG = {
  "|| beside &&": "fn f(a: bool, b: bool, c: bool) -> bool { return a || b && c; }",
  "a barrier in a loop of a private bound":
    "var<private> n: u32; @compute @workgroup_size(4) fn f() { for (var k = 0u; k < n; k++) { workgroupBarrier(); } }",
};

function fail(message) {
  console.error(message);
  process.exit(1);
}

// Reads these files and prints what was refused as JSON: [name, place, reason] each.
async function read(place, folder, names) {
  const module = createRequire(join(place, "tint.mjs")).resolve("webgpu");
  const { create, globals } = await import(pathToFileURL(module));
  Object.assign(globalThis, globals);
  const gpu = create(["backend=null"]);
  const adapter = await gpu.requestAdapter();
  const wanted = ["shader-f16", "subgroups"];
  const missing = wanted.filter((feature) => !adapter?.features.has(feature));
  if (missing.length > 0) fail(`Dawn's null backend: expected ${wanted.join(" and ")}, got no ${missing.join(" and no ")}`);
  const device = await adapter.requestDevice({ requiredFeatures: wanted });
  const refusal = async (code) => {
    device.pushErrorScope("validation");
    const messages = (await device.createShaderModule({ code }).getCompilationInfo()).messages;
    const error = await device.popErrorScope();
    const first = messages.find((message) => message.type === "error");
    if (first) return [`${first.lineNum}:${first.linePos}`, first.message];
    return error ? ["", error.message] : null;
  };
  for (const [what, code] of Object.entries(WRONG)) {
    if ((await refusal(code)) === null) fail(`Tint took ${what}: it checks nothing`);
  }
  const refused = [];
  for (const name of names) {
    const found = await refusal(readFileSync(join(folder, name), "utf8"));
    if (found) refused.push([name, ...found]);
  }
  process.stdout.write(JSON.stringify(refused), () => {
    // Dawn's threads would keep the process alive.
    process.exit(0);
  });
}

// Has processes of their own read the files, some at a time, and prints what they found.
function readAll(place, folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".wgsl")).sort();
  if (names.length === 0) fail(`${folder}: expected .wgsl files, got none`);
  const faults = new Map();
  let count = 0;
  for (let first = 0; first < names.length; first += SOME) {
    const input = JSON.stringify(names.slice(first, first + SOME));
    const self = fileURLToPath(import.meta.url);
    const child = spawnSync(process.execPath, [self, place, folder, "-"], { input, maxBuffer: 1 << 28, encoding: "utf8" });
    if (child.status !== 0) fail(`${child.stderr}Dawn ended with ${child.status ?? child.signal} in texts ${first} to ${first + SOME}`);
    for (const [name, at, reason] of JSON.parse(child.stdout)) {
      // Texts of one shader that are refused alike are one fault.
      const fault = `${name.replace(/-\d+\.wgsl$/, "")}: ${reason}`;
      faults.set(fault, [...(faults.get(fault) ?? []), `${name}:${at}`]);
      count += 1;
    }
  }
  for (const [fault, where] of faults) console.log(`REFUSED ${where.length} times, first ${where[0]}: ${fault}`);
  console.log(`Tint takes ${names.length - count} of ${names.length} texts`);
  process.exitCode = count === 0 ? 0 : 1;
}

const [place, folder, some] = process.argv.slice(2);
if (some === undefined) readAll(place, folder);
else await read(place, folder, JSON.parse(readFileSync(0, "utf8")));
