#!/usr/bin/env bash
# Runs `wgrad parity --all "$@"` with all software adapters there are for Linux beside the machine's own:
# lavapipe (Vulkan) and llvmpipe (GL) of Mesa, and SwiftShader (Vulkan), which Debian ships with chromium. Its
# library is taken out of that package into target/, nothing is installed. What cannot be had is said and left out.
# PROFILE=dev runs what `cargo test` has built anyway.
# MESA="25 26" then runs the same on newer Mesa, see scripts/mesa.sh; of `--json F.json` each has its F-mesa25.json.
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
cargo=(cargo run --quiet --profile "${PROFILE:-release}" --features cli --manifest-path "$root/Cargo.toml" --)
if [ -z "${MESA:-}" ]; then
  exec "${cargo[@]}" parity --all "$@"
fi

# The arguments for a release of Mesa: files to write are named after it.
args_for() {
  local release=$1 file=false arg
  shift
  args=()
  for arg in "$@"; do
    case "$file$arg" in
      true*) args+=("${arg%.*}-mesa$release.${arg##*.}") ;;
      false--json=* | false--html=*) args+=("${arg%.*}-mesa$release.${arg##*.}") ;;
      *) args+=("$arg") ;;
    esac
    case "$arg" in --json | --html) file=true ;; *) file=false ;; esac
  done
}

status=0
"${cargo[@]}" parity --all "$@" || status=$?
folder=${PROFILE:-release}
[ "$folder" = dev ] && folder=debug
for release in $MESA; do
  args_for "$release" "$@"
  if "$root/scripts/mesa.sh" "$release"; then
    echo "Mesa $release:"
    "$root/scripts/mesa.sh" "$release" run "$root/target/$folder/wgrad" parity --all "${args[@]}" || status=$?
  else
    echo "SKIPPED: Mesa $release could not be had" >&2
  fi
done
exit $status
