# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
import pickle

import pytest
import torch
from training.tiny import tiny_recipe

from ldn_perception.errors import TrainingError
from ldn_perception.training.recipe import ValidationRecipe
from ldn_perception.training.training_files import Snapshot, read_snapshot, write_snapshot


def _snapshot(recipe):
    model = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return Snapshot(
        7, model.state_dict(), {'n': torch.tensor(2)}, optimizer.state_dict(), recipe)


def test_what_is_written_is_read(tmp_path):
    recipe = tiny_recipe()
    written = _snapshot(recipe.to_values())
    write_snapshot(tmp_path / 'snapshot.pt', written)
    read = read_snapshot(tmp_path / 'snapshot.pt', recipe)
    assert read.step == 7
    assert read.recipe == recipe.to_values()
    for part in ('model', 'average'):
        torch.testing.assert_close(getattr(read, part), getattr(written, part))
    torch.testing.assert_close(read.optimizer['state'], written.optimizer['state'])
    assert read.optimizer['param_groups'] == written.optimizer['param_groups']
    assert os.listdir(tmp_path) == ['snapshot.pt']


def test_option_that_a_snapshot_does_not_know_counts_as_its_default(tmp_path):
    values = tiny_recipe().to_values()
    for new in ('tensorboard', 'validation', 'validation_epochs', 'grey_share'):
        del values[new]
    del values['domains'][0]['wholly_foreign']
    write_snapshot(tmp_path / 'snapshot.pt', _snapshot(values))
    assert read_snapshot(tmp_path / 'snapshot.pt', tiny_recipe()).step == 7
    with pytest.raises(TrainingError, match='got another grey_share'):
        read_snapshot(tmp_path / 'snapshot.pt', tiny_recipe(grey_share=0.1))


def test_free_options_may_change_on_the_way(tmp_path):
    write_snapshot(tmp_path / 'snapshot.pt', _snapshot(tiny_recipe().to_values()))
    read_snapshot(tmp_path / 'snapshot.pt', tiny_recipe(
        loader_processes=3, snapshot_steps=9, norm_batches=5, tensorboard=True,
        validation=(ValidationRecipe('camvid', 'camvid'),), validation_epochs=2))


def test_snapshot_of_another_recipe_is_refused(tmp_path):
    write_snapshot(tmp_path / 'snapshot.pt', _snapshot(tiny_recipe().to_values()))
    with pytest.raises(TrainingError, match=(
            f'recipe of the training in {tmp_path} must be as it was at its beginning, got '
            'another epochs, learning_rate: choose another output folder')):
        read_snapshot(
            tmp_path / 'snapshot.pt', tiny_recipe(learning_rate=0.5, epochs=9))


def test_snapshot_with_an_option_that_is_gone_is_refused(tmp_path):
    values = {**tiny_recipe().to_values(), 'momentum': 0.9}
    write_snapshot(tmp_path / 'snapshot.pt', _snapshot(values))
    with pytest.raises(TrainingError, match=(
            r"recipe in the snapshot .* must be one of this version, got one where .*'momentum'"
            '.*: finish the training with the version that began it')):
        read_snapshot(tmp_path / 'snapshot.pt', tiny_recipe())


class _Malicious:
    def __reduce__(self):
        return os.mkdir, ('pwned',)


@pytest.mark.parametrize('damage', ['empty', 'text', 'cut', 'other', 'code'])
def test_damaged_snapshot_is_refused(tmp_path, monkeypatch, damage):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'snapshot.pt'
    write_snapshot(path, _snapshot(tiny_recipe().to_values()))
    if damage == 'other':
        torch.save({'weights': torch.ones(1)}, path)
    elif damage == 'code':
        path.write_bytes(pickle.dumps(_Malicious(), 2))
    else:
        path.write_bytes({
            'empty': b'', 'text': b'not a snapshot', 'cut': path.read_bytes()[:500]}[damage])
    with pytest.raises(TrainingError, match=(
            r'snapshot .*snapshot.pt must be written by ldn train, got (?s:.)*: '
            'remove it to begin anew')):
        read_snapshot(path, tiny_recipe())
    assert not (tmp_path / 'pwned').exists()


def test_snapshot_that_cannot_be_written_leaves_the_one_before(tmp_path):
    path = tmp_path / 'snapshot.pt'
    write_snapshot(path, _snapshot(tiny_recipe().to_values()))
    before = path.read_bytes()
    (tmp_path / 'snapshot.partial').mkdir()
    with pytest.raises(TrainingError, match=(
            r'snapshot .*snapshot.pt must be writable, got .*: make room or choose another')):
        write_snapshot(path, _snapshot({}))
    assert path.read_bytes() == before
