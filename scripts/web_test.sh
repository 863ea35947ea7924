#!/usr/bin/env bash
# Builds the page and tests it in headless Chromium, with WebGPU on SwiftShader: Debian's chromium and npm's playwright-core are
# fetched where they are missing. CHROMIUM names another browser. `scripts/web_test.sh --built` takes target/web as it is.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "${1:-}" = --built ] && shift || "$root/scripts/wasm.sh"
browser="$root/target/browser"
mkdir -p "$browser"
export CHROMIUM="${CHROMIUM:-/usr/bin/chromium}"
if [ ! -x "$CHROMIUM" ]; then
  command -v apt-get >/dev/null || { echo "no Chromium at $CHROMIUM: set CHROMIUM" >&2; exit 1; }
  root_rights=()
  [ "$(id -u)" -eq 0 ] || root_rights=(sudo)
  "${root_rights[@]}" apt-get update -qq >&2
  "${root_rights[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
fi
command -v npm >/dev/null || { echo "npm not found: install Node.js 20 or newer" >&2; exit 1; }
if [ ! -d "$browser/node_modules/playwright-core" ]; then
  npm install --silent --no-audit --no-fund --no-save --prefix "$browser" playwright-core@1 >&2
fi
cargo fmt --manifest-path "$root/web/Cargo.toml" --all --check
exec node --test --test-concurrency=1 "$@" "$root/web/test.mjs"
