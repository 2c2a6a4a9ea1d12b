# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Self-contained HTML page of a replay, without other files or network access."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
import re

import numpy as np

from ldn_perception.errors import ReplayError
from ldn_perception.evaluation import figures
from ldn_perception.evaluation.pages import picture_uris, render_page, svg_uri
from ldn_perception.evaluation.report_folder import ReplayedConfiguration, ReportFolder
from ldn_perception.evaluation.report_tables import (
    Block,
    comparison_table,
    notes,
    number,
    percent,
    settings_table,
    stage_table,
    tiles,
)

MAX_BYTES = 5_000_000
"""Maximum size of the page; the quality of its pictures is reduced to stay below it."""

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
    """Parts of a page, its table of contents and pictures to be embedded."""

    parts: list[Block] = field(default_factory=list)
    contents: list[Block] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)
    num_headings: int = 0

    def head(self, level: int, text: str, anchor: str) -> None:
        """Begin a section; a heading of level 3 is listed below the last one of level 2."""
        anchor = re.sub(r'[^a-z0-9]+', '-', anchor.lower()).strip('-') + f'-{self.num_headings}'
        self.num_headings += 1
        listed = self.contents if level == 2 else self.contents[-1]['parts']
        listed.append({'text': text, 'anchor': anchor, 'parts': []})
        self.parts.append({'kind': 'heading', 'level': level, 'text': text, 'anchor': anchor})

    def paragraph(self, text: str, style: str = 'hint') -> None:
        """Append a paragraph."""
        self.parts.append({'kind': 'paragraph', 'text': text, 'style': style})

    def plot(self, svg: bytes, alt: str, caption: str = '') -> None:
        """Append a plot."""
        self._figure(svg_uri(svg), alt, '', caption, '')

    def picture(self, path: Path, alt: str, title: str, caption: str) -> None:
        """Append a placeholder for a picture, filled when the available space is known."""
        place = f'{{{{picture {len(self.pictures)}}}}}'
        self.pictures[place] = path
        self._figure(place, alt, title, caption, 'picture')

    def _figure(self, address: str, alt: str, title: str, caption: str, style: str) -> None:
        self.parts.append({
            'kind': 'figure', 'address': address, 'alt': alt, 'title': title, 'caption': caption,
            'style': style})


