# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from training.roads import GRASS, WOODEN_FLOOR, write_roads, write_things
from training.tiny import CPU

from ldn_perception.datasets import registry
from ldn_perception.errors import DatasetError, ModelError, TaxonomyError, TrainingError
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import load_weights, save_weights
from ldn_perception.taxonomy import CAMVID, UNIVERSAL
from ldn_perception.training import build
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
    write_things(folder / 'rooms', behind=WOODEN_FLOOR)
    write_things(folder / 'meadows', behind=GRASS)
    return folder


def _recipe(**values):
    return TrainingRecipe.from_values({
        'domains': [ROADS, THINGS], 'model': 'ldn_small', 'batch_size': 4,
        'crop_height_px': 64, 'crop_width_px': 64, 'epochs': 1, **values})


def _trainer(data, folder, workers=None, **values):
    return build_trainer(_recipe(**values), data, folder, CPU, workers or Workers())


def _names(trainer, target):
    table = trainer._loss.table
    return {name for name, inside in zip(UNIVERSAL.class_names, table[target], strict=True)
            if inside}


def test_targets_of_a_batch_are_the_sets_of_its_labels(data, tmp_path):
    trainer = _trainer(data, tmp_path)
    road, things = trainer.batches.domains
    assert _names(trainer, road.targets[CAMVID.class_names.index('road')]) == {'road'}
    assert _names(trainer, road.targets[CAMVID.class_names.index('car')]) == {
        'car', 'truck', 'bus', 'train'}
    dog = things.images.taxonomy.class_names.index('dog')
    assert _names(trainer, things.targets[dog]) == {'animal'}
    assert _names(trainer, road.targets[255]) == set(UNIVERSAL.class_names)
    [batch] = trainer.batches.load(0, 1)
    assert set(batch.targets.unique().tolist()) <= set(range(len(trainer._loss.table)))


def test_things_are_pasted_on_roads_but_not_on_themselves(data, tmp_path):
    trainer = _trainer(data, tmp_path, domains=[
        {**ROADS, 'paste_share': 1.0}, {**THINGS, 'is_cutout_source': True}])
    road, things = trainer.batches.domains
    assert not things.changes
    sample, [pasting] = road.images[0], road.changes
    _, targets = pasting.apply(
        sample.image, road.targets[sample.labels], sample.labels, np.random.default_rng(0))
    changed = targets[targets != road.targets[sample.labels]]
    assert {frozenset(_names(trainer, target)) for target in np.unique(changed)} == {
        frozenset({'animal'})}


def test_things_are_not_cut_out_for_nobody(data, tmp_path, monkeypatch):
    monkeypatch.delattr(build, 'ForeignCutouts')
    _trainer(data, tmp_path, domains=[ROADS, {**THINGS, 'is_cutout_source': True}])


def test_wholly_foreign_domain_teaches_no_driving_class(data, tmp_path):
    trainer = _trainer(data, tmp_path, domains=[ROADS, {**THINGS, 'wholly_foreign': True}])
    foreign = trainer.batches.domains[1]
    classes = foreign.images.taxonomy.class_names
    assert _names(trainer, foreign.targets[classes.index('dog')]) == {'animal'}
    assert _names(trainer, foreign.targets[classes.index('road')]) == set(
        UNIVERSAL.class_names[UNIVERSAL.num_driving:])


def test_domain_can_be_limited_to_photographs_of_one_setting(data, tmp_path):
    under_the_sky = {**THINGS, 'setting': 'outdoor'}
    trainer = _trainer(data, tmp_path, domains=[ROADS, under_the_sky])
    assert len(trainer.batches.domains[1].images) == 5
    with pytest.raises(DatasetError, match=r'indoor images of coco_panoptic must be one or more'):
        _trainer(data, tmp_path, domains=[ROADS, {**THINGS, 'setting': 'indoor'}])


@pytest.mark.parametrize('taxonomy', ['universal', 'rob2018'])
def test_setting_does_not_depend_on_the_classes_of_the_network(data, tmp_path, taxonomy):
    in_rooms = {**THINGS, 'root': 'rooms', 'setting': 'indoor'}
    trainer = _trainer(data, tmp_path, taxonomy=taxonomy, domains=[ROADS, in_rooms])
    assert len(trainer.batches.domains[1].images) == 5


def test_roads_of_a_domain_are_resurfaced_and_nothing_else(data, tmp_path):
    trainer = _trainer(data, tmp_path, domains=[{**ROADS, 'resurfacing_share': 0.5}, THINGS])
    road, things = trainer.batches.domains
    assert not things.changes
    [resurfacing] = road.changes
    assert resurfacing.share == 0.5
    assert np.flatnonzero(resurfacing.road).tolist() == [
        CAMVID.class_names.index(name) for name in ('road', 'pavement')]


