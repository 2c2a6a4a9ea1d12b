# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One page that shows a replay and needs no other file and no network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
import re

import numpy as np

from ldn_perception.errors import ReplayError
from ldn_perception.replay import report_plots
from ldn_perception.replay.report_folder import ReplayedConfiguration, ReportFolder
from ldn_perception.replay.report_notes import notes
from ldn_perception.replay.report_pictures import picture_uris, svg_uri
from ldn_perception.replay.report_style import STYLE
from ldn_perception.replay.report_tables import (
    comparison_table,
    legend,
    number,
    percent,
    settings_table,
    stage_table,
    tiles,
)

MAX_BYTES = 5_000_000
"""Largest page; pictures lose quality before it would become larger."""

_NS_PER_S = 1_000_000_000
_KINDS = {
    'best': ('Best pairs', 'pixel accuracy'),
    'worst': ('Worst pairs', 'pixel accuracy'),
    'foreign': ('Most foreign pairs', 'mean foreign probability'),
}
_FOREIGN_PROBABILITY = (
    'Mean foreign probability is the mean, over all pixels of the left image, of the probability '
    'of classes that cannot be seen from a road.')


@dataclass(slots=True)
class _Page:
    """Parts of a page, its table of contents and the pictures that are still to be put in."""

    parts: list[str] = field(default_factory=list)
    contents: list[tuple[int, str, str]] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)

    def head(self, level: int, text: str, anchor: str) -> None:
        """Begin a section that the table of contents lists."""
        anchor = re.sub(r'[^a-z0-9]+', '-', anchor.lower()).strip('-') + f'-{len(self.contents)}'
        self.contents.append((level, text, anchor))
        self.parts.append(f'<h{level} id="{anchor}">{escape(text)}</h{level}>')

    def add(self, html: str) -> None:
        """Append HTML."""
        self.parts.append(html)

    def plot(self, svg: bytes, alt: str, caption: str = '') -> None:
        """Append a plot."""
        self._figure(svg_uri(svg), alt, escape(caption), '')

    def picture(self, path: Path, alt: str, caption: str) -> None:
        """Append a picture; its place is kept until it is known how much room there is."""
        place = f'{{{{picture {len(self.pictures)}}}}}'
        self.pictures[place] = path
        self._figure(place, alt, caption, ' class="picture"')

    def _figure(self, address: str, alt: str, caption: str, kind: str) -> None:
        text = f'<figcaption>{caption}</figcaption>' if caption else ''
        self.parts.append(
            f'<figure{kind}><img src="{address}" alt="{escape(alt)}">{text}</figure>')


def write_page(folder: Path) -> Path:
    """Write index.html, which needs no other file and at most 5 MB.

    Args:
        folder: Of a replay: comparison.json, and for every configuration a folder of its name
            with replay.json, frames.jsonl, scores.json and pictures.

    Returns:
        The page.

    Raises:
        ReplayError: There is no replay in the folder, a file of it is damaged, or there are so
            many configurations that their plots alone are too large.
    """
    report = ReportFolder.read(folder)
    page = _Page()
    _overview(page, report)
    for configuration in report.configurations:
        _configuration(page, configuration)
    path = folder / 'index.html'
    path.write_text(_document(page, report), encoding='utf-8')
    return path


def _overview(page: _Page, report: ReportFolder) -> None:
    configurations = report.configurations
    page.head(2, 'Scores' if len(configurations) == 1 else 'Configurations compared', 'scores')
    if len(configurations) > 1:
        page.add('<p class="hint">The best value of a row is set in bold.</p>')
    page.add(comparison_table(configurations))
    tables = {entry.name: entry.frames for entry in configurations if len(entry.frames)}
    if len(tables) > 1:
        page.head(3, 'Mean foreign probability of all configurations',
                  'foreign-probability-compared')
        page.add(f'<p class="hint">{_FOREIGN_PROBABILITY}</p>')
        page.plot(
            report_plots.draw_foreign_comparison(tables),
            'Mean foreign probability over the pairs, a line for each of ' + ', '.join(tables))


