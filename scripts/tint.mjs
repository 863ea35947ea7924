// node tint.mjs PLACE FOLDER: reads every .wgsl file of FOLDER with Tint, through Dawn's null backend, from PLACE/node_modules.
// Exit code 1 if it refuses one.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [place, folder] = process.argv.slice(2);
const module = createRequire(join(place, "tint.mjs")).resolve("webgpu");
const { create, globals } = await import(pathToFileURL(module));
Object.assign(globalThis, globals);

const names = readdirSync(folder).filter((name) => name.endsWith(".wgsl")).sort();
if (names.length === 0) {
  console.error(`${folder}: expected .wgsl files, got none`);
  process.exit(1);
}
const gpu = create(["backend=null"]);
const adapter = await gpu.requestAdapter();
const wanted = ["shader-f16", "subgroups"];
const missing = wanted.filter((feature) => !adapter?.features.has(feature));
if (missing.length > 0) {
  console.error(`Dawn's null backend: expected ${wanted.join(" and ")}, got no ${missing.join(" and no ")}`);
  process.exit(1);
}
const device = await adapter.requestDevice({ requiredFeatures: wanted });

// A text that refuses to be refused would say nothing: these must be.
const wrong = {
  "|| beside &&": "fn f(a: bool, b: bool, c: bool) -> bool { return a || b && c; }",
  "a barrier in a loop of a private bound":
    "var<private> n: u32; @compute @workgroup_size(4) fn f() { for (var k = 0u; k < n; k++) { workgroupBarrier(); } }",
};

async function refusal(code) {
  device.pushErrorScope("validation");
  const messages = (await device.createShaderModule({ code }).getCompilationInfo()).messages;
  const error = await device.popErrorScope();
  const first = messages.find((message) => message.type === "error");
  if (first) return `${first.lineNum}:${first.linePos}: ${first.message}`;
  return error ? error.message : null;
}

for (const [what, code] of Object.entries(wrong)) {
  if ((await refusal(code)) === null) {
    console.error(`Tint took ${what}: it checks nothing`);
    process.exit(1);
  }
}
const refused = new Map();
let taken = 0;
for (const name of names) {
  const reason = await refusal(readFileSync(join(folder, name), "utf8"));
  if (reason === null) {
    taken += 1;
    continue;
  }
  // Texts of one shader that are refused alike are one fault; their places differ.
  const fault = `${name.replace(/-\d+\.wgsl$/, "")}: ${reason.replace(/^\d+:\d+: /, "")}`;
  if (!refused.has(fault)) refused.set(fault, []);
  refused.get(fault).push(`${name}:${reason.match(/^\d+:\d+/)?.[0] ?? ""}`);
}
for (const [fault, where] of refused) {
  console.log(`REFUSED ${where.length} times, first ${where[0]}: ${fault}`);
}
console.log(`Tint takes ${taken} of ${names.length} texts`);
device.destroy();
// Dawn's threads would keep the process alive.
process.exit(taken === names.length ? 0 : 1);
