#!/usr/bin/env bash
# Trains: installs a software Vulkan driver if there is none, builds the command, runs `wgrad train "$@"`.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/driver.sh"
[ -x "$root/target/release/wgrad" ] || echo "Building wgrad and what it needs: this once, it takes some minutes" >&2
exec cargo run --quiet --release --features cli --manifest-path "$root/Cargo.toml" -- train "$@"
