#!/usr/bin/env bash
# Runs the program for Windows on Linux, with Direct3D 12: Wine's vkd3d on Mesa's software Vulkan adapter.
#   scripts/dx12.sh            the quick parity set, its results in target/dx12/parity.json
#   scripts/dx12.sh ARGS ..    `wgrad.exe ARGS ..`
# Builds wgrad.exe (PROFILE=dev, or release) and fetches what it needs into target/: see scripts/dx12_tools.sh.
# Exit code 3 where something of that cannot be had.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/dx12_tools.sh"
target=x86_64-pc-windows-gnu
profile=${PROFILE:-dev}

need_mingw
if [ ! -e "$(rustc --print target-libdir --target $target)" ]; then
  command -v rustup >/dev/null && rustup --quiet target add $target ||
    { echo "SKIPPED: Rust's standard library for $target could not be had" >&2; exit 3; }
fi
# A folder of its own: the libraries of two systems do not wait for each other's builds.
CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER="$mingw" cargo build --quiet --profile "$profile" --config "profile.$profile.debug=false" \
  --features cli --bin wgrad --target $target --target-dir "$root/target/windows" --manifest-path "$root/Cargo.toml"
folder=$profile
[ "$profile" = dev ] && folder=debug
need_compilers
need_wine
# Beside FXC, where Windows looks first.
cp "$root/target/windows/$target/$folder/wgrad.exe" "$tools/wgrad.exe"

if [ $# -gt 0 ]; then
  in_wine "$tools/wgrad.exe" "$@"
  exit
fi
# An adapter that computes nothing at all is told before thousands of cases are.
in_wine "$tools/wgrad.exe" parity --quick --backend dx12 --case 'matmul a=33x17 b=17x29 data=integers:3' ||
  { echo "Direct3D 12 under this Wine computes a known product wrong" >&2; exit 1; }
in_wine "$tools/wgrad.exe" parity --quick --backend dx12 --json "$tools/parity.json"
