#!/usr/bin/env bash
# Builds the page of web/ and serves it on this machine's own address: `scripts/web.sh [PORT]`, 8000 unless told.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
port="${1:-8000}"
"$root/scripts/wasm.sh"
if command -v node >/dev/null; then
  exec node "$root/web/serve.mjs" "$root/target/web" "$port"
fi
command -v python3 >/dev/null || { echo "neither node nor python3 is here to serve target/web" >&2; exit 1; }
echo "serving target/web at http://127.0.0.1:$port/  (Ctrl-C ends it)"
exec python3 -m http.server "$port" --bind 127.0.0.1 --directory "$root/target/web"
