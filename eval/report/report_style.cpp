#include "eval/report/page_style.h"

namespace unfold::eval {

std::string_view report_style() {
  return R"css(
:root { --up: #1f55d8; --down: #b04a10; --ours: rgba(31, 85, 216, .06); }
@media (prefers-color-scheme: dark) {
  :root { --up: #7db2f7; --down: #f0804e; --ours: rgba(92, 157, 240, .1); }
}
section { scroll-margin-top: 1rem; }
h3 { margin: 1.5rem 0 .55rem; font-size: 1rem; font-weight: 640; }
.more { margin: .6rem 0 0; color: var(--muted); font-size: .9rem; max-width: 80ch; overflow-wrap: anywhere; }
ul.more { padding-left: 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.15rem; margin-top: 1.6rem; padding: .7rem 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); font-size: .9rem; }
a { color: var(--ink); text-decoration: none; }
nav a:hover { text-decoration: underline; text-underline-offset: .2em; }
nav a:focus-visible, .sheet:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }

/* Fixed, so that choosing one does not scroll the page to its top. */
.pick { position: fixed; top: 0; left: 0; width: 1px; height: 1px; margin: 0; opacity: 0; pointer-events: none; }
.ratios { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; margin: 0 0 .3rem; font-size: .88rem; }
.ratios .soft { margin-right: .25rem; }
.ratios label { padding: .18rem .75rem; border: 1px solid var(--line); border-radius: 99px;
  background: var(--card); cursor: pointer; font-variant-numeric: tabular-nums; }

main { max-width: 1180px; }
.matrix th, .matrix td { padding: .42rem .55rem; }
.matrix th:first-child { padding-left: .9rem; } .matrix tr > :last-child { padding-right: .9rem; }
.matrix thead tr:first-child th { padding-top: .65rem; border-bottom: 0; color: var(--ink); }
.matrix thead .method { gap: .3rem; letter-spacing: -.01em; }
.matrix thead .key { width: 10px; height: 10px; }
.matrix .sub th, .matrix .sub td { padding-top: 0; padding-bottom: .5rem; font-size: .78rem;
  font-weight: 400; color: var(--muted); border-bottom: 0; }
.matrix thead tr:last-child > * { border-bottom: 1px solid var(--line); }
.matrix tbody tr + tr > * { border-top: 1px solid var(--grid); }
.matrix th:first-child { position: sticky; left: 0; z-index: 1; background: var(--card); text-align: left; }
.matrix tbody th { min-width: 9.2rem; font-weight: 550; vertical-align: middle; font-size: .93rem; }
.matrix tbody th small { font-size: .76rem; }
.matrix td small { display: block; color: var(--muted); font-size: .72rem; letter-spacing: -.01em; }
.matrix td { font-size: .95rem; }
.matrix .ours { background: var(--ours); }
.matrix .group th, .matrix .group td { border-bottom: 1px solid var(--line); }
.matrix .group th { font-weight: 680; }
.matrix u { text-decoration-thickness: 1.5px; text-underline-offset: .2em; }
.matrix i { font-style: normal; font-size: .62em; margin-right: .3em; vertical-align: .14em; cursor: help; }
.tall { max-height: 85vh; overflow: auto; }
.tall thead { position: sticky; top: 0; z-index: 2; background: var(--card); }
.method .name { white-space: normal; overflow-wrap: break-word; max-width: 14rem; }
.up { color: var(--up); } .down { color: var(--down); }
.plain th, .plain td { padding: .4rem .9rem; }
.plain tbody tr + tr > * { border-top: 1px solid var(--grid); }
section > .at + details, section > .sheet + details { margin-top: 1.4rem; }

.charts.one { grid-template-columns: minmax(0, 640px); }
.charts.maps { grid-template-columns: repeat(auto-fill, minmax(min(100%, 190px), 1fr)); }
.maps figure { padding: .7rem .8rem .45rem; }
.maps figcaption { justify-content: space-between; font-size: .9rem; }
.figure { font-weight: 640; font-variant-numeric: tabular-nums; }
.heat { fill: var(--c0); stroke: var(--grid); stroke-width: .6; }
.none { fill: none; stroke: var(--line); stroke-width: .8; stroke-dasharray: 2 2; }
.scale { display: flex; align-items: center; gap: .5rem; margin: .2rem 0; font-size: .84rem; }
.scale span { width: 8rem; height: .7rem; border-radius: 3px; border: 1px solid var(--line);
  background: linear-gradient(90deg, transparent, var(--c0)); }

.run { padding: 1.1rem 1.2rem 1.2rem; }
.run + .run { margin-top: .8rem; }
.run h3 { display: flex; align-items: center; gap: .6rem; margin: 0; font-size: 1.08rem; overflow-wrap: anywhere; }
.run p { margin: .5rem 0 .9rem; max-width: 80ch; }
.letter { flex: none; width: 1.6rem; height: 1.6rem; border-radius: 50%; background: var(--ink);
  color: var(--card); font-size: .85rem; line-height: 1.6rem; text-align: center; }

.task { margin-top: .6rem; }
.task > summary { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; overflow-wrap: anywhere; }
.task > summary::before { content: "\25b8"; color: var(--muted); }
.task[open] > summary::before { content: "\25be"; }
.task > summary .soft { font-weight: 400; font-size: .88rem; }
.sample { padding: 1rem 1.1rem 1.1rem; border-top: 1px solid var(--line); }
.sample header { display: flex; flex-wrap: wrap; gap: .2rem .9rem; align-items: baseline; margin: 0 0 .6rem; font-size: .86rem; }
.sample header code { color: var(--muted); overflow-wrap: anywhere; }
.sample dl { grid-template-columns: 5rem minmax(0, 1fr); gap: .35rem 1rem; margin-bottom: .8rem; }
.sample dt { color: var(--muted); font-weight: 400; font-size: .9rem; }
.words { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.answer { display: inline-block; max-width: 100%; margin: 0 .4rem .25rem 0; padding: .02rem .5rem; border-radius: 6px;
  background: var(--wash); border: 1px solid var(--line); overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
.said { display: grid; grid-template-columns: 9rem 3.6rem minmax(0, 1fr); gap: .2rem 1rem; padding: .5rem 0;
  border-top: 1px solid var(--grid); font-size: .94rem; }
.who { display: flex; gap: .45rem; align-items: baseline; }
.who::before { content: ""; flex: none; width: .6rem; height: .6rem; border-radius: 50%; background: currentColor; }
.score { text-align: right; font-variant-numeric: tabular-nums; }
.score .bar { width: 100%; }
.said small { display: block; font-size: .78rem; }
.unfolded { margin: .2rem 0 0; }
.unfolded summary { padding: 0; font-weight: 400; font-size: .84rem; color: var(--muted); }
.unfolded ol { margin: .35rem 0 .3rem; padding: 0; list-style: none; font-size: .86rem; }
.unfolded li { display: grid; grid-template-columns: 2.8rem minmax(0, 1fr); gap: .5rem; padding: .18rem 0; }
.share { text-align: right; color: var(--muted); font-variant-numeric: tabular-nums; }
footer p { margin: .2rem 0; }

@media (max-width: 560px) {
  .matrix th, .matrix td { padding: .4rem .5rem; }
  .matrix tbody th { min-width: 8rem; max-width: 8.4rem; font-size: .86rem; }
  .charts.maps { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .maps figure { padding: .55rem .5rem .3rem; }
  .maps .plot text { font-size: 13.5px; }
  .charts.one .plot text { font-size: 16px; }
  .said { grid-template-columns: minmax(0, 1fr) 3.4rem; }
  .said .text { grid-column: 1 / -1; }
  .sample { padding: .85rem .8rem; }
  .sample dl { grid-template-columns: 1fr; gap: .1rem; } .sample dd { margin-bottom: .4rem; }
}
@media print { .ratios, nav { display: none; } .tall { max-height: none; } }
)css";
}

}  // namespace unfold::eval