def _configuration(page: _Page, configuration: ReplayedConfiguration) -> None:
    name = configuration.name
    page.head(2, name, name)
    page.add(f'<p class="lead">{_model_line(configuration)}</p>')
    page.add(_note_list(notes(configuration)))
    if len(configuration.frames):
        page.add(tiles(configuration))
        _foreign_probability(page, configuration)
        _accuracy(page, configuration)
        _classes(page, configuration)
        _latency(page, configuration)
        _pictures(page, configuration)
    page.head(3, 'Settings', f'{name} settings')
    page.add(legend(configuration))
    page.add(settings_table(configuration))


def _model_line(configuration: ReplayedConfiguration) -> str:
    replay = configuration.replay
    weights = replay.get('weights')
    facts = [
        str(replay.get('model', 'unknown network')),
        f'weights {Path(weights).name}' if weights else 'random weights',
        f'classes {replay.get("taxonomy", {}).get("name", "unknown")}',
    ]
    return ' · '.join(map(escape, facts))


def _note_list(texts: Iterable[str]) -> str:
    items = ''.join(f'<li>{escape(text)}</li>' for text in texts)
    return f'<ul class="notes">{items}</ul>' if items else ''


def _foreign_probability(page: _Page, configuration: ReplayedConfiguration) -> None:
    frames = configuration.frames
    if not frames.has('mean_foreign_probability'):
        return
    page.head(3, 'Mean foreign probability over time', f'{configuration.name} foreign')
    page.add(f'<p class="hint">{_FOREIGN_PROBABILITY} '
             'OOD share is the part of the pixels above the '
             f'threshold.{_thinning(len(frames))}</p>')
    most = int(np.nanargmax(frames.series['mean_foreign_probability']))
    page.plot(
        report_plots.draw_foreign_probability(frames),
        f'Mean foreign probability and OOD share over {len(frames)} pairs: '
        f'mean foreign probability {percent(frames.mean("mean_foreign_probability"))}, largest '
        f'{percent(frames.series["mean_foreign_probability"][most])} at pair {frames.index[most]}')


def _thinning(num_pairs: int) -> str:
    if num_pairs <= report_plots.MAX_POINTS:
        return ''
    return (f' A line is the mean of {num_pairs / report_plots.MAX_POINTS:.1f} pairs a point, '
            'its band reaches from the smallest to the largest of them.')


def _accuracy(page: _Page, configuration: ReplayedConfiguration) -> None:
    frames = configuration.frames
    scored = [name for name in ('pixel_accuracy', 'miou', 'ood_ap', 'd1') if frames.has(name)]
    if not scored:
        return
    page.head(3, 'Accuracy over time', f'{configuration.name} accuracy')
    page.add('<p class="hint">Each pair by itself: mIoU is the mean over the classes that its '
             'ground truth has, D1 the part of its disparities that is off by more than 3 px and '
             f'5 %, or missing.{_thinning(len(frames))}</p>')
    means = ', '.join(f'{name.replace("_", " ")} {percent(frames.mean(name))}' for name in scored)
    page.plot(
        report_plots.draw_accuracy(frames),
        f'Scores over {len(frames)} pairs, in the mean {means}')


def _classes(page: _Page, configuration: ReplayedConfiguration) -> None:
    scored = configuration.score('segmentation', 'iou') or {}
    iou = {name: number(value) for name, value in scored.items()}
    known = {name: value for name, value in iou.items() if np.isfinite(value)}
    if not known:
        return
    page.head(3, 'IoU of the classes', f'{configuration.name} classes')
    absent = [name for name in iou if name not in known]
    caption = f'Not in the ground truth: {", ".join(absent)}.' if absent else ''
    colors = {entry['name']: entry['color'] for entry in configuration.classes}
    page.plot(
        report_plots.draw_class_iou(known, colors),
        'Intersection over union in percent: ' + ', '.join(
            f'{name} {percent(value)}' for name, value in known.items()), caption)
    counts = configuration.score('segmentation', 'confusion')
    if counts:
        page.head(3, 'Confusion matrix', f'{configuration.name} confusion')
        page.plot(
            report_plots.draw_confusion_matrix(counts, list(iou)),
            'Confusion matrix: of every true class, the percentage predicted as each class')


