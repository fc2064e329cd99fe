"""The style sheet of the report page, light or dark by the setting of the reader's system."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d5dae0; --back: #fff;
  --card: #f5f7f9; --heat: 0, 114, 178; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #3a424c;
  --back: #14181d; --card: #1d232a; --heat: 86, 180, 233; } }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, "Segoe UI", sans-serif; color: var(--ink); background: var(--back);
  max-width: 66rem; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 48rem; } .soft { color: var(--soft); }
.badge { background: #e69f00; color: #000; border-radius: 1em; padding: .1em .8em; font-size: .85rem;
  vertical-align: .25em; margin-left: .6em; white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.figures div { background: var(--card); border-radius: .5rem; padding: .7rem 1rem; }
.figures b { display: block; font-size: 1.35rem; font-weight: 600; }
.figures span { color: var(--soft); font-size: .85rem; }
img { max-width: 100%; height: auto; border-radius: .3rem; background: #181818; display: block; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .88rem; margin-top: .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
td, th { padding: .3em 1em; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; padding-left: .2em; }
th { color: var(--soft); font-weight: 500; font-size: .88rem; } tr.total td { font-weight: 600; }
.matrix th { text-align: center; } .matrix th:first-child { text-align: left; }
td.heat { background: rgba(var(--heat), var(--share)); border: 2px solid var(--back);
  border-radius: .4rem; text-align: center; }
td.heat small { display: block; color: var(--soft); } td.dark small { color: inherit; opacity: .8; }
.box { display: inline-block; width: .9em; height: .9em; margin-right: .5em; border: 1px solid #888;
  border-radius: .15em; vertical-align: -.05em; }
.bar { display: inline-block; height: .55em; background: #888; border-radius: .2em; }
td.bars { text-align: left; min-width: 9rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 1rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
svg { width: 100%; max-width: 36rem; } svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .ink { stroke: var(--ink); } svg .dot { stroke: var(--ink); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .6rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--card); padding: 1em; overflow-x: auto; font-size: 12px; border-radius: .4rem; }
summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure, table, svg, .figures { break-inside: avoid; } }
"""
