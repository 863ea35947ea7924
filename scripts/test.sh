#!/usr/bin/env bash
# Tests: formatting, lints, docs, unit and integration tests, doctests. Installs a software Vulkan driver if
# there is none.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./scripts/driver.sh
# Mesa looks for a display's socket there and complains where there is no such folder.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
./scripts/onnx_tests.sh
[ -x target/onnx-tests/venv/bin/python ] && export WGRAD_PYTHON="${WGRAD_PYTHON:-$PWD/target/onnx-tests/venv/bin/python}"
cargo fmt --all --check
cargo fmt --manifest-path web/Cargo.toml --all --check
cargo clippy --all-targets --features cli -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features cli
cargo test --features cli --no-fail-fast
for example in examples/*.rs; do
  name=$(basename "$example" .rs)
  echo "example $name"
  cargo run --quiet --features cli --example "$name"
done
PROFILE=dev ./scripts/parity.sh --quick
PROFILE=dev ./scripts/parity.sh --quick --random 200