def _latency(page: _Page, configuration: ReplayedConfiguration) -> None:
    frames = configuration.frames
    if not frames.seconds:
        return
    page.head(3, 'Time of the stages', f'{configuration.name} latency')
    page.add('<p class="hint">A replay waits for every pair, so these are times of computation '
             'and files on the machine of the replay, not the latency of the node on a vehicle.'
             '</p>')
    medians = ', '.join(
        f'{stage} {1e3 * np.nanmedian(seconds):.1f} ms'
        for stage, seconds in frames.seconds.items())
    page.plot(
        report_plots.draw_latency(frames),
        f'Stages of every pair on top of each other, and a histogram of their sum; medians: '
        f'{medians}')
    page.add(stage_table(configuration))


def _pictures(page: _Page, configuration: ReplayedConfiguration) -> None:
    listed = configuration.score('pictures') or []
    stamps = dict(zip(
        configuration.frames.index.tolist(), configuration.frames.stamp_ns.tolist(), strict=True))
    for kind, (heading, measure) in _KINDS.items():
        entries = [entry for entry in listed if entry['kind'] == kind
                   and (configuration.pictures / entry['file']).is_file()]
        if not entries:
            continue
        page.head(3, heading, f'{configuration.name} {kind}')
        for entry in entries:
            index, value = int(entry['index']), number(entry['value'])
            stamp = stamps.get(index)
            when = '' if stamp is None else f' · stamp {_seconds_text(stamp)} s'
            page.picture(
                configuration.pictures / entry['file'],
                f'{heading[:-1]} {index} of {configuration.name}: left image and its results',
                f'<b>Pair {index}</b>{when} · {measure} {percent(value)}')


def _seconds_text(stamp_ns: int) -> str:
    seconds, nanoseconds = divmod(stamp_ns, _NS_PER_S)
    return f'{seconds}.{nanoseconds // 1_000_000:03d}'


def _document(page: _Page, report: ReportFolder) -> str:
    bags = list(dict.fromkeys(
        Path(bag).name for entry in report.configurations for bag in entry.replay.get('bags', ())))
    title = f'Replay of {", ".join(bags[:3])}' + (f' and {len(bags) - 3} more' if bags[3:] else '')
    pairs = max(len(entry.frames) for entry in report.configurations)
    names = ', '.join(entry.name for entry in report.configurations)
    html = '\n'.join([
        '<!doctype html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f'<title>{escape(title)}</title>', f'<style>{STYLE}</style>', '</head>', '<body>',
        '<div class="page">', _table_of_contents(page), '<main>', '<header>',
        f'<h1>{escape(title)}</h1>',
        f'<p class="lead">{pairs} pairs through {escape(names)}</p>', '</header>',
        *page.parts,
        '<footer>Written by <code>ldn replay</code>. The numbers stand in scores.json and '
        'frames.jsonl beside this page.</footer>',
        '</main>', '</div>', '</body>', '</html>', '',
    ])
    return _with_pictures(html, page)


def _table_of_contents(page: _Page) -> str:
    parts = ['<nav aria-label="Contents"><h2>Contents</h2><ol>']
    depth = 2
    for position, (level, text, anchor) in enumerate(page.contents):
        if level > depth:
            parts.append('<ol>')
        elif level < depth:
            parts.append('</li></ol></li>')
        elif position:
            parts.append('</li>')
        parts.append(f'<li><a href="#{anchor}">{escape(text)}</a>')
        depth = level
    parts.append('</li></ol></li></ol></nav>' if depth == 3 else '</li></ol></nav>')
    return ''.join(parts)


def _with_pictures(html: str, page: _Page) -> str:
    room = MAX_BYTES - len(html.encode('utf-8'))
    if room < 0:
        raise ReplayError(
            'report of a replay', must_be=f'at most {MAX_BYTES} bytes', got=MAX_BYTES - room,
            do='compare fewer configurations at once')
    addresses = picture_uris(list(page.pictures.values()), room)
    for place, address in zip(page.pictures, addresses, strict=True):
        html = html.replace(place, address)
    return html
