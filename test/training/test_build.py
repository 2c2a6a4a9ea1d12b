# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from training.roads import write_roads, write_things
from training.tiny import CPU

from ldn_perception.data import registry
from ldn_perception.errors import DatasetError, ModelError, TaxonomyError, TrainingError
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import load_weights, save_weights
from ldn_perception.taxonomy import UNIVERSAL
from ldn_perception.training.build import build_network, build_trainer
from ldn_perception.training.recipe import TrainingRecipe
from ldn_perception.training.workers import Workers

ROADS = {'dataset': 'camvid', 'root': 'roads'}
THINGS = {'dataset': 'coco_folder', 'root': 'things', 'split': 'all'}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    write_roads(folder / 'roads')
    write_roads(folder / 'roads', 'val', 2)
    write_things(folder / 'things')
    return folder


def _recipe(**values):
    return TrainingRecipe.from_values({
        'domains': [ROADS, THINGS], 'model': 'ldn_small', 'batch_size': 4,
        'crop_height_px': 64, 'crop_width_px': 64, 'epochs': 1, **values})


def _trainer(data, folder, workers=None, **values):
    return build_trainer(_recipe(**values), data, folder, CPU, workers or Workers())


def test_targets_of_a_batch_are_numbers_of_sets(data, tmp_path):
    trainer = _trainer(data, tmp_path)
    [batch] = trainer.batches.load(0, 1)
    assert set(batch.targets.unique().tolist()) <= set(range(len(trainer._loss.table)))


def test_auxiliary_heads_are_there_for_their_loss_only(data, tmp_path):
    with_heads = build_network(_recipe(), UNIVERSAL)
    without = build_network(_recipe(auxiliary_weight=0.0), UNIVERSAL)
    plain = build_model('ldn_small', len(UNIVERSAL), 0)
    for name, value in plain.state_dict().items():
        assert torch.equal(with_heads.state_dict()[name], value)
        assert torch.equal(without.state_dict()[name], value)
    image = torch.randn(2, 3, 64, 64)
    assert with_heads(image).auxiliary
    assert without(image).auxiliary == ()


def test_network_starts_from_the_weights_it_is_given(tmp_path):
    other = build_model('ldn_small', len(UNIVERSAL), 7)
    path = tmp_path / 'start.safetensors'
    save_weights(path, other, 'ldn_small', UNIVERSAL.class_names)
    network = build_network(_recipe(initial_weights=str(path)), UNIVERSAL)
    for name, value in other.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_checkpointed_network_has_the_same_losses(data, tmp_path):
    losses = []
    for plan in ('none', 'cat_1x1_3x3_stem_td_up'):
        (tmp_path / plan).mkdir()
        trainer = _trainer(data, tmp_path / plan, checkpointing=plan, precision='float32')
        trainer.train(report=lambda record: losses.append(record.loss))
    half = len(losses) // 2
    assert half == 2
    assert losses[:half] == pytest.approx(losses[half:], rel=1e-5)


def test_finished_weights_load_strictly_where_they_are_used(data, tmp_path):
    trainer = _trainer(data, tmp_path, average_decay=0.9, checkpointing='cat_1x1')
    trainer.train()
    model = trainer.finish()
    path = tmp_path / 'weights.safetensors'
    save_weights(path, model, 'ldn_small', UNIVERSAL.class_names)
    fresh = build_model('ldn_small', len(UNIVERSAL), 5)
    load_weights(path, fresh, 'ldn_small', UNIVERSAL.class_names)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(
            fresh.eval()(image).logits, model(image).logits, rtol=1e-2, atol=1e-3)


def test_validation_is_of_the_datasets_of_the_recipe(data, tmp_path):
    trainer = _trainer(
        data, tmp_path, validation=[{**ROADS, 'split': 'val'}], validation_epochs=1)
    scores = trainer._validation.score(trainer.model, trainer._forward_pass, 0, 0)
    assert [score.dataset for score in scores] == ['camvid val']
    assert 0 <= scores[0].mean_iou <= scores[0].pixel_accuracy <= 1


def test_networks_with_dropout_or_disparity_train_too(data, tmp_path, monkeypatch):
    class Stereo(registry.CamVid):
        def _beside(self, index):
            return {'pixels_per_metre': np.full((96, 128), 15, np.float32)}

    monkeypatch.setitem(registry.DATASETS, 'camvid', Stereo)
    for model in ('scale_invariant_small', 'deeplab_vgg_small'):
        losses = []
        (tmp_path / model).mkdir()
        trainer = _trainer(data, tmp_path / model, model=model, batch_size=2, epochs=1)
        trainer.train(
            lambda losses=losses: len(losses) == 1,
            report=lambda record, losses=losses: losses.append(record.loss))
        assert all(np.isfinite(losses))


@pytest.mark.parametrize(('values', 'error', 'message'), [
    ({'taxonomy': 'roads'}, TrainingError,
     "taxonomy must be one of cityscapes, .*, got 'roads': choose one of them"),
    ({'domains': [{**ROADS, 'root': 'nowhere'}]}, DatasetError, 'nowhere'),
    ({'domains': [{**ROADS, 'dataset': 'roads'}]}, DatasetError, 'dataset must be one of'),
    ({'taxonomy': 'kitti11'}, TaxonomyError, 'label mapping must be from one of'),
    ({'validation': [{'dataset': 'plain_images', 'root': 'things'}]}, TrainingError,
     'validation dataset plain_images val must be one with driving classes'),
    ({'initial_weights': 'missing.safetensors'}, ModelError, 'weights file missing.safetensors'),
    ({'imagenet_weights': 'missing.pth'}, ModelError, 'missing.pth'),
    ({'model': 'deeplab_msc_small', 'imagenet_weights': 'vgg16'}, TrainingError,
     "imagenet_weights must be empty for deeplab_msc_small, which has no backbone, got 'vgg16': "
     'remove the option'),
    ({'checkpointing': 'all'}, ModelError, 'checkpointing plan must be one of'),
])
def test_what_cannot_be_built_says_why(data, tmp_path, values, error, message):
    with pytest.raises(error, match=message):
        _trainer(data, tmp_path, **values)


def test_batch_must_be_shared_evenly(data, tmp_path):
    with pytest.raises(TrainingError, match=(
            'batch_size must be a multiple of the 3 processes, got 4: change one of the two')):
        _trainer(data, tmp_path, Workers(0, 3))
