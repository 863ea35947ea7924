#!/usr/bin/env bash
# Trains: installs a software Vulkan driver if there is none, builds the command, runs `wgrad train "$@"`.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/driver.sh"
# Mesa looks for a display's socket there and complains where there is no such folder.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
exec cargo run --quiet --release --features cli --manifest-path "$root/Cargo.toml" -- train "$@"
