# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import re

from evaluation_fixtures import write_weights
import pytest

from ldn_perception.cli.main import main
from ldn_perception.models.weights import store_ood_threshold
from ldn_perception.taxonomy import UNIVERSAL
from ldn_perception.weights import SHIPPED, shipped_names


@pytest.fixture
def weights(monkeypatch, capsys):
    """Runs an action of `ldn weights`; gives its exit code, output and errors."""
    monkeypatch.setenv('COLUMNS', '160')

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(['weights', *map(str, arguments)])
        return ended.value.code, *capsys.readouterr()

    return run


def rows_of(table):
    """First and last cell of every row, rows that were folded joined."""
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in re.findall(r'(?<=[│┃])([^│┃]*)(?=[│┃])', line)]
        if cells and cells[0]:
            last = cells[0]
            rows[last] = cells[-1]
        elif cells:
            rows[last] += f' {cells[-1]}'
    return rows


def test_every_shipped_file_is_listed_with_its_network(weights):
    code, table, _ = weights('list')
    assert code == 0
    purposes = {purpose for _, purpose in SHIPPED}
    assert set(shipped_names(purposes)) <= set(rows_of(table))
    assert {name for name, last in rows_of(table).items() if last == 'yes'} == {'ldn121_road'}


def test_contents_of_a_file_are_one_table(weights, tmp_path):
    path = write_weights(tmp_path / 'tiny.safetensors', UNIVERSAL)
    code, table, _ = weights('show', path)
    assert code == 0
    rows = rows_of(table)
    assert table.splitlines()[0].strip() == str(path)
    assert rows['network'] == 'ldn_small'
    assert rows['taxonomy'] == 'universal, 22 driving and 7 foreign classes'
    assert rows['classes'] == f'29: {", ".join(UNIVERSAL.class_names)}'
    assert rows['OOD threshold'] == '0.5 (not calibrated)'
    assert rows['image mean (RGB)'] == '0.4850, 0.4560, 0.4060'
    assert rows['image standard deviation'] == '0.2290, 0.2240, 0.2250'
    assert re.fullmatch(r'\d+ of 0\.5\d M numbers, F32, I64', rows['tensors'])
    assert rows['file format'] == 'version 1'
    assert rows['note'] == 'untrained'
    store_ood_threshold(path, path, 0.25, {'fpr': 0.05})
    rows = rows_of(weights('show', path)[1])
    assert rows['OOD threshold'] == '0.25 (calibrated)'
    assert json.loads(rows['ood_calibration']) == {'fpr': 0.05}


def test_shipped_weights_are_shown_by_name(weights):
    assert rows_of(weights('show', 'correspondence')[1])['classes'] == 'none'
    assert rows_of(weights('show', 'ldn121_road')[1])['network'] == 'ldn121_64_4'


@pytest.mark.parametrize(('name', 'text'), [
    ('ldn121_raod', 'weights must be a weights file (.safetensors) or one of ldn121_road, '),
    ('gone.safetensors', 'weights file gone.safetensors must be an existing file, got nothing'),
])
def test_missing_weights_are_one_sentence(weights, name, text):
    code, _, error = weights('show', name)
    assert code == 1
    assert error.startswith(f'ldn: {text}')
    assert error.count('\n') == 1


def test_shipped_weights_are_not_changed(weights):
    code, _, error = weights('correct-prior', 'ldn121_road', '--foreign-odds', 0.5)
    assert code == 1
    assert error == (
        'ldn: --output must be given for shipped weights, which are not changed, got none: name '
        'another file\n')


def test_files_are_not_replaced_by_accident(weights, tmp_path):
    source = write_weights(tmp_path / 'tiny.safetensors', UNIVERSAL)
    other = tmp_path / 'other.safetensors'
    other.write_text('mine')
    for arguments in (
            ('average', source, source), ('correct-prior', source, '--foreign-odds', 0.5)):
        code, _, error = weights(*arguments, '--output', other)
        assert code == 1
        assert error == (
            f'ldn: output {other} must be a new file, got one that exists: choose another '
            '--output, or add --overwrite\n')
        assert other.read_text() == 'mine'
    assert weights(*arguments, '--output', other, '--overwrite')[0] == 0
    assert other.stat().st_size > 1000
