# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import numpy as np
import pytest
from training.tiny import Striped, taxonomy

from ldn_perception.datasets.augmentation import Augmentation
from ldn_perception.datasets.foreign_cutouts import ForeignCutouts
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.errors import DatasetError
from ldn_perception.training.mixed_batches import (
    CutoutSource,
    MixedBatches,
    Pasting,
    Resurfacing,
    TrainingDomain,
)

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


class _Discs:
    """A white disc of one class on black."""

    taxonomy = taxonomy('discs', '', 'no')

    def __init__(self, label):
        self._label = label

    def __len__(self):
        return 1

    def __getitem__(self, index):
        rows, columns = np.mgrid[:80, :80] - 40
        disc = rows**2 + columns**2 < 30**2
        return LabelledImage(
            'disc', np.where(disc[..., None], 255, 0).astype(np.uint8).repeat(3, -1),
            np.where(disc, self._label, 255).astype(np.uint8))


def _pasting(share):
    sources = []
    for label in (0, 1):
        targets = np.full(256, UNKNOWN, np.uint8)
        targets[label] = 5 + label
        sources.append(CutoutSource(ForeignCutouts(_Discs(label), ['no'[label]]), targets))
    ground = np.zeros(256, np.bool_)
    ground[1] = True
    return Pasting(sources, ground, share)


def test_pasted_things_change_image_and_targets_in_the_same_places():
    image = np.full((96, 128, 3), 100, np.uint8)
    labels = np.zeros((96, 128), np.uint8)
    labels[60:] = 1
    kinds = set()
    for seed in range(8):
        seen, targets = _pasting(1.0).paste(image, labels, labels, np.random.default_rng(seed))
        pasted = targets != labels
        assert targets.dtype == np.uint8
        assert pasted.any()
        kinds |= set(np.unique(targets[pasted]).tolist())
        assert (seen[pasted] != 100).any(-1).mean() > 0.9
        touched = (seen != 100).any(-1)
        assert touched.sum() < 1.5 * pasted.sum() + 200
    assert kinds == {5, 6}
    assert (image == 100).all()
    assert set(np.unique(labels)) == {0, 1}


def test_pasted_things_stand_on_the_ground():
    labels = np.zeros((96, 128), np.uint8)
    labels[70:90, 40:60] = 1
    image = np.full((96, 128, 3), 100, np.uint8)
    for seed in range(5):
        _, targets = _pasting(1.0).paste(image, labels, labels, np.random.default_rng(seed))
        lowest = np.flatnonzero((targets >= 5).any(1)).max()
        assert 68 <= lowest <= 90


def test_share_of_the_images_gets_things():
    image, labels = np.zeros((48, 64, 3), np.uint8), np.ones((48, 64), np.uint8)
    pasting = _pasting(0.3)
    changed = [
        (pasting.paste(image, labels, labels, np.random.default_rng(seed))[1] != 1).any()
        for seed in range(200)]
    assert 0.2 < np.mean(changed) < 0.4
    assert not any(
        (_pasting(0.0).paste(image, labels, labels, np.random.default_rng(seed))[1] != 1).any()
        for seed in range(20))


def test_pasting_reaches_the_batches():
    domain = TrainingDomain(
        Striped(taxonomy('any', 'abc'), 6, 1, (48, 64)), PLAIN, pasting=_pasting(1.0))
    batches = MixedBatches([domain], Augmentation(48, 64, 1.0, 1.0), UNKNOWN, 6, 0)
    [batch] = batches.load(0, 1)
    assert ((batch.targets == 5) | (batch.targets == 6)).flatten(1).any(1).all()


def _resurfacing(share):
    ground = np.zeros(256, np.bool_)
    ground[1] = True
    return Resurfacing(ground, share)


def test_share_of_the_images_is_resurfaced_where_the_ground_is():
    image, labels = np.full((48, 64, 3), 100, np.uint8), np.zeros((48, 64), np.uint8)
    labels[24:] = 1
    seen = [_resurfacing(0.3).apply(image, labels, np.random.default_rng(seed))
            for seed in range(200)]
    assert 0.2 < np.mean([(one != 100).any() for one in seen]) < 0.4
    assert all((one[:18] == 100).all() for one in seen)


def test_resurfacing_reaches_the_batches_and_leaves_the_targets():
    no_ground = Resurfacing(np.zeros(256, np.bool_), 1.0)
    batches = [
        next(MixedBatches([_domain(6, resurfacing=each)], STILL, UNKNOWN, 6, 0).load(0, 1))
        for each in (no_ground, _resurfacing(1.0))]
    assert batches[0].targets.equal(batches[1].targets)
    assert not batches[0].image.equal(batches[1].image)
