#!/usr/bin/env bash
# Puts ONNX's own tests under target/onnx-tests: Debian's libonnx-testdata (onnx 1.12) and, where Python's onnx can be had, the
# node tests of its newest version; and there a Python with ONNX Runtime, which looks at what is exported. What cannot be had is
# said, and the tests that want it say so and do nothing.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=target/onnx-tests
mkdir -p "$root"
if [ ! -d "$root/debian" ]; then
  (
    cd "$root" && apt-get download libonnx-testdata >/dev/null 2>&1 && dpkg -x libonnx-testdata_*.deb unpacked \
      && mv unpacked/usr/share/libonnx-testdata/data debian && rm -rf unpacked libonnx-testdata_*.deb
  ) || echo "libonnx-testdata cannot be had: its tests are skipped"
fi
if [ ! -d "$root/newest" ]; then
  python=${WGRAD_PYTHON:-}
  if [ -z "$python" ]; then
    python3 -m venv "$root/venv" >/dev/null 2>&1 && "$root/venv/bin/pip" install -q onnx onnxruntime >/dev/null 2>&1
    python="$root/venv/bin/python"
  fi
  "$python" scripts/onnx_cases.py "$root/newest.part" && mv "$root/newest.part" "$root/newest" \
    || { rm -rf "$root/newest.part"; echo "Python's onnx cannot be had: its newest node tests are skipped"; }
fi
exit 0
