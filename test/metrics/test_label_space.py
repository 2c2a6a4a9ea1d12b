# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ldn_perception.decoding.decoder import OodRule, TorchDecoder
from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.label_space import LabelSpace
from ldn_perception.taxonomy import CAMVID, CITYSCAPES, UNIVERSAL, ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.types import Quantity


def taxonomy_of(name, driving, foreign=()):
    return Taxonomy(name, tuple(
        ClassInfo(text, (0, 0, 0), domain, '')
        for domain, texts in ((Domain.DRIVING, driving), (Domain.FOREIGN, foreign))
        for text in texts))


NETWORK = taxonomy_of('network', ('road', 'car', 'truck', 'wall'), ('cat', 'sofa'))
DATASET = taxonomy_of('dataset', ('street', 'vehicle'), ('animal',))
MAPPING = LabelMapping(DATASET, NETWORK, {
    'street': ('road',), 'vehicle': ('car', 'truck'), 'animal': ('cat',)})


def decide(probabilities, mapping=MAPPING):
    """Prediction for single pixels, each given as probabilities of the network's classes."""
    logits = torch.tensor(probabilities, dtype=torch.float32).T[:, None].log()
    prediction = LabelSpace(mapping).decide(logits)
    return prediction.labels[0].tolist(), prediction.confidence[0], prediction.foreign[0].tolist()


def test_classes_compete_with_the_sums_of_their_sets():
    labels, confidence, _ = decide([[.4, .3, .3, 0, 0, 0], [.5, .3, .1, .1, 0, 0]])
    assert labels == [1, 0]
    assert confidence == pytest.approx([0.6, 0.5])


def test_a_foreign_winner_leaves_no_class_even_where_a_sum_is_larger():
    labels, confidence, foreign = decide([[0, .3, .3, 0, .4, 0], [0, .3, .3, 0, .2, .2]])
    assert labels == [255, 1]
    assert foreign == [True, False]
    assert confidence == pytest.approx([0.4, 0.6])


def test_a_driving_class_the_dataset_does_not_know_can_win_and_leaves_no_class():
    labels, confidence, foreign = decide([[.3, .1, .1, .5, 0, 0], [0, .3, .3, .4, 0, 0]])
    assert labels == [255, 1]
    assert foreign == [False, False]
    assert confidence == pytest.approx([0.5, 0.6])


def slow_decide(logits, mapping):
    """Pixel by pixel, in the words of the class' description."""
    target, driving = mapping.target, mapping.target.num_driving
    labels = np.zeros(logits.shape[1:], np.uint8)
    confidence = np.zeros(logits.shape[1:])
    for at in np.ndindex(labels.shape):
        values = np.exp(logits[(slice(None), *at)].astype(np.float64))
        p = dict(zip(target.class_names, values / values.sum(), strict=True))
        winner = max(p, key=p.get)
        if target.class_names.index(winner) >= driving:
            labels[at], confidence[at] = 255, p[winner]
            continue
        names = mapping.source.class_names[:mapping.source.num_driving]
        rivals = {
            index: sum(p[name] for name in mapping.sets[source])
            for index, source in enumerate(names)}
        named = {name for source in names for name in mapping.sets[source]}
        unknown = [p[name] for name in target.class_names[:driving] if name not in named]
        best = max(rivals, key=rivals.get)
        lost = max(unknown, default=0) > rivals[best]
        labels[at] = 255 if lost else best
        confidence[at] = max(unknown) if lost else rivals[best]
    return labels, confidence


@pytest.mark.parametrize('mapping', [
    MAPPING, label_mapping(CAMVID, UNIVERSAL), label_mapping(CITYSCAPES, UNIVERSAL)])
def test_decision_equals_going_pixel_by_pixel(mapping):
    logits = 1.5 * torch.randn(
        len(mapping.target), 12, 15, generator=torch.Generator().manual_seed(5))
    prediction = LabelSpace(mapping).decide(logits)
    labels, confidence = slow_decide(logits.numpy(), mapping)
    np.testing.assert_array_equal(prediction.labels, labels)
    np.testing.assert_allclose(prediction.confidence, confidence, rtol=1e-5)
    assert len(np.unique(labels)) > 2


@pytest.mark.parametrize('taxonomy', [NETWORK, CITYSCAPES, UNIVERSAL])
def test_with_the_same_taxonomy_it_says_what_the_decoder_says(taxonomy):
    logits = 2 * torch.randn(
        1, len(taxonomy), 6, 7, generator=torch.Generator().manual_seed(1))
    image = np.zeros((24, 28, 3), np.uint8)
    decoded = TorchDecoder(taxonomy).decode(logits, image, OodRule(), Quantity.CONFIDENCE)
    upsampled = F.interpolate(logits, (24, 28), mode='bilinear', align_corners=False)[0]
    prediction = LabelSpace(LabelMapping.identity(taxonomy)).decide(upsampled)
    np.testing.assert_array_equal(prediction.labels, decoded.labels)
    np.testing.assert_allclose(prediction.confidence, decoded.confidence, rtol=1e-5)


def test_of_equals_the_smaller_id_wins():
    labels, _, _ = decide([[.3, .15, .15, .3, .1, 0]])
    assert labels == [0]


def test_logits_of_another_network_are_refused():
    with pytest.raises(EvaluationError, match=(
            r'logits must be \(6, H, W\) for taxonomy network, got \(5, 2, 2\): give those of')):
        LabelSpace(MAPPING).decide(torch.zeros(5, 2, 2))
