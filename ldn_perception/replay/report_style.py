# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The looks of a replay's report."""

STYLE = """
:root { --ink: #0f172a; --text: #1e293b; --muted: #55647a; --line: #e2e8f0; --soft: #f8fafc;
  --accent: #0e7490; --warn: #9a3412; --warn-soft: #fff7ed; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1.5rem; }
body { margin: 0; color: var(--text); background: #fff;
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans',
  sans-serif; }
.page { display: grid; grid-template-columns: 14rem minmax(0, 58rem); gap: 3rem;
  max-width: 80rem; margin: 0 auto; padding: 2.5rem 2rem 4rem; }
nav { position: sticky; top: 2.5rem; align-self: start; max-height: calc(100vh - 5rem);
  overflow-y: auto; font-size: 0.88rem; line-height: 1.35; }
nav h2 { margin: 0 0 0.6rem; font-size: 0.75rem; letter-spacing: 0.08em;
  text-transform: uppercase; color: var(--muted); border: 0; padding: 0; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav ol ol { margin: 0.15rem 0 0.7rem; padding-left: 0.85rem; border-left: 2px solid var(--line); }
nav a { display: block; padding: 0.18rem 0; color: var(--text); text-decoration: none;
  overflow-wrap: anywhere; }
nav ol ol a { color: var(--muted); }
nav a:hover, nav a:focus { color: var(--accent); text-decoration: underline; }
h1 { margin: 0 0 0.4rem; font-size: 2rem; line-height: 1.2; letter-spacing: -0.02em;
  color: var(--ink); overflow-wrap: anywhere; }
.lead { margin: 0 0 1.6rem; color: var(--muted); font-size: 1.05rem; overflow-wrap: anywhere; }
h2 { margin: 3.2rem 0 1rem; padding-top: 1.1rem; border-top: 1px solid var(--line);
  font-size: 1.45rem; line-height: 1.25; letter-spacing: -0.01em; color: var(--ink);
  overflow-wrap: anywhere; }
h3 { margin: 2.2rem 0 0.5rem; font-size: 1.08rem; color: var(--ink); }
p { margin: 0.4rem 0 0.9rem; }
.hint { color: var(--muted); font-size: 0.9rem; max-width: 46rem; }
.notes { margin: 1.2rem 0; padding: 0.8rem 1.1rem; list-style: none; color: var(--warn);
  background: var(--warn-soft); border-left: 4px solid #fb923c; border-radius: 0 6px 6px 0; }
.notes li + li { margin-top: 0.35rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr));
  gap: 0.8rem; margin: 1.1rem 0 0.4rem; padding: 0; list-style: none; }
.tiles li { padding: 0.75rem 0.95rem; background: var(--soft); border: 1px solid var(--line);
  border-radius: 8px; }
.tiles b { display: block; font-size: 1.42rem; line-height: 1.2; color: var(--ink);
  font-variant-numeric: tabular-nums; }
.tiles span { color: var(--muted); font-size: 0.84rem; }
.scroll { overflow-x: auto; margin: 0.8rem 0 1.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th, td { padding: 0.42rem 1.1rem 0.42rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-right: 2rem; }
thead th { color: var(--ink); border-bottom: 2px solid #cbd5e1; font-weight: 600; }
tbody th { font-weight: 400; }
tbody th small { display: block; color: var(--muted); }
tr.group th { padding-top: 1rem; font-size: 0.75rem; letter-spacing: 0.07em;
  text-transform: uppercase; color: var(--muted); }
td.best { font-weight: 700; color: var(--accent); }
td.none { color: #94a3b8; }
table.settings td { text-align: left; font-family: ui-monospace, 'DejaVu Sans Mono', monospace;
  font-size: 0.84rem; overflow-wrap: anywhere; }
figure { margin: 0.6rem 0 1.4rem; }
figure img { display: block; max-width: 100%; height: auto; }
figure.picture { padding: 0.5rem; background: var(--soft); border: 1px solid var(--line);
  border-radius: 8px; }
figure.picture img { width: 100%; border-radius: 4px; }
figcaption { margin-top: 0.45rem; color: var(--muted); font-size: 0.88rem; }
figcaption b { color: var(--text); }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.35em;
  border: 1px solid #64748b55; border-radius: 3px; vertical-align: -0.05em; }
.classes { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.4rem 0 1rem; padding: 0;
  list-style: none; font-size: 0.88rem; color: var(--muted); }
details { margin: 0.8rem 0; }
summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--muted); font-size: 0.86rem; }
@media (max-width: 70rem) { .page { grid-template-columns: minmax(0, 1fr); gap: 1rem;
    padding: 1.4rem 1.2rem; }
  nav { position: static; max-height: none; padding-bottom: 1rem; } }
@media print { nav { display: none; } .page { display: block; padding: 0; }
  figure, tr { break-inside: avoid; } }
"""
