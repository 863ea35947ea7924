#!/usr/bin/env bash
# Draws the pictures of the guide anew, each by the program itself: curves, confusion and filters of a run, the memory of a
# step, a roofline, graphs. Needs Graphviz (`dot`) and Python for what lies within pages.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
profile="${PROFILE:-release}"
cargo build --quiet --profile "$profile" --features cli --bin wgrad --example draw_graphs
target="target/$([ "$profile" = dev ] && echo debug || echo "$profile")"
wgrad="$PWD/$target/wgrad"
pictures="$PWD/docs/guide/src/pictures"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$target/examples/draw_graphs" "$work"
for pair in convolution:convolution backpropagation:backpropagation leaky-average-unrolled:unrolled; do
  dot -Tsvg "$work/${pair%%:*}.dot" >"$pictures/${pair##*:}.svg"
done

cd "$work"
"$wgrad" train --model simple-cnn --epochs 5 --out run
"$wgrad" report run
cp run/history.svg run/confusion.svg "$pictures/"
"$wgrad" explain simple-cnn --device cpu --svg "$pictures/memory.svg" >explained.txt
"$wgrad" bench ops --set smoke --time 0.1 --html bench.html >bench.txt

python3 - "$pictures" <<'PYTHON'
import base64, html, pathlib, re, sys
pictures = pathlib.Path(sys.argv[1])
report = pathlib.Path("run/report.html").read_text()
filters = re.search(r'<h2>The filters.*?base64,([^"]*)"', report, re.S)
(pictures / "filters.png").write_bytes(base64.b64decode(html.unescape(filters[1])))
bench = pathlib.Path("bench.html").read_text()
roofline = re.search(r"<h2>Roofline</h2>.*?(<svg.*?</svg>)", bench, re.S)
(pictures / "roofline.svg").write_text(roofline[1] + "\n")
PYTHON
# The page in the browser, which its tests look at.
shot="$root/target/browser/shots/page.jpg"
[ -e "$shot" ] || "$root/scripts/web_test.sh" --test-name-pattern 'trains to over' || true
if [ -e "$shot" ]; then cp "$shot" "$pictures/page.jpg"; else echo "page.jpg stays as it is: no browser" >&2; fi
for picture in "$pictures"/*; do
  bytes=$(wc -c <"$picture")
  echo "$(basename "$picture"): $bytes bytes"
  [ "$bytes" -lt 30000 ] || { echo "$picture: expected fewer than 30000 bytes, got $bytes" >&2; exit 1; }
done
