// Headless Chromium with WebGPU on SwiftShader, driven by playwright-core. scripts/browser.sh brings both.

import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const { chromium } = createRequire(join(root, "target/browser/"))("playwright-core");
export const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** No sandbox in a container, nothing fetched. */
export const QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

export const SWIFTSHADER = [
  ...QUIET, "--disable-gpu-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan",
];
