#!/usr/bin/env bash
# Builds the page and tests it in headless Chromium, with WebGPU on SwiftShader: Debian's chromium and npm's playwright-core are
# fetched where they are missing, exit code 3 where they cannot be had. `scripts/web_test.sh --built` takes target/web as it is.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/browser.sh"
need_browser
[ "${1:-}" = --built ] && shift || "$root/scripts/wasm.sh"
exec node --test --test-concurrency=1 "$@" "$root/web/test.mjs"
