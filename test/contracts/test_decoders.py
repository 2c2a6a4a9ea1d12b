# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import cache
from importlib.util import find_spec
import math

from decoding.interpreted_decoder import InterpretedDecoder
import numpy as np
import pytest
import torch

from ldn_perception.decoding.decoder import LabelPolicy, OodRule, TorchDecoder
from ldn_perception.decoding.dense_crf import CrfDecoder, CrfParameters, DenseCrf
from ldn_perception.decoding.fused_decoder import FusedDecoder
from ldn_perception.errors import SegmentationError
from ldn_perception.taxonomy import CITYSCAPES, ROB2018
from ldn_perception.types import Quantity

SHAPE = (13, 22)
with_triton = pytest.mark.skipif(find_spec('triton') is None, reason='triton is not installed')
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='torch sees no GPU')


class OnGpu:
    """A decoder that gets the logits in the memory of the GPU."""

    def __init__(self, decoder):
        self._decoder = decoder

    def decode(self, logits, image, rule, quantities):
        return self._decoder.decode(logits.cuda(), image, rule, quantities)


def triton_on_gpu(taxonomy):
    from ldn_perception.decoding.triton_decoder import TritonDecoder
    return OnGpu(TritonDecoder(taxonomy, torch.device('cuda')))


DECODERS = {
    'torch': TorchDecoder,
    'fused, one thread': lambda taxonomy: FusedDecoder(taxonomy, 1),
    'fused, three threads': lambda taxonomy: FusedDecoder(taxonomy, 3),
    'crf that does not iterate': lambda taxonomy: CrfDecoder(
        taxonomy, DenseCrf(CrfParameters(num_iterations=0)), TorchDecoder(taxonomy)),
    'triton, interpreted': pytest.param(InterpretedDecoder, marks=with_triton),
    'torch on a GPU': pytest.param(
        lambda taxonomy: OnGpu(TorchDecoder(taxonomy)), marks=on_gpu),
    'triton on a GPU': pytest.param(triton_on_gpu, marks=[with_triton, on_gpu]),
}


def decide_slowly(scores, taxonomy, rule):
    """Decide one pixel in Python's double precision."""
    weights = [math.exp(score - max(scores)) for score in scores]
    foreign = sum(weights[taxonomy.num_driving:]) / sum(weights)
    best = max(range(len(scores)), key=lambda c: (scores[c], -c))
    driving = max(range(taxonomy.num_driving), key=lambda c: (scores[c], -c))
    is_foreign = best >= taxonomy.num_driving
    label = (255 if rule.label_policy is LabelPolicy.VOID else driving) if is_foreign else best
    return label, weights[best] / sum(weights), foreign, foreign > rule.threshold