def test_scenery_beside_a_road_keeps_its_class_though_its_photograph_is_foreign(data, tmp_path):
    trainer = _trainer(data, tmp_path, domains=[
        {**ROADS, 'scenery_share': 1.0},
        {**THINGS, 'setting': 'roadless', 'wholly_foreign': True, 'is_scenery_source': True}])
    road, things = trainer.batches.domains
    assert not things.changes
    sky = things.images.taxonomy.class_names.index('sky-other-merged')
    assert _names(trainer, things.targets[sky]) == set(
        UNIVERSAL.class_names[UNIVERSAL.num_driving:])
    sample, [scenery] = road.images[0], road.changes
    image, targets = scenery.apply(
        sample.image, np.full_like(sample.labels, 255), sample.labels, np.random.default_rng(0))
    changed = targets != 255
    assert {frozenset(_names(trainer, target)) for target in np.unique(targets[changed])} == {
        frozenset({'sky'})}
    assert changed.any()
    assert (sample.labels[changed] == CAMVID.class_names.index('sky')).all()
    assert not np.array_equal(image, sample.image)


def test_roads_are_painted_on_the_grass_of_photographs(data, tmp_path):
    trainer = _trainer(data, tmp_path, domains=[
        ROADS, {**THINGS, 'root': 'meadows', 'setting': 'open', 'painted_road_share': 1.0}])
    things = trainer.batches.domains[1]
    sample, [painting] = things.images[0], things.changes
    _, targets = painting.apply(
        sample.image, things.targets[sample.labels], sample.labels, np.random.default_rng(0))
    changed = targets != things.targets[sample.labels]
    assert _names(trainer, painting.target) == {'road'}
    assert (targets[changed] == painting.target).all()
    grass = things.images.taxonomy.class_names.index('grass-merged')
    assert changed.any()
    assert (sample.labels[changed] == grass).all()


def test_roads_cannot_be_painted_where_nothing_is_a_road_for_certain(data, tmp_path):
    with pytest.raises(TrainingError, match=(
            'labels of all datasets for road must be one that is road for certain, got none: '
            'add a dataset of streets')):
        _trainer(data, tmp_path, domains=[
            {**THINGS, 'root': 'meadows', 'painted_road_share': 1.0}])


def test_changes_hide_each_other_in_the_order_of_what_is_nearer(data, tmp_path):
    trainer = _trainer(data, tmp_path, domains=[
        {**ROADS, 'paste_share': 0.5, 'painted_road_share': 0.5, 'scenery_share': 0.5,
         'resurfacing_share': 0.5},
        {**THINGS, 'is_cutout_source': True, 'is_scenery_source': True}])
    assert [type(change).__name__ for change in trainer.batches.domains[0].changes] == [
        'Resurfacing', 'SceneryChange', 'RoadPainting', 'Pasting']


def test_scenery_is_not_looked_for_for_nobody(data, tmp_path):
    trainer = _trainer(
        data, tmp_path / 'with', domains=[ROADS, {**THINGS, 'is_scenery_source': True}])
    plain = _trainer(data, tmp_path / 'without', domains=[ROADS, THINGS])
    assert not trainer.batches.domains[0].changes
    assert trainer._loss.table.equal(plain._loss.table)


def test_what_tells_the_setting_are_names_of_the_universal_classes():
    assert set(build.INDOOR_CLASSES) | set(build.OUTDOOR_CLASSES) <= set(UNIVERSAL.class_names)
    assert set(build.UPRIGHT_CLASSES) < set(build.OUTDOOR_CLASSES)


def test_things_are_cut_out_of_wholly_foreign_images_too(data, tmp_path):
    plain, wholly = (
        _trainer(data, tmp_path / str(foreign), domains=[
            {**ROADS, 'paste_share': 1.0},
            {**THINGS, 'wholly_foreign': foreign, 'is_cutout_source': True}])
        for foreign in (False, True))
    sample = plain.batches.domains[0].images[0]
    pasted = []
    for trainer in (plain, wholly):
        road = trainer.batches.domains[0]
        image, targets = road.changes[0].apply(
            sample.image, road.targets[sample.labels], sample.labels, np.random.default_rng(0))
        changed = np.unique(targets[targets != road.targets[sample.labels]])
        pasted.append((image, [_names(trainer, target) for target in changed]))
    np.testing.assert_array_equal(pasted[0][0], pasted[1][0])
    assert pasted[0][1] == pasted[1][1] == [{'animal'}]


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
    ({'domains': [{**ROADS, 'is_cutout_source': True, 'paste_share': 0.5}]}, TrainingError,
     'cutout source must be a dataset with classes of coco_panoptic or msrc_v2, got camvid: '
     'set is_cutout_source for another domain'),
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
