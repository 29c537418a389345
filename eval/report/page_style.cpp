#include "eval/report/page_style.h"

namespace unfold::eval {

std::string_view page_style() {
  return R"css(
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1c1e21; --muted: #5f646c; --line: #e3e0d8;
  --grid: #edebe4; --wash: #f3f1ea;
  --cn: #3f4a5c; --c0: #3165d9; --c1: #15755b; --c2: #942e10; --c3: #851786; --c4: #837e49;
  --c5: #61981e; --c6: #ed598e; --c7: #3995c4; --c8: #5c3124; --c9: #191be1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1c1f23; --ink: #e8e6e1; --muted: #a2a7ae; --line: #30343a;
    --grid: #272b30; --wash: #22262b;
    --cn: #c3cad6; --c0: #5894e8; --c1: #87f2ba; --c2: #e6731f; --c3: #b44fa8; --c4: #88774e;
    --c5: #d9de4f; --c6: #d57f99; --c7: #1bc0e6; --c8: #eac47e; --c9: #6d68eb;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
header { margin-bottom: 2.25rem; }
.eyebrow {
  margin: 0 0 .4rem; font-size: .78rem; font-weight: 600; letter-spacing: .09em;
  text-transform: uppercase; color: var(--muted);
}
h1 {
  margin: 0 0 .8rem; font-size: clamp(1.9rem, 5vw, 2.7rem); line-height: 1.1;
  letter-spacing: -.025em; font-weight: 680; overflow-wrap: anywhere;
}
.lede { margin: 0; max-width: 68ch; font-size: 1.06rem; color: var(--ink); }
h2 { margin: 2.75rem 0 .9rem; font-size: 1.22rem; letter-spacing: -.01em; font-weight: 650; }
.caption { margin: -.55rem 0 1rem; color: var(--muted); font-size: .92rem; max-width: 72ch; }
.cards { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(max(150px, (100% - (var(--columns) - 1) * .8rem) / var(--columns)), 1fr)); }
.card, figure, .sheet {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
.card { padding: .95rem 1.1rem 1rem; }
.card .label { font-size: .84rem; color: var(--muted); }
.card .value {
  margin: .12rem 0 .1rem; font-size: 1.85rem; line-height: 1.2; font-weight: 640;
  letter-spacing: -.02em; font-variant-numeric: tabular-nums;
}
.card .detail { font-size: .84rem; color: var(--muted); }
.sheet { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .55rem .9rem; text-align: left; vertical-align: middle; white-space: nowrap; }
thead th {
  font-size: .8rem; font-weight: 600; color: var(--muted); border-bottom: 1px solid var(--line);
}
tbody.block + tbody.block { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; vertical-align: top; white-space: normal; min-width: 7rem;
  overflow-wrap: anywhere; }
tbody th small { display: block; font-weight: 400; color: var(--muted); }
.num { text-align: right; }
.soft { color: var(--muted); }
td b { font-weight: 700; }
.narrow { display: none; color: var(--muted); font-size: .78rem; }
.swatch {
  display: inline-block; width: .62rem; height: .62rem; margin-right: .5rem; border-radius: 50%;
  background: currentColor;
}
.bar { display: block; width: 4.2rem; margin-left: auto; height: 3px; margin-top: .2rem; border-radius: 2px; background: var(--wash); }
.bar i { display: block; height: 100%; border-radius: 2px; background: currentColor; }
.strip { display: block; width: 132px; height: 18px; }
.strip line { stroke: currentColor; stroke-width: 2; stroke-linecap: round; }
.strip .track { stroke: var(--line); stroke-width: 1; }
.strip circle { fill: currentColor; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: .8rem; }
.side figcaption .soft { flex-basis: 100%; }
.charts.side { grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); margin-top: .8rem; }
figure { display: flex; flex-direction: column; margin: 0; padding: 1rem 1.1rem .7rem; min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .6rem; margin-bottom: .45rem; }
figcaption strong { font-size: 1rem; font-weight: 640; }
figcaption .soft { font-size: .86rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin-bottom: .7rem; font-size: .88rem; }
figure .legend { margin: -.15rem 0 .35rem; }
.method { display: inline-flex; align-items: center; gap: .4rem; }
.key { flex: none; overflow: visible; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.dash1 { stroke-dasharray: 7 4; } .dash2 { stroke-dasharray: 1.5 4; } .dash3 { stroke-dasharray: 8 3 1.5 3; }
.dot { fill: var(--card); stroke: currentColor; stroke-width: 1.8; }
.plot { display: block; margin-top: auto; width: 100%; height: auto; overflow: visible; }
.plot text { font-size: 12.5px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.plot .grid { stroke: var(--grid); stroke-width: 1; }
.plot .frame { stroke: var(--line); stroke-width: 1; }
.plot .faint { stroke-width: 1; opacity: .32; }
.plot .end-label { fill: currentColor; font-weight: 650; }
.cn { color: var(--cn); } .c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); }
.c3 { color: var(--c3); } .c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); }
.c7 { color: var(--c7); } .c8 { color: var(--c8); } .c9 { color: var(--c9); }
.name { color: var(--ink); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .45rem 1.4rem; margin: 0; }
dt { font-weight: 600; } dd { margin: 0; max-width: 72ch; }
details { margin-top: .8rem; }
summary { padding: .75rem 1.1rem; cursor: pointer; font-weight: 600; border-radius: 10px; }
summary:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
pre {
  margin: 0; padding: .9rem 1.1rem 1.1rem; overflow-x: auto; border-top: 1px solid var(--line);
  font: .84rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.empty { margin: 0; padding: 1.1rem; color: var(--muted); }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .86rem; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 560px) {
  main { padding: 1.75rem 1rem 3rem; }
  .cards { grid-template-columns: 1fr 1fr; gap: .6rem; }
  .card { padding: .75rem .85rem .8rem; }
  .card .value { font-size: 1.5rem; }
  table { font-size: .92rem; }
  th, td { padding: .5rem .4rem; }
  th:first-child, tbody th { padding-left: .7rem; }
  .bar { width: 3.1rem; }
  .swatch { margin-right: .35rem; }
  .strip-cell, .interval { display: none; }
  .narrow { display: block; }
  tbody th { min-width: 5.5rem; }
  .wide .plot text { font-size: 16px; }
  figure { padding: .85rem .8rem .6rem; }
  dl { grid-template-columns: 1fr; gap: .1rem; } dd { margin-bottom: .7rem; }
}
@media print {
  body { background: #fff; font-size: 11pt; }
  .card, figure, .sheet { break-inside: avoid; }
}
)css";
}

}  // namespace unfold::eval