def interpolate_slowly(plane, y, x, shape):
    """Bilinear sample of a plane at an output pixel, corners not aligned."""
    height, width = plane.shape
    row = max(0.0, (y + 0.5) * height / shape[0] - 0.5)
    column = max(0.0, (x + 0.5) * width / shape[1] - 0.5)
    top, left = min(int(row), height - 1), min(int(column), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    t, u = row - top, column - left
    return ((1 - t) * ((1 - u) * plane[top, left] + u * plane[top, right])
            + t * ((1 - u) * plane[bottom, left] + u * plane[bottom, right]))


@cache
def decided_slowly(taxonomy, rule):
    """Expected decision of every decoder; it takes a second, so the decoders share it."""
    planes = logits_of(len(taxonomy), 4, 6)[0].double().numpy()
    pixels = [
        decide_slowly([interpolate_slowly(plane, y, x, SHAPE) for plane in planes], taxonomy, rule)
        for y in range(SHAPE[0]) for x in range(SHAPE[1])]
    return [np.reshape(values, SHAPE) for values in zip(*pixels, strict=True)]


def touches_non_finite(logits, y, x, shape):
    """Return True if one of the four cells around a pixel has a NaN or an infinity."""
    height, width = logits.shape[2:]
    top = min(int(max(0.0, (y + 0.5) * height / shape[0] - 0.5)), height - 1)
    left = min(int(max(0.0, (x + 0.5) * width / shape[1] - 0.5)), width - 1)
    corners = logits[0, :, top:top + 2, left:left + 2]
    return not np.isfinite(corners.numpy()).all()


def blank(height, width):
    return np.zeros((height, width, 3), np.uint8)


def logits_of(num_classes, height, width, scale=4.0):
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(1, num_classes, height, width, generator=generator) * scale


@pytest.mark.parametrize('build', DECODERS.values(), ids=DECODERS)
class TestDecoderContract:
    @pytest.mark.parametrize('policy', LabelPolicy)
    @pytest.mark.parametrize('taxonomy', [CITYSCAPES, ROB2018], ids=lambda entry: entry.name)
    def test_every_pixel_is_decided_as_the_slow_reference_does(self, build, taxonomy, policy):
        rule = OodRule(0.4, policy)
        labels, confidence, foreign, is_ood = decided_slowly(taxonomy, rule)
        segmentation = build(taxonomy).decode(
            logits_of(len(taxonomy), 4, 6), blank(*SHAPE), rule, Quantity.ALL)
        np.testing.assert_array_equal(segmentation.labels, labels)
        np.testing.assert_allclose(segmentation.confidence, confidence, rtol=0, atol=1e-4)
        np.testing.assert_allclose(segmentation.foreign_probability, foreign, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(segmentation.ood_mask, is_ood)
        assert segmentation.taxonomy == taxonomy.name

    def test_the_smaller_id_wins_among_equals(self, build):
        logits = torch.zeros(1, len(ROB2018), 2, 2)
        segmentation = build(ROB2018).decode(logits, blank(4, 4), OodRule(), Quantity.ALL)
        assert (segmentation.labels == 0).all()
        np.testing.assert_allclose(segmentation.foreign_probability, 20 / 39, rtol=1e-5)

    def test_extreme_logits_do_not_overflow(self, build):
        logits = torch.full((1, len(CITYSCAPES), 2, 2), -1e4)
        logits[:, 5] = 1e4
        segmentation = build(CITYSCAPES).decode(logits, blank(8, 8), OodRule(), Quantity.ALL)
        assert (segmentation.labels == 5).all()
        np.testing.assert_allclose(segmentation.confidence, 1)
        np.testing.assert_allclose(segmentation.foreign_probability, 0)

    def test_what_is_not_asked_for_is_not_there(self, build):
        decoder, logits = build(ROB2018), logits_of(len(ROB2018), 4, 6)
        everything = decoder.decode(logits, blank(16, 24), OodRule(), Quantity.ALL)
        for quantity, name in (
            (Quantity.OOD_MASK, 'ood_mask'), (Quantity.CONFIDENCE, 'confidence'),
            (Quantity.FOREIGN_PROBABILITY, 'foreign_probability'),
        ):
            some = decoder.decode(logits, blank(16, 24), OodRule(), quantity)
            np.testing.assert_array_equal(some.labels, everything.labels)
            for other in ('ood_mask', 'confidence', 'foreign_probability'):
                values = getattr(some, other)
                if other == name:
                    np.testing.assert_array_equal(values, getattr(everything, name))
                else:
                    assert values is None
        nothing = decoder.decode(logits, blank(16, 24), OodRule(), Quantity.NOTHING)
        np.testing.assert_array_equal(nothing.labels, everything.labels)

    def test_a_taxonomy_without_foreign_classes_is_never_foreign(self, build):
        segmentation = build(CITYSCAPES).decode(
            logits_of(19, 4, 6), blank(16, 24), OodRule(0.0), Quantity.ALL)
        assert not segmentation.ood_mask.any()

    def test_half_precision_logits_are_taken(self, build):
        logits = logits_of(19, 4, 6).bfloat16()
        decoder = build(CITYSCAPES)
        np.testing.assert_array_equal(
            decoder.decode(logits, blank(16, 24), OodRule(), Quantity.NOTHING).labels,
            decoder.decode(logits.float(), blank(16, 24), OodRule(), Quantity.NOTHING).labels)

    @pytest.mark.parametrize('policy', LabelPolicy)
    @pytest.mark.parametrize('taxonomy', [CITYSCAPES, ROB2018], ids=lambda entry: entry.name)
    def test_pixels_of_non_finite_logits_are_never_believed(self, build, taxonomy, policy):
        generator, decoder, shape = np.random.default_rng(20), build(taxonomy), (24, 36)
        for trial in range(8):
            sound = logits_of(len(taxonomy), 6, 9)
            logits = sound.clone()
            for _ in range(generator.integers(1, 5)):
                channel, row, column = (generator.integers(size) for size in logits.shape[1:])
                logits[0, channel, row, column] = float(
                    generator.choice([math.nan, math.inf, -math.inf]))
            # a threshold of 1 would mask nothing; only labels and mask take the path of cells
            rule = OodRule((0.4, 1.0)[trial % 2], policy)
            expected = decoder.decode(sound, blank(*shape), rule, Quantity.ALL)
            unknown = np.array([
                [touches_non_finite(logits, y, x, shape) for x in range(shape[1])]
                for y in range(shape[0])])
            for quantities in (Quantity.ALL, Quantity.OOD_MASK, Quantity.NOTHING):
                found = decoder.decode(logits, blank(*shape), rule, quantities)
                assert found.num_non_finite == unknown.sum() > 0
                for name, value in (
                    ('labels', 255), ('ood_mask', True), ('confidence', 0),
                    ('foreign_probability', 1),
                ):
                    plane = getattr(found, name)
                    if plane is not None:
                        assert (plane[unknown] == value).all()
                        np.testing.assert_array_equal(
                            plane[~unknown], getattr(expected, name)[~unknown])

    def test_logits_that_overflow_between_cells_are_not_believed(self, build):
        logits = torch.full((1, 19, 2, 2), 3e38)
        logits[..., 1] = -3e38
        found = build(CITYSCAPES).decode(logits, blank(8, 8), OodRule(), Quantity.ALL)
        assert found.num_non_finite == 64
        assert (found.labels == 255).all()
        assert found.ood_mask.all()

    def test_finite_logits_have_no_non_finite_pixels(self, build):
        found = build(CITYSCAPES).decode(
            logits_of(19, 4, 6), blank(16, 24), OodRule(), Quantity.ALL)
        assert found.num_non_finite == 0

    @pytest.mark.parametrize('shape', [(1, 20, 2, 2), (2, 19, 2, 2), (19, 2, 2)])
    def test_logits_of_another_taxonomy_are_refused(self, build, shape):
        with pytest.raises(SegmentationError, match=(
            r'logits must be \(1, 19, h, w\) for taxonomy cityscapes, got .*: build the model')):
            build(CITYSCAPES).decode(torch.zeros(shape), blank(8, 8), OodRule(), Quantity.NOTHING)


def test_the_fused_decoder_gives_the_labels_of_the_reference_at_camera_size():
    logits = logits_of(len(ROB2018), 93, 307)
    fused = FusedDecoder(ROB2018, 2).decode(logits, blank(370, 1226), OodRule(), Quantity.OOD_MASK)
    reference = TorchDecoder(ROB2018).decode(
        logits, blank(370, 1226), OodRule(), Quantity.OOD_MASK)
    assert (fused.labels != reference.labels).sum() == 0
    assert (fused.ood_mask != reference.ood_mask).mean() < 1e-5
