#!/usr/bin/env bash
# Has Tint, the compiler of Chromium's WebGPU, read every distinct kernel's WGSL as a browser would get it, and prints how many
# it takes. Tint comes with Dawn for Node, the npm package `webgpu`, which is fetched into target/; no GPU is needed. What
# cannot be had is said and left out.
#   scripts/tint.sh            every kernel of every case
#   scripts/tint.sh FOLDER     the .wgsl files of a folder
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
place="$root/target/tint"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "SKIPPED: no node and npm, with which to run Tint" >&2
  exit 0
fi
mkdir -p "$place"
if [ ! -d "$place/node_modules/webgpu" ] &&
  ! npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$place" webgpu@0.6.2 >&2; then
  echo "SKIPPED: the npm package webgpu could not be fetched" >&2
  exit 0
fi
texts=${1:-}
if [ -z "$texts" ]; then
  texts="$place/wgsl"
  rm -rf "$texts"
  (cd "$root" && WGRAD_WRITE_WGSL="$texts" cargo test --quiet --features cli --test shaders texts_for -- --ignored >&2)
fi
exec node "$root/scripts/tint.mjs" "$place" "$texts"
