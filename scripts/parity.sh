#!/usr/bin/env bash
# Runs `wgrad parity --all "$@"` with all software adapters there are for Linux beside the machine's own:
# lavapipe (Vulkan) and llvmpipe (GL) of Mesa, and SwiftShader (Vulkan), which Debian ships with chromium. Its
# library is taken out of that package into target/, nothing is installed. What cannot be had is said and left out.
# PROFILE=dev runs what `cargo test` has built anyway.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/driver.sh"
folder="$root/target/swiftshader"
driver="$folder/usr/lib/chromium/vk_swiftshader_icd.json"

fetch_swiftshader() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  mkdir -p "$folder"
  (cd "$folder" && apt-get download -qq chromium-common 2>/dev/null && dpkg-deb -x chromium-common_*.deb . && rm chromium-common_*.deb)
}

[ -f "$driver" ] || fetch_swiftshader || true
if [ -f "$driver" ]; then
  # Naming one driver hides the others, so all are named.
  others=$(compgen -G '/usr/share/vulkan/icd.d/*.json' | paste -sd: || true)
  export VK_DRIVER_FILES="${VK_DRIVER_FILES:-${others}}:$driver"
else
  echo "SKIPPED: SwiftShader, which Debian's package chromium-common holds, could not be fetched" >&2
fi
# Reports say of which source they are.
export WGRAD_COMMIT="${WGRAD_COMMIT:-$(git -C "$root" describe --always --dirty 2>/dev/null || true)}"
# Mesa's GL needs a place for its sockets, or complains.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
exec cargo run --quiet --profile "${PROFILE:-release}" --features cli --manifest-path "$root/Cargo.toml" -- parity --all "$@"
