# A browser to drive, for scripts/web_test.sh and scripts/web_runs.sh; sourced. Debian's chromium is installed where it is missing,
# npm's playwright-core fetched into target/browser. CHROMIUM names another browser.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CHROMIUM="${CHROMIUM:-/usr/bin/chromium}"

need_browser() {
  if [ ! -x "$CHROMIUM" ]; then
    command -v apt-get >/dev/null || { echo "SKIPPED: no Chromium at $CHROMIUM: set CHROMIUM" >&2; return 3; }
    local root_rights=()
    [ "$(id -u)" -eq 0 ] || root_rights=(sudo)
    "${root_rights[@]}" apt-get update -qq >&2 &&
      "${root_rights[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2 ||
      { echo "SKIPPED: chromium could not be installed" >&2; return 3; }
  fi
  command -v npm >/dev/null || { echo "SKIPPED: npm not found: install Node.js 20 or newer" >&2; return 3; }
  local folder="$root/target/browser"
  mkdir -p "$folder"
  [ -d "$folder/node_modules/playwright-core" ] ||
    npm install --silent --no-audit --no-fund --no-save --prefix "$folder" playwright-core@1 >&2 ||
    { echo "SKIPPED: playwright-core could not be fetched" >&2; return 3; }
}
