#!/usr/bin/env bash
# Runs what the page offers in headless Chromium, with WebGPU on SwiftShader, and writes the results:
#   scripts/web_runs.sh parity quick OUT.json [OP|CASE]   the parity suite: `one` case of each op, `quick` or `full`
#   scripts/web_runs.sh peaks OUT.json                    the roofs
#   scripts/web_runs.sh smoke OUT.json                    the smoke benchmarks
#   scripts/web_runs.sh memory MINUTES                    trains for so long and tells the memory of the browser minute by minute
# Exit code 1 if a case fails or memory grows, 3 where no browser can be had. WGRAD_BUILT=1 takes target/web as it is.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/browser.sh"
need_browser
[ -n "${WGRAD_BUILT:-}" ] || "$root/scripts/wasm.sh"
exec node "$root/web/runs.mjs" "$@"
