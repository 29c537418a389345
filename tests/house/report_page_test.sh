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

# Prints "WIDTH-OF-CONTENT WIDTH-OF-WINDOW CHOICE TITLE IMAGES ELEMENTS-TOO-WIDE" of a page in a frame of
# WIDTH pixels (a window cannot be as narrow as a phone). The frame holds a copy of the page that may
# run one script, which the page itself forbids.
measure() {
  local page=$1 width=$2
  python3 - "$page" "$width" << 'PROBE'
import pathlib, sys
page, width = pathlib.Path(sys.argv[1]), sys.argv[2]
text = page.read_text(encoding='utf-8')
policy = "default-src &#39;none&#39;;"
assert policy in text and '</body>' in text
text = text.replace(policy, policy + " script-src &#39;unsafe-inline&#39;;")
script = """<script>addEventListener("load", () => {
const wide = [...document.querySelectorAll("main *")].filter((element) =>
  !element.parentElement.closest(".sheet, svg") &&
  element.getBoundingClientRect().right > innerWidth + 1);
const hidden = (panel) => [...document.querySelectorAll(".at." + panel)].every((part) => part.offsetHeight == 0);
const label = document.querySelector("label[for=ratio-1]");
let choice = "choice-works";
if (label) {
  if (!hidden("r1") || hidden("r0")) choice = "choice-fails-at-first";
  scrollTo(0, 2000);
  label.click();
  if (!hidden("r0") || hidden("r1") || scrollY == 0) choice = "choice-fails";
}
parent.postMessage([document.documentElement.scrollWidth, innerWidth, choice, document.title,
  document.querySelectorAll("img, iframe, link, object").length,
  wide.map((element) => element.tagName + "." + element.getAttribute("class")).slice(0, 5)].join(" "), "*");
});</script>"""
page.with_name('probe.html').write_text(text.replace('</body>', script + '</body>'), encoding='utf-8')
page.with_name('frame.html').write_text(f"""<!DOCTYPE html><html><body style="margin:0"><script>
addEventListener("message", (event) => document.documentElement.setAttribute("data-probe", event.data));
</script><iframe src="probe.html" style="border:0;width:{width}px;height:900px"></iframe></body></html>""")
PROBE
  browse "$(dirname "$page")/frame.html" --window-size=1400,1000 --dump-dom > "$temporary/dom"
  sed -nE 's/.*<html data-probe="([^"]*)".*/\1/p' "$temporary/dom"
}

expect_fits() {  # PAGE WIDTH
  local said content window rest
  said=$(measure "$1" "$2")
  read -r content window rest <<< "$said"
  if ! [[ $content =~ ^[0-9]+$ && $window == "$2" ]]; then
    fail "$1: could not be measured: '$said'"
  elif ((content > window)); then
    fail "$1: wider than $2 pixels: $said"
  fi
  if [[ $rest != choice-works* ]]; then fail "$1: ratios cannot be chosen: $rest"; fi
  if [[ $rest == *broken* ]]; then fail "$1: a script of a record ran"; fi
  if [[ $rest != *" 0 " && $rest != *" 0" ]]; then fail "$1: pictures of records, or too wide: $rest"; fi
}

screenshots() {  # NAME PAGE
  local mode scheme=1
  printf '<!DOCTYPE html><body style="margin:0"><iframe src="report.html" style="border:0;width:390px;height:3000px"></iframe>' \
    > "$(dirname "$2")/phone.html"
  for mode in light dark; do
    if [[ $mode == dark ]]; then scheme=0; fi
    browse "$2" --blink-settings=preferredColorScheme=$scheme --window-size=1280,3000 \
      --screenshot="$keep/$1-$mode.png"
    browse "$(dirname "$2")/phone.html" --blink-settings=preferredColorScheme=$scheme \
      --window-size=500,3000 --screenshot="$keep/$1-$mode-phone.png"
  done
}

python3 tests/support/make_evaluated_run.py "$temporary/runs/plain" --samples 8
python3 tests/support/make_evaluated_run.py "$temporary/runs/routed" --samples 8 --seed 2 --gain 0.04
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
  browse "$page" --dump-dom > "$temporary/dom"
  if ! grep -q '</html>' "$temporary/dom"; then fail "$name: the page did not load"; fi
  expect_fits "$page" 390
  if [[ $name == one ]]; then expect_fits "$page" 1280; fi
  if [[ -n ${2:-} ]]; then screenshots "$name" "$page"; fi
done

# The test can tell: a page with an error on its console, and one that is too wide.
sed 's|</main>|<div style="width:2000px">wide</div></main>|' "$keep/young/report.html" > "$keep/young/bad.html"
said=$(measure "$keep/young/bad.html" 390)
if [[ $said != 20* ]]; then fail "a page that is too wide goes unnoticed: $said"; fi
if (fail() { exit 1; }
    sed "s|default-src|img-src|; s|</main>|<script>console.error('seen')</script></main>|" \
      "$keep/young/report.html" > "$keep/young/bad.html"
    browse "$keep/young/bad.html" --dump-dom) > /dev/null; then
  fail "a message on the console goes unnoticed"
fi
echo "report_page: $failures failed"
((failures == 0))
