# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from ldn_perception.cli import models

PAGE = Path(__file__).parents[2] / 'docs' / 'models.md'


@pytest.fixture(scope='module')
def printed():
    return models.thesis_table(), models.unprinted_table()


def test_page_has_the_tables_as_computed(printed):
    page = PAGE.read_text(encoding='utf-8')
    for table in printed:
        assert table in page


def test_deviations_are_those_of_the_rounded_figures_beside_them(printed):
    rows = [row.split(' | ') for row in printed[0].splitlines()[2:]]
    assert len(rows) == len(models.PRINTED)
    for cells in rows:
        thesis, built, deviation = float(cells[5]), float(cells[6]), cells[7]
        assert float(deviation.rstrip(' %|')) == pytest.approx(
            100 * (built - thesis) / thesis, abs=0.15
        )


def test_every_densenet_of_the_thesis_is_within_three_percent_as_counted(printed):
    for row in printed[0].splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip('|').split('|')]
        if cells[0] not in ('`ldn121`', '`ldpn68_32_4`'):
            cost = cells[11] or cells[7]
            assert abs(float(cost.rstrip(' %'))) < 3, cells[0]


def test_verb_prints_both_tables(monkeypatch, capsys):
    monkeypatch.setattr(models, 'PRINTED', models.PRINTED[:1])
    monkeypatch.setattr(models, 'LADDER_DESIGNS', {
        name: models.LADDER_DESIGNS[name] for name in ('ldn121', 'ldn_small')
    })
    assert models.run(None) == 0
    text = capsys.readouterr().out
    assert '| `ldn121` | 4.1, 4.2, 4.5 LDN121 64→4 | 9.5 | 9.53 | +0.3 % | 66.5 | 66.8 |' in text
    assert '| `ldn_small` | 0.51 | 7.6 |' in text