def write_page(folder: Path) -> Path:
    """Write index.html, a self-contained page of at most 5 MB.

    Args:
        folder: Folder of a replay: comparison.json, and for every configuration a folder of its
            name with replay.json, frames.jsonl, scores.json and pictures.

    Returns:
        Path of the page.

    Raises:
        ReplayError: The folder contains no replay, a file is damaged, or the plots of all
            configurations are too large.
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
        page.paragraph('The best value of a row is set in bold.')
    page.parts.append(comparison_table(configurations))
    tables = {entry.name: entry.frames for entry in configurations if len(entry.frames)}
    if len(tables) > 1:
        page.head(3, 'Mean foreign probability of all configurations',
                  'foreign-probability-compared')
        page.paragraph(_FOREIGN_PROBABILITY)
        page.plot(
            figures.draw_foreign_comparison(tables),
            'Mean foreign probability over the pairs, a line for each of ' + ', '.join(tables))


def _configuration(page: _Page, configuration: ReplayedConfiguration) -> None:
    name = configuration.name
    page.head(2, name, name)
    page.paragraph(_model_line(configuration), 'lead')
    if texts := notes(configuration):
        page.parts.append({'kind': 'notes', 'texts': texts})
    if len(configuration.frames):
        page.parts.append(tiles(configuration))
        _foreign_probability(page, configuration)
        _accuracy(page, configuration)
        _classes(page, configuration)
        _latency(page, configuration)
        _pictures(page, configuration)
    page.head(3, 'Settings', f'{name} settings')
    page.parts.append({'kind': 'legend', 'classes': configuration.classes})
    page.parts.append(settings_table(configuration))


def _model_line(configuration: ReplayedConfiguration) -> str:
    replay = configuration.replay
    weights = replay.get('weights')
    facts = [
        str(replay.get('model', 'unknown network')),
        f'weights {Path(weights).name}' if weights else 'random weights',
        f'classes {replay.get("taxonomy", {}).get("name", "unknown")}',
    ]
    return ' · '.join(facts)


def _foreign_probability(page: _Page, configuration: ReplayedConfiguration) -> None:
    frames = configuration.frames
    if not frames.has('mean_foreign_probability'):
        return
    page.head(3, 'Mean foreign probability over time', f'{configuration.name} foreign')
    page.paragraph(f'{_FOREIGN_PROBABILITY} OOD share is the part of the pixels above the '
                   f'threshold.{_thinning(len(frames))}')
    most = int(np.nanargmax(frames.series['mean_foreign_probability']))
    page.plot(
        figures.draw_foreign_probability(frames),
        f'Mean foreign probability and OOD share over {len(frames)} pairs: '
        f'mean foreign probability {percent(frames.mean("mean_foreign_probability"))}, largest '
        f'{percent(frames.series["mean_foreign_probability"][most])} at pair {frames.index[most]}')


def _thinning(num_pairs: int) -> str:
    if num_pairs <= figures.MAX_POINTS:
        return ''
    return (f' A line is the mean of {num_pairs / figures.MAX_POINTS:.1f} pairs a point, '
            'its band reaches from the smallest to the largest of them.')


def _accuracy(page: _Page, configuration: ReplayedConfiguration) -> None:
    frames = configuration.frames
    scored = [name for name in ('pixel_accuracy', 'miou', 'ood_ap', 'd1') if frames.has(name)]
    if not scored:
        return
    page.head(3, 'Accuracy over time', f'{configuration.name} accuracy')
    page.paragraph('Each pair by itself: mIoU is the mean over the classes that its ground truth '
                   'has, D1 the part of its disparities that is off by more than 3 px and 5 %, or '
                   f'missing.{_thinning(len(frames))}')
    means = ', '.join(f'{name.replace("_", " ")} {percent(frames.mean(name))}' for name in scored)
    page.plot(
        figures.draw_accuracy(frames),
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
        figures.draw_class_iou(known, colors),
        'Intersection over union in percent: ' + ', '.join(
            f'{name} {percent(value)}' for name, value in known.items()), caption)
    counts = configuration.score('segmentation', 'confusion')
    if counts:
        page.head(3, 'Confusion matrix', f'{configuration.name} confusion')
        page.plot(
            figures.draw_confusion_matrix(counts, list(iou)),
            'Confusion matrix: of every true class, the percentage predicted as each class')


def _latency(page: _Page, configuration: ReplayedConfiguration) -> None:
    frames = configuration.frames
    if not frames.seconds:
        return
    page.head(3, 'Time of the stages', f'{configuration.name} latency')
    page.paragraph('A replay waits for every pair, so these are times of computation and files on '
                   'the machine of the replay, not the latency of the node on a vehicle.')
    medians = ', '.join(
        f'{stage} {1e3 * np.nanmedian(seconds):.1f} ms'
        for stage, seconds in frames.seconds.items())
    page.plot(
        figures.draw_latency(frames),
        f'Stages of every pair on top of each other, and a histogram of their sum; medians: '
        f'{medians}')
    page.parts.append(stage_table(configuration))


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
                f'Pair {index}', f'{when} · {measure} {percent(value)}')


def _seconds_text(stamp_ns: int) -> str:
    seconds, nanoseconds = divmod(stamp_ns, _NS_PER_S)
    return f'{seconds}.{nanoseconds // 1_000_000:03d}'


def _document(page: _Page, report: ReportFolder) -> str:
    bags = list(dict.fromkeys(
        Path(bag).name for entry in report.configurations for bag in entry.replay.get('bags', ())))
    title = f'Replay of {", ".join(bags[:3])}' + (f' and {len(bags) - 3} more' if bags[3:] else '')
    pairs = max(len(entry.frames) for entry in report.configurations)
    names = ', '.join(entry.name for entry in report.configurations)
    html = render_page(
        'replay.html.j2', title=title, lead=f'{pairs} pairs through {names}',
        contents=page.contents, parts=page.parts)
    return _with_pictures(html, page)


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
