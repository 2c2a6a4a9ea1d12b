# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from ldn_perception.decoding.decoder import LabelPolicy, OodRule, TorchDecoder
from ldn_perception.decoding.dense_crf import CRF_PRESETS, CrfDecoder, CrfParameters, DenseCrf
from ldn_perception.decoding.fused_decoder import FusedDecoder
from ldn_perception.errors import SegmentationError
from ldn_perception.taxonomy import CITYSCAPES, ROB2018
from ldn_perception.types import Quantity

DECODERS = {'torch': TorchDecoder, 'fused': FusedDecoder}
SHAPE = (24, 40)


def example(num_classes):
    generator = torch.Generator().manual_seed(0)
    image = np.random.default_rng(0).integers(0, 255, (3, 5, 3), np.uint8)
    return (3 * torch.randn(1, num_classes, 6, 10, generator=generator),
            np.kron(image, np.ones((8, 8, 1), np.uint8)))


@pytest.mark.parametrize('build', DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize('policy', LabelPolicy)
def test_the_decision_is_that_of_the_refined_probabilities(build, policy):
    logits, image = example(len(ROB2018))
    crf = DenseCrf(CRF_PRESETS['thesis'])
    segmentation = CrfDecoder(ROB2018, crf, build(ROB2018)).decode(
        logits, image, OodRule(0.3, policy), Quantity.ALL)

    scores = torch.nn.functional.interpolate(logits, SHAPE, mode='bilinear')
    unrefined = scores[0].softmax(0).numpy()
    refined = crf.refine(unrefined, image)
    num_driving = ROB2018.num_driving
    labels, foreign = refined.argmax(0), refined[num_driving:].sum(0)
    assert (labels != unrefined.argmax(0)).mean() > 0.1
    driving = refined[:num_driving].argmax(0)
    labels = np.where(
        labels < num_driving, labels, driving if policy is LabelPolicy.DRIVING else 255)
    assert (segmentation.labels == labels).mean() > 0.998  # equal but for near ties
    np.testing.assert_allclose(segmentation.confidence, refined.max(0), atol=1e-4)
    np.testing.assert_allclose(segmentation.foreign_probability, foreign, atol=1e-4)
    assert (segmentation.ood_mask == (foreign > 0.3)).mean() > 0.998
    assert segmentation.taxonomy == 'rob2018'


@pytest.mark.parametrize('build', DECODERS.values(), ids=DECODERS)
def test_a_field_without_iterations_changes_nothing(build):
    logits, image = example(len(CITYSCAPES))
    plain = build(CITYSCAPES)
    crf = DenseCrf(CrfParameters(num_iterations=0))
    refined = CrfDecoder(CITYSCAPES, crf, plain).decode(logits, image, OodRule(), Quantity.ALL)
    expected = plain.decode(logits, image, OodRule(), Quantity.ALL)
    assert (refined.labels == expected.labels).mean() > 0.998
    np.testing.assert_allclose(refined.confidence, expected.confidence, atol=1e-4)


def test_only_what_is_asked_for_is_computed():
    logits, image = example(len(CITYSCAPES))
    decoder = CrfDecoder(
        CITYSCAPES, DenseCrf(CRF_PRESETS['deeplab']), TorchDecoder(CITYSCAPES))
    segmentation = decoder.decode(logits.bfloat16(), image, OodRule(), Quantity.NOTHING)
    assert segmentation.labels.shape == SHAPE
    assert segmentation.ood_mask is None
    assert segmentation.confidence is None
    assert segmentation.foreign_probability is None


def test_logits_of_another_taxonomy_are_refused():
    logits, image = example(7)
    decoder = CrfDecoder(CITYSCAPES, DenseCrf(CrfParameters()), TorchDecoder(CITYSCAPES))
    with pytest.raises(SegmentationError, match=r'logits must be \(1, 19, h, w\)'):
        decoder.decode(logits, image, OodRule(), Quantity.ALL)
