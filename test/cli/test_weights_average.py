# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from safetensors.torch import load_file
import torch

from ldn_perception.cli.main import main
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import save_weights


def average(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['weights', 'average', *map(str, arguments)])
    return ended.value.code


def test_mean_is_written_and_told(tmp_path, capsys):
    files = [tmp_path / name for name in ('one', 'two')]
    for seed, file in enumerate(files):
        save_weights(file, build_model('ldn_small', 2, seed=seed), 'ldn_small', ('road', 'sky'))
    assert average(*files, '--output', tmp_path / 'mean') == 0
    assert capsys.readouterr().out == f'{tmp_path}/mean: ldn_small, the mean of 2 files\n'
    one, two, mean = (load_file(tmp_path / name) for name in ('one', 'two', 'mean'))
    name = next(name for name, value in one.items() if value.ndim == 4)
    assert torch.allclose(mean[name], (one[name] + two[name]) / 2, atol=1e-7)


def test_a_missing_file_is_one_sentence(tmp_path, capsys):
    files = [tmp_path / f'{name}.safetensors' for name in 'ab']
    assert average(*files, '--output', tmp_path / 'mean') == 1
    assert capsys.readouterr().err == (
        f'ldn: weights file {files[0]} must be an existing file, got nothing: check the path\n')
