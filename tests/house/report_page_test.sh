#!/usr/bin/env bash
# The report in a real browser: pages of one run, of several, without results and of 10,000 rows
# load without a console message, stay inside the window of a phone, and show hostile records as
# text. Skipped (77) without chromium or Python.
#
# usage: report_page_test.sh UNFOLD [FOLDER]     FOLDER: keep pages and screenshots there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unfold=$1
browser=$(type -P chromium || type -P chromium-browser || type -P google-chrome || true)
if [[ -z $browser ]]; then echo "report_page: no chromium, skipped"; exit 77; fi
if ! type -P python3 > /dev/null; then echo "report_page: no Python, skipped"; exit 77; fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
keep=${2:-$temporary}
mkdir -p "$keep"
export PYTHONDONTWRITEBYTECODE=1

failures=0
fail() {
  echo "FAIL $1"
  failures=$((failures + 1))
}

# NAME ARGUMENTS...: runs the browser on a page, its console in $temporary/console.
browse() {
  local page=$1
  shift
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --user-data-dir="$temporary/profile" --hide-scrollbars --virtual-time-budget=2000 \
    --enable-logging=stderr --v=0 "$@" "file://$page" 2> "$temporary/console" || fail "$page: $?"
  # The browser's own complaints about the machine it runs on are not the page's.
  if grep -E 'CONSOLE' "$temporary/console"; then fail "$page: messages on the console"; fi
}

# Whether the page is as wide as its window of WIDTH pixels: read by a copy of it with a script, in
# which the page stands in a frame of that width.
fits() {
  local page=$1 width=$2
  local probe
  probe=$(dirname "$page")/probe.html
  python3 - "$page" "$probe" "$width" << 'PROBE'
import sys
page, probe, width = sys.argv[1:]
text = open(page, encoding='utf-8').read()
# The copy may run this one script; the page forbids all.
text = text.replace("default-src &#39;none&#39;;", "default-src &#39;none&#39;; script-src &#39;unsafe-inline&#39;;")
script = '''<script>addEventListener("load", () => {
const root = document.documentElement;
const wide = [...document.querySelectorAll("main *")].filter((e) => {
  if (e.closest(".sheet") || e.closest("svg")) return false;
  return e.getBoundingClientRect().right > innerWidth + 1; });
root.setAttribute("data-probe", root.scrollWidth + " " + innerWidth + " " + document.title + " " +
  document.querySelectorAll("img, iframe").length + " " + wide.map((e) => e.className || e.tagName).slice(0, 5));
});</script>'''
open(probe, 'w', encoding='utf-8').write(text.replace('</body>', script + '</body>'))
PROBE
  browse "$probe" --window-size="$width,900" --dump-dom > "$temporary/dom"
  grep -o 'data-probe="[^"]*"' "$temporary/dom" | head -1
}

expect_fits() {  # PAGE WIDTH
  local said inner outer
  said=$(fits "$1" "$2")
  outer=$(sed -E 's/^data-probe="([0-9]+) .*/\1/' <<< "$said")
  inner=$(sed -E 's/^data-probe="[0-9]+ ([0-9]+) .*/\1/' <<< "$said")
  if ! [[ $outer =~ ^[0-9]+$ && $inner =~ ^[0-9]+$ ]] || ((outer > inner)); then
    fail "$1: wider than a window of $2 pixels: $said"
  fi
  if [[ $said == *broken* ]]; then fail "$1: a script of a record ran"; fi
}

screenshots() {  # NAME PAGE
  local mode
  for mode in light dark; do
    local scheme=()
    if [[ $mode == dark ]]; then scheme=(--force-dark-mode --blink-settings=preferredColorScheme=0); fi
    if [[ $mode == light ]]; then scheme=(--blink-settings=preferredColorScheme=1); fi
    browse "$2" "${scheme[@]}" --window-size=1280,2400 --screenshot="$keep/$1-$mode.png"
    browse "$2" "${scheme[@]}" --window-size=500,2400 --screenshot="$keep/$1-$mode-phone.png"
    for picture in "$keep/$1-$mode.png" "$keep/$1-$mode-phone.png"; do
      if [[ ! -s $picture ]]; then fail "$picture: no picture"; fi
    done
  done
}

python3 tests/support/make_evaluated_run.py "$temporary/runs/plain" --samples 24
python3 tests/support/make_evaluated_run.py "$temporary/runs/routed" --samples 24 --seed 2 --gain 0.04
mkdir -p "$temporary/runs/young" "$temporary/runs/wide"
printf '{"step":1,"loss":2.5,"tokens":10}\n' > "$temporary/runs/young/metrics.jsonl"
python3 - "$temporary/runs/wide/results.json" << 'WIDE'
import json, sys
rows = [{'task': f'task-{i // 20} with a rather long name', 'method': f'method-{i % 20}', 'ratio': 8,
         'metric': 'f1', 'value': (i * 7919 % 1000) / 1000, 'n': 100, 'low': 0.1, 'high': 0.9,
         'attended': 100 + i % 20} for i in range(10_000)]
json.dump({'rows': rows}, open(sys.argv[1], 'w'))
WIDE

"$unfold" report "$temporary/runs/plain" --out "$keep/one" > "$temporary/said"
"$unfold" report "$temporary/runs/plain" "$temporary/runs/routed" --out "$keep/both" > "$temporary/said"
"$unfold" report "$temporary/runs/young" --out "$keep/young" > "$temporary/said"
"$unfold" report "$temporary/runs/wide" --out "$keep/wide" > "$temporary/said"
for name in one both young wide; do
  page=$(cd "$keep/$name" && pwd)/report.html
  size=$(stat -c %s "$page")
  if ((size > 10000000)); then fail "$name: a page of $size bytes"; fi
  if [[ $name == one ]]; then screenshots "$name" "$page"; fi
  expect_fits "$page" 500
  if [[ $name == one || -n ${2:-} ]]; then expect_fits "$page" 1280; fi
done
echo "report_page: $failures failed"
((failures == 0))
