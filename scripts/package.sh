#!/usr/bin/env bash
# Packs the crate as it would be published, builds that package with the command, and says how large it is: at most 2 MB.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
cargo package --quiet --features cli "$@"
crate=$(find target/package -maxdepth 1 -name 'wgrad-*.crate' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2)
size=$(wc -c <"$crate")
echo "$crate: $size bytes"
[ "$size" -le 2000000 ] || { echo "expected at most 2000000 bytes" >&2; exit 1; }
