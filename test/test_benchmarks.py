# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of speed, once each with a tiny network: what they measure, not how fast."""

import importlib
import json
import os
from pathlib import Path
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from ldn_perception.decoding.decoder import OodRule, TorchDecoder
from ldn_perception.models.registry import build_model, count_multiply_adds
from ldn_perception.models.segmentation_model import IMAGENET
from ldn_perception.taxonomy import CITYSCAPES
from ldn_perception.types import Quantity

BENCHMARKS = Path(__file__).parents[1] / 'benchmarks'


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """Import a benchmark by name; all that it leaves behind goes with the test."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.chdir(tmp_path)
    environment = dict(os.environ)
    yield importlib.import_module
    os.environ.clear()
    os.environ.update(environment)
    for file in BENCHMARKS.glob('*.py'):
        sys.modules.pop(file.stem, None)


@pytest.fixture
def run(benchmark, monkeypatch, tmp_path):
    """Run a benchmark as a command; what it reports."""
    def run(name, result, *arguments):
        module = benchmark(name)
        monkeypatch.setattr(module, 'keep_freed_memory', lambda: True)
        monkeypatch.setattr(benchmark('matrix_peak'), '_SIDES', {'cpu': 64})
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *arguments])
        module.main()
        return json.loads((tmp_path / 'build' / 'benchmarks' / f'{result}.json').read_text())

    return run


def noise(width, height):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_calls_take_turns_and_the_first_turns_do_not_count(benchmark):
    order = []
    times = benchmark('interleaved').interleaved(
        {name: lambda name=name: order.append(name) for name in 'ab'}, runs=3, warm_up_runs=2)
    assert ''.join(order) == 'ab' * 5
    assert [len(times[name].wall) for name in 'ab'] == [3, 3]


def test_a_call_that_waits_costs_wall_time_only(benchmark):
    times = benchmark('interleaved').interleaved({'': lambda: time.sleep(0.02)}, runs=2)['']
    assert times.min_ms >= 20
    assert max(times.thread) < 10
    assert len(times.process) == 2


def test_rows_have_medians_minima_and_ratios_to_the_first(benchmark):
    interleaved = benchmark('interleaved')
    rows = interleaved.as_rows({
        'slow': interleaved.Times([12.0, 40.0, 20.0]), 'fast': interleaved.Times([5.0, 4.0, 9.0])})
    assert rows['slow'] == {
        'median ms': 20.0, 'min ms': 12.0, 'x by median': 1.0, 'x by min': 1.0}
    assert rows['fast'] == {'median ms': 5.0, 'min ms': 4.0, 'x by median': 4.0, 'x by min': 3.0}


def test_the_matrix_peak_is_that_of_the_fastest_form(benchmark, monkeypatch):
    matrix_peak = benchmark('matrix_peak')
    monkeypatch.setattr(matrix_peak, '_SIDES', {'cpu': 64})
    peak = matrix_peak.MatrixPeak(torch.device('cpu'))
    for call in peak.calls.values():
        call()
    times = benchmark('interleaved').Times
    # 2 x 4096 x 64 x 64 operations, 9/16 of them where a quarter of the channels meet 9 pixels
    spent_ms = {'product': 2.0, '1x1': 1.0, '3x3': 0.5}
    found = peak.giga_per_second(
        {name: times([spent_ms[name.split()[1]]]) for name in peak.calls})
    assert found == pytest.approx(dict.fromkeys(
        ('float32', 'bfloat16'), 2 * 4096 * 64 * 64 * 9 / 16 / 0.5e-3 / 1e9))


def test_the_plain_baseline_gives_the_labels_of_the_reference(benchmark):
    engines = benchmark('engines')
    model = build_model('ldn_small', len(CITYSCAPES)).eval()
    image = noise(96, 64)
    plain = engines.PlainEager(model, IMAGENET, torch.device('cpu'))
    engine = engines.TorchEngine(model, torch.device('cpu'))
    expected = TorchDecoder(CITYSCAPES).decode(
        engine.run(torch.from_numpy(image)), image, OodRule(), Quantity.NOTHING).labels
    assert np.mean(plain.labels(image) == expected) > 0.999


def test_network_reports_times_share_and_agreement(run, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'image.png'), noise(96, 64))
    figures = run('network', 'network_cpu_128x64', '--runs', '1', '--size', '128x64', '--model',
                  'ldn_small', '--engines', 'torch', 'abacus', '--images', 'image.png')
    operations = 2 * count_multiply_adds(build_model('ldn_small', 29), 64, 128)
    plain = figures['network alone']['plain eager float32']
    assert figures['multiply-adds [G]'] == pytest.approx(operations / 2e9)
    assert plain['% of peak'] == pytest.approx(
        100 * operations / plain['min ms'] / 1e6 / figures['matrix peak, float32 [GFLOP/s]'])
    assert list(figures['image to labels']) == [
        'plain eager float32', 'torch float32', 'torch bfloat16']
    assert figures['engines']['torch float32']['labels differ %'] == 0
    assert 0 < figures['engines']['torch bfloat16']['labels differ %'] < 50
    assert 'left out: abacus float32: engine must be one of' in capsys.readouterr().out


def test_scaling_measures_memory_in_a_fresh_process(run):
    figures = run('scaling', 'scaling', '--runs', '1', '--model', 'ldn_small', '--engines',
                  'torch', '--precisions', 'float32', '--sizes', '128x64', '--classes')
    row = figures['by size']['128x64, torch float32']
    assert row['rest MB'] < row['peak MB']
    assert row['ms a MPx'] == pytest.approx(row['min ms'] / (128 * 64 / 1e6))
    assert row['decode ms'] > 0
    assert figures['by classes'] == {}


def test_peers_stand_beside_our_network(run, capsys):
    figures = run('peers', 'peers', '--runs', '1', '--size', '128x64', '--model', 'ldn_small',
                  '--engines')
    ours, not_upsampled = (
        figures['size'][name] for name in ('ldn_small', 'ldn_small, not upsampled'))
    assert ours == not_upsampled
    assert ours['multiply-adds G'] == pytest.approx(
        count_multiply_adds(build_model('ldn_small', 19), 64, 128) / 1e9)
    assert figures['eager float32']['ldn_small']['x eager by min'] == 1
    printed = capsys.readouterr().out
    assert "left out: the authors' LDN: --authors names no checkout" in printed
    assert 'fcn_resnet50' in printed


def test_the_authors_network_is_built_from_a_checkout(benchmark, monkeypatch, tmp_path):
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models' / 'ldn_semseg.py').write_text(
        'from torch import nn\n'
        'from tqdm import tqdm\n'
        'import libs.cylib as cylib\n'
        'class DenseNet(nn.Conv2d):\n'
        '    def __init__(self, dataset, args):\n'
        '        super().__init__(3, dataset.num_classes, 1)\n'
        '        assert imagenet_init and not args.checkpointing\n'
        '    def forward(self, image):\n'
        '        return super().forward(image[..., ::4, ::4]), []\n')
    for name in ('models', 'models.ldn_semseg', 'tqdm', 'libs', 'libs.cylib'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    peers = benchmark('peers')
    network = peers.build_authors_network(tmp_path)
    peer = peers.Peer(network, lambda output: output[0])
    assert isinstance(network, nn.Conv2d)
    assert peer(torch.zeros(1, 3, 8, 12)).logits.shape == (1, 19, 8, 12)


def test_end_to_end_tells_the_stages_of_each_engine(run, tmp_path):
    for side in ('left', 'right'):
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / '0.png'), noise(128, 64))
    (tmp_path / 'calib.json').write_text(json.dumps(
        {'fx': 90.0, 'fy': 90.0, 'cx': 64.0, 'cy': 32.0, 'baseline_m': 0.5}))
    figures = run('end_to_end', 'end_to_end', '--runs', '1', '--images', str(tmp_path),
                  '--engines', 'torch', '--precisions', 'float32', '--node', 'none',
                  '--set', 'model.name=ldn_small', '--set', 'stereo.max_disparity=32')
    row = figures['in process']['torch float32']
    assert figures['image'] == '128x64'
    assert row['ran'] == 'torch, float32'
    assert row['pairs/s'] == pytest.approx(1e3 / row['median ms'])
    stages = row['disparity ms'] + row['network ms'] + row['decode ms']
    assert 0 < stages <= row['median ms']


def test_reports_become_markdown_with_medians_beside_minima(benchmark):
    assert benchmark('markdown_tables').as_markdown({
        'image': '8x4', 'peak [GFLOP/s]': 1234.56, 'time': {
            'a': {'median ms': 12.345, 'min ms': 9.0, 'x by median': 1.0, 'x by min': 2.0},
            'b': {'decode ms': 0.0123, 'ran': 'torch'}},
    }) == [
        '- image: 8x4', '- peak [GFLOP/s]: 1235', '',
        '| time | median / min ms | × | decode ms | ran |', '|---|---|---|---|---|',
        '| a | 12.3 / 9.00 | 1.00 / 2.00 |  |  |', '| b |  |  | 0.0123 | torch |', '']
