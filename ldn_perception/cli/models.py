# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn models`: size and cost of the ladder networks beside the tables of the thesis."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import cache, partial

import torch

from ldn_perception.models.registry import (
    LADDER_DESIGNS,
    LadderDesign,
    build_ladder_network,
    count_multiply_adds,
    count_parameters,
)

EXAMPLE = 'ldn models'

NUM_CLASSES = 19
SIDE_PX = 1024


@dataclass(frozen=True)
class Printed:
    """A row of a table of the thesis.

    Attributes:
        preset: Name of the corresponding network.
        row: Table and method.
        parameters: Millions of parameters; None if the table has no number.
        multiply_adds: Billions of multiply-adds for 1024x1024 pixels.
    """

    preset: str
    row: str
    parameters: float | None
    multiply_adds: float


PRINTED = (
    Printed('ldn121', '4.1, 4.2, 4.5 LDN121 64→4', 9.5, 66.5),
    Printed('ldn121_64_4', '4.1, 4.2, 4.5, 4.9 LDN121 64→4', 9.5, 66.5),
    Printed('ldn121_down32', '4.1 DN121 32↓', 8.2, 56.1),
    Printed('ldn121_32_4', '4.1, 4.2, 4.5 LDN121 32→4', 9.0, 75.4),
    Printed('ldn169_32_4', '4.1 LDN169 32→4', 15.6, 88.8),
    Printed('ldn121_32_2', '4.1 LDN121 32→2', 9.4, 154.5),
    Printed('lrn18_32_4', '4.1, 4.5 ResNet18 32→4', 13.3, 55.7),
    Printed('lrn101_32_4', '4.1, 4.5 ResNet101 32→4', 45.9, 186.7),
    Printed('lrn50_32_4', '4.1, 4.5 ResNet50 32→4', 26.9, 109.0),
    Printed('ldpn68_32_4', '4.1 DPN68 32→4', 13.7, 59.0),
    Printed('ddn121_down8', '4.1 DDN-121 8↓', 8.2, 147.8),
    Printed('lddn121_8_4', '4.1 LDDN-121 8→4', 8.6, 174.8),
    Printed('lddn121_16_4', '4.1 LDDN-121 16→4', 8.9, 87.0),
    Printed('ldn121_128_4', '4.2 LDN121 128→4', 9.9, 66.2),
    Printed('ldn161_64_4', '4.2 LDN161 64→4', 30.0, 138.7),
    Printed('lrn18_32_4', '4.4 LRN18 32→4', None, 56.0),
    Printed('lrn50_32_4', '4.4 LRN50 32→4', None, 109.0),
    Printed('ldn121_dws', '4.4 LDN121 dws', None, 54.0),
    Printed('ldn121_64_4', '4.4 LDN121 64→4', None, 66.0),
    Printed('ldn121_no_spp', '4.9 LDN121 64→4 NoSPP', 10.2, 66.7),
    Printed('ldn121_pspnet_spp', '4.9 LDN121 64→4 SPP [36]', 10.6, 66.9),
    Printed('ldn121_dws', '4.9 LDN121 64→4 DWS', 8.7, 54.2),
)
"""Rows in the order of the thesis; NoAux of Table 4.9 is LDN121 64→4 without training heads."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(_: argparse.Namespace) -> int:
    """Print the tables."""
    print(thesis_table())
    print()
    print(unprinted_table())
    return 0


def thesis_table() -> str:
    """Markdown table of all rows of the thesis beside their networks."""
    rows = [
        '| preset | thesis | M | built | | GMAC | built | | without widening units: M | '
        '| GMAC | |',
        '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ]
    rows += [_row(printed) for printed in PRINTED]
    return '\n'.join(rows)


def unprinted_table() -> str:
    """Markdown table of the ladder networks that are in no table of the thesis."""
    known = {printed.preset for printed in PRINTED}
    rows = ['| preset | M | GMAC |', '|---|---|---|']
    for name, design in LADDER_DESIGNS.items():
        if name not in known:
            parameters, multiply_adds = _measure(design)
            rows.append(f'| `{name}` | {parameters:.2f} | {multiply_adds:.1f} |')
    return '\n'.join(rows)


def _row(printed: Printed) -> str:
    cells = [f'`{printed.preset}`', printed.row]
    wanted = (printed.parameters, printed.multiply_adds)
    as_built, lean = _measure_both(printed.preset)
    for value, built, digits in zip(wanted, as_built, (2, 1), strict=True):
        cells += ['' if value is None else f'{value:.1f}', *_compared(built, value, digits)]
    if lean is None:
        cells += [''] * 4
    else:
        for value, counted, digits in zip(wanted, lean, (2, 1), strict=True):
            cells += _compared(counted, value, digits)
    return f'| {" | ".join(cells)} |'


def _compared(built: float, printed: float | None, digits: int) -> list[str]:
    deviation = '' if printed is None else f'{100 * (built / printed - 1):+.1f} %'
    return [f'{built:.{digits}f}', deviation]


def _without_widening(design: LadderDesign) -> LadderDesign | None:
    """Same design on a DenseNet without the 1x1 of its first units; None for other backbones."""
    if not isinstance(design.backbone, partial):
        return None
    return replace(design, backbone=partial(design.backbone, widens=False))


@cache
def _measure_both(preset: str) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """Size and cost of a network as it is built, and without widening units."""
    design = LADDER_DESIGNS[preset]
    lean = _without_widening(design)
    return _measure(design), None if lean is None else _measure(lean)


def _measure(design: LadderDesign) -> tuple[float, float]:
    """Count millions of parameters and billions of multiply-adds."""
    with torch.device('meta'):
        model = build_ladder_network(design, NUM_CLASSES)
    multiply_adds = count_multiply_adds(model, SIDE_PX, SIDE_PX)
    return count_parameters(model) / 1e6, multiply_adds / 1e9
