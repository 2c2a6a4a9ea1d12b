# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import numpy as np
import pytest
import torch
from training.street_changes import FOREST, forest, pasting
from training.tiny import Striped, taxonomy

from ldn_perception.data.augmentation import Augmentation
from ldn_perception.errors import DatasetError
from ldn_perception.training.mixed_batches import MixedBatches, TrainingDomain
from ldn_perception.training.street_changes import Resurfacing

UNKNOWN = 9
STILL = Augmentation(24, 32, 1.0, 1.0)
PLAIN = np.arange(256).clip(max=UNKNOWN).astype(np.uint8)


def _domain(count, repeat=1.0, **more):
    return TrainingDomain(Striped(taxonomy('any', 'abc'), count, count), PLAIN, repeat, **more)


def _batches(domains, batch_size=4, seed=0, **workers):
    return MixedBatches(domains, STILL, UNKNOWN, batch_size, seed, **workers)


def _epoch_of(batches, epoch):
    """Domain and image of all that an epoch shows, from batches that may begin before it."""
    first, last = (epoch + shift for shift in (0, 1))
    images = batches.epoch_images
    steps = range(first * images // batches.batch_size, -(-last * images // batches.batch_size))
    flat = [place for step in batches.places(steps.start, steps.stop) for place in step]
    skipped = first * images - steps.start * batches.batch_size
    return [(place.domain, place.image) for place in flat[skipped:skipped + images]]


@pytest.mark.parametrize('epoch', [0, 1, 7])
def test_epoch_shows_every_image_as_often_as_asked_for(epoch):
    batches = _batches([_domain(7, 2.0), _domain(13), _domain(3, 5.0)])
    expected = {(0, image): 2 for image in range(7)}
    expected |= {(1, image): 1 for image in range(13)}
    expected |= {(2, image): 5 for image in range(3)}
    assert Counter(_epoch_of(batches, epoch)) == expected


@pytest.mark.parametrize(('count', 'repeat', 'shown'), [(20, 0.25, 5), (7, 1.5, 10), (3, 0.1, 1)])
def test_fraction_shows_part_of_the_images_and_another_part_in_another_epoch(
    count, repeat, shown
):
    batches = _batches([_domain(count, repeat), _domain(40)])
    parts = []
    for epoch in range(12):
        times = Counter(image for domain, image in _epoch_of(batches, epoch) if domain == 0)
        assert sum(times.values()) == shown
        assert set(times.values()) <= {int(repeat), int(repeat) + 1}
        parts.append(tuple(sorted(times.items())))
    assert len(set(parts)) > 1


def test_every_batch_has_about_the_mixture_of_the_epoch():
    batches = _batches([_domain(60), _domain(30), _domain(30)], batch_size=8)
    for step in batches.places(0, 45):
        counts = Counter(place.domain for place in step)
        for domain, expected in enumerate((4, 2, 2)):
            assert abs(counts[domain] - expected) <= 2


def test_order_and_views_differ_between_epochs_and_seeds():
    domains = [_domain(30)]
    first = _batches(domains)
    assert _epoch_of(first, 0) != _epoch_of(first, 1)
    assert _epoch_of(first, 0) != _epoch_of(_batches(domains, seed=1), 0)
    seeds = [place.seed for step in first.places(0, 20) for place in step]
    assert len(set(seeds)) == len(seeds)


def test_places_from_any_step_on_are_those_of_the_whole_training():
    batches = _batches([_domain(7, 1.5), _domain(5)], batch_size=4)
    whole = list(batches.places(0, 20))
    for first in (1, 3, 4, 11, 19):
        assert list(batches.places(first, 20)) == whole[first:]


@pytest.mark.parametrize('count', [2, 4])
def test_workers_share_every_batch(count):
    domains = [_domain(7), _domain(5, 2.0)]
    whole = list(_batches(domains).places(0, 9))
    parts = [
        list(_batches(domains, worker=number, num_workers=count).places(0, 9))
        for number in range(count)]
    for step, batch in enumerate(whole):
        shared = [place for part in parts for place in part[step]]
        assert sorted(shared) == sorted(batch)
        assert all(len(part[step]) == 4 // count for part in parts)


@pytest.mark.parametrize(('images', 'batch_size', 'step', 'epoch'), [
    (7, 3, 35, 15), (7, 3, 34, 14), (10, 5, 2, 1), (10, 4, 2, 0), (10, 4, 3, 1)])
def test_epoch_of_a_step_is_the_whole_part_of_the_images_before_it(
    images, batch_size, step, epoch
):
    assert _batches([_domain(images)], batch_size).epoch(step) == epoch


@pytest.mark.parametrize('processes', [0, 2])
def test_loaded_batch_holds_the_images_of_its_places(processes):
    domains = [
        _domain(6), TrainingDomain(Striped(taxonomy('s', 'abc'), 6, 9, stereo=True), PLAIN)]
    batches = _batches(domains, batch_size=4)
    [places] = batches.places(2, 3)
    [batch] = batches.load(2, 3, processes)
    assert batch.image.shape == (4, 24, 32, 3)
    for place, image, targets, metres in zip(places, *batch, strict=True):
        sample = domains[place.domain].images[place.image]
        straight = np.where(sample.labels == 255, UNKNOWN, sample.labels)
        seen = [(sample.image, straight), (sample.image[:, ::-1], straight[:, ::-1])]
        assert any(
            np.array_equal(image, colours) and np.array_equal(targets, labels)
            for colours, labels in seen)
        if place.domain == 0:
            assert metres.isnan().all()
        else:
            assert (metres == 20).all()


@pytest.mark.parametrize('processes', [0, 1])
def test_damaged_image_is_a_dataset_error_from_whichever_process_reads_it(processes):
    class Damaged(Striped):
        def __getitem__(self, index):
            if index == 3:
                raise DatasetError('file x.png', must_be='whole', got='half', do='copy it again',
                                   reason='damaged')
            return super().__getitem__(index)

    domain = TrainingDomain(Damaged(taxonomy('any', 'abc'), 6, 6), PLAIN)
    with pytest.raises(DatasetError, match=r'file x\.png must be whole') as caught:
        list(_batches([domain], 2).load(0, 3, processes))
    assert caught.value.reason == 'damaged'


def test_steps_of_an_epoch_need_not_be_whole():
    assert _batches([_domain(10)], batch_size=4).epoch_steps == 2.5


GROUND, NOTHING = np.arange(256) == 1, np.zeros(256, np.bool_)


def _changed_streets(*changes):
    street = Striped(taxonomy('any', 'abc'), 6, 1, (48, 64))
    domain = TrainingDomain(street, PLAIN, changes=changes)
    batches = MixedBatches([domain], Augmentation(48, 64, 1.0, 1.0), UNKNOWN, 6, 0)
    [batch] = batches.load(0, 1)
    return batch


def test_resurfacing_reaches_the_batches_and_leaves_the_targets():
    plain, changed = (
        _changed_streets(Resurfacing(1.0, ground)) for ground in (NOTHING, GROUND))
    assert changed.targets.equal(plain.targets)
    assert not changed.image.equal(plain.image)


def test_scenery_reaches_the_batches():
    plain, changed = (_changed_streets(forest(1.0, where)) for where in (NOTHING, GROUND))
    assert (plain.targets == 1).any()
    assert changed.targets.equal(torch.where(plain.targets == 1, FOREST, plain.targets))


def test_what_is_pasted_hides_the_scenery():
    targets = _changed_streets(forest(1.0, GROUND), pasting(1.0)).targets
    assert ((targets == 5) | (targets == 6)).flatten(1).any(1).all()
    assert (targets == FOREST).any()
