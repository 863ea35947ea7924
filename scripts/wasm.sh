#!/usr/bin/env bash
# Builds the page of web/ into target/web: the module for wasm32-unknown-unknown, the JavaScript around it, and the
# files of web/site. Where Rust has no standard library for that target, rustup brings it; where that cannot be, Debian's
# packages of a compiler with its sources are unpacked into target/, nothing is installed.
# PROFILE=dev builds without optimisation, for work on the page.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
tools="$root/target/wasm"
target=wasm32-unknown-unknown
# What the page may weigh when a server compresses it.
most=$((3 * 1000 * 1000))
mkdir -p "$tools"

has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }

# The package that a package of Debian's depends on, by its pattern.
depends() { apt-cache depends "$1" | sed -n "s/.*Depends: \($2\)\$/\1/p" | head -n 1; }

# A compiler of Debian's that can build the standard library itself.
debian_compiler() {
  local packages="$tools/debian"
  if [ ! -x "$packages/rustc" ]; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    echo "Unpacking Debian's packages of a compiler for $target into target/" >&2
    rm -rf "$packages" && mkdir -p "$packages/root"
    (
      cd "$packages"
      standard=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]*')
      library=$(depends "$standard" 'libllvm[0-9.]*')
      [ -n "$library" ] && [ -n "$standard" ] || exit 1
      apt-get download -qq rustc-web rust-web-src libstd-rust-web-dev "$standard" "$library" 2>/dev/null || exit 1
      for package in *.deb; do dpkg-deb -x "$package" root; done
      rm -- *.deb
      printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' \
        "$packages/root/usr/lib/x86_64-linux-gnu" "$packages/root/usr/bin/rustc" >rustc
      chmod +x rustc
    ) || return 1
  fi
  local linker
  linker=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld | head -n 1)
  [ -n "$linker" ] || linker=$(command -v rust-lld || command -v lld) || return 1
  export RUSTC="$packages/rustc" RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
  build_std=(-Zbuild-std=std,panic_abort)
}

build_std=()
if ! has_target; then
  if ! { command -v rustup >/dev/null && timeout 180 rustup target add "$target" >&2 && has_target; }; then
    debian_compiler || {
      echo "No standard library for $target: run rustup target add $target" >&2
      exit 1
    }
  fi
fi

profile="${PROFILE:-release}"
folder="$profile"
[ "$profile" = dev ] && folder=debug
export CARGO_TARGET_DIR="$tools/build"
(
  # The program that makes the JavaScript runs here, so it is the usual compiler's.
  unset RUSTC RUSTC_BOOTSTRAP
  cargo build --quiet --locked --manifest-path web/Cargo.toml --package bindgen
)
cargo build --quiet --locked --manifest-path web/Cargo.toml --package wgrad-web --profile "$profile" \
  --target "$target" ${build_std[@]+"${build_std[@]}"}

site="$root/target/web"
rm -rf "$site" && mkdir -p "$site"
"$CARGO_TARGET_DIR/debug/bindgen" "$CARGO_TARGET_DIR/$target/$folder/wgrad_web.wasm" "$site"
cp web/site/* "$site/"
size=$(gzip -9 -c "$site/wgrad_web_bg.wasm" | wc -c)
echo "built target/web: $(wc -c <"$site/wgrad_web_bg.wasm") bytes of WebAssembly, $size compressed"
if [ "$profile" = release ] && [ "$size" -gt "$most" ]; then
  echo "the module is too large: expected at most $most bytes compressed, got $size" >&2
  exit 1
fi
