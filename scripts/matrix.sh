#!/usr/bin/env bash
# Remakes docs/parity.html: the quick parity set on every adapter that a Linux machine without a GPU can have. Hours on two cores.
# What cannot be had is said and left out; what was run before (target/matrix/*.json) is taken as it is, unless it is removed.
#   scripts/matrix.sh            all of them
#   scripts/matrix.sh NAME ..    only these: old, mesa25, mesa26, browser, dx12
#   scripts/matrix.sh merge      none, the page from what is there
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder="$root/target/matrix"
mkdir -p "$folder"
export PROFILE="${PROFILE:-release}"
built=$PROFILE
[ "$built" = dev ] && built=debug
wgrad="$root/target/$built/wgrad"
status=0

# The machine's own adapters and SwiftShader.
old() { "$root/scripts/parity.sh" --quick --json "$1"; }
mesa() { "$root/scripts/mesa.sh" "$1" run "$wgrad" parity --all --quick --json "$2"; }
mesa25() { mesa 25 "$1"; }
mesa26() { mesa 26 "$1"; }
browser() { "$root/scripts/web_runs.sh" parity quick "$1"; }
dx12() { "$root/scripts/dx12.sh" parity --quick --backend dx12 --json "$1"; }

cargo build --quiet --profile "$PROFILE" --features cli --bin wgrad --manifest-path "$root/Cargo.toml" || exit 1
export WGRAD_COMMIT="${WGRAD_COMMIT:-$(git -C "$root" describe --always --dirty 2>/dev/null || true)}"
for name in "${@:-old mesa25 mesa26 browser dx12}"; do
  for one in $name; do
    case "$one" in
      merge | old | mesa25 | mesa26 | browser | dx12) ;;
      *) echo "expected old, mesa25, mesa26, browser, dx12 or merge, got $one" >&2; exit 2 ;;
    esac
    [ "$one" = merge ] || [ -e "$folder/$one.json" ] && continue
    echo "== $one"
    "$one" "$folder/$one.json" || { echo "$one: exit code $?" >&2; status=1; }
  done
done
"$wgrad" parity --merge "$folder"/*.json --html "$root/docs/parity.html" || status=$?
exit $status
