# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from numba.core.dispatcher import Dispatcher
import numpy as np
import pytest
import torch

from ldn_perception.decoding import cell_labels, cell_mask, fused_decoder
from ldn_perception.decoding.decoder import LabelPolicy, OodRule
from ldn_perception.decoding.fused_decoder import FusedDecoder
from ldn_perception.taxonomy import CITYSCAPES, ROB2018
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import Quantity

MODULES = (cell_labels, cell_mask, cell_labels, fused_decoder, cell_labels)
THRESHOLDS = (0.0, 1e-6, 0.02, 0.5, 0.9, 1.0)
NUM_DRIVING = ROB2018.num_driving


def noise(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, len(ROB2018), height, width, generator=generator)


def smooth(height, width):
    coarse = noise(height // 3 + 1, width // 3 + 1)
    return torch.nn.functional.interpolate(coarse, (height, width), mode='bicubic')


def one_hot(height, width):
    classes = noise(height, width)[:, :1].mul(100).long().abs() % len(ROB2018)
    return 12 * torch.zeros(1, len(ROB2018), height, width).scatter_(1, classes, 1) - 4


def one_hesitating_pair(height, width):
    logits = torch.full((1, len(ROB2018), height, width), -9.0)
    logits[:, [7, 30]] = noise(height, width)[:, :2]
    return logits


def nearly_certain(height, width):
    logits = torch.full((1, len(ROB2018), height, width), -40.0)
    logits[:, 7] = 0
    logits[:, 30] = 0.3 * noise(height, width)[:, 0] + 13.5
    logits[..., :width // 2] *= -10.5 / 13.5
    logits[:, [c for c in range(len(ROB2018)) if c not in (7, 30)]] = -40
    return logits


def mostly_foreign(height, width):
    logits = 4 * smooth(height, width)
    logits[:, NUM_DRIVING] += 12
    return logits


LOGITS = {
    'nearly certain': nearly_certain,
    'mostly foreign': mostly_foreign,
    'smooth': lambda h, w: 2 * smooth(h, w),
    'smooth and sure': lambda h, w: 12 * smooth(h, w),
    'random': lambda h, w: 4 * noise(h, w),
    'one hot': one_hot,
    'of few values': lambda h, w: (3 * noise(h, w)).round(),
    'half precision': lambda h, w: (2 * smooth(h, w)).bfloat16(),
    'constant': lambda h, w: noise(1, 1).expand(-1, -1, h, w),
    'all zero': lambda h, w: torch.zeros(1, len(ROB2018), h, w),
    'equal but for rounding': lambda h, w: 5 + 1e-6 * noise(h, w),
    'equal classes on a slope': lambda h, w: 300 * noise(h, w)[:, :1] + 1e-4 * noise(h, w, 1),
    'huge': lambda h, w: 1e4 * noise(h, w),
    'one hesitating pair': one_hesitating_pair,
}
SHAPES = [
    ((5, 8), (20, 32)), ((7, 9), (27, 35)), ((4, 37), (16, 150)), ((3, 4), (25, 37)),
    ((2, 3), (40, 50)), ((1, 1), (9, 11)), ((1, 5), (3, 17)), ((6, 6), (12, 12)),
    ((9, 2), (3, 300)),
]


def decode(logits, shape, rule, quantities, taxonomy=ROB2018, num_threads=1):
    image = np.zeros((*shape, 3), np.uint8)
    return FusedDecoder(taxonomy, num_threads).decode(logits, image, rule, quantities)


def upsample(logits, shape):
    return torch.nn.functional.interpolate(
        logits.double(), shape, mode='bilinear', align_corners=False)[0].numpy()


@pytest.mark.parametrize('kind', LOGITS)
@pytest.mark.parametrize(('size', 'shape'), SHAPES)
class TestCells:
    @pytest.fixture(autouse=True)
    def even_where_they_do_not_pay(self, monkeypatch):
        monkeypatch.setattr(fused_decoder, '_MIN_AGREEMENT', 0)

    @pytest.mark.parametrize('policy', LabelPolicy)
    def test_they_give_every_bit_that_pixels_give(self, kind, size, shape, policy):
        logits = LOGITS[kind](*size)
        pixels = decode(logits, shape, OodRule(0.5, policy), Quantity.ALL)
        probabilities = np.unique(pixels.foreign_probability)
        on_the_edge = probabilities[::len(probabilities) // 5 + 1].tolist()
        for threshold in (*THRESHOLDS, *on_the_edge):
            cells = decode(logits, shape, OodRule(threshold, policy), Quantity.OOD_MASK)
            np.testing.assert_array_equal(cells.labels, pixels.labels)
            np.testing.assert_array_equal(
                cells.ood_mask, pixels.foreign_probability > np.float32(threshold))
            assert cells.confidence is None
            assert cells.foreign_probability is None
        alone = decode(logits, shape, OodRule(0.5, policy), Quantity.NOTHING)
        np.testing.assert_array_equal(alone.labels, pixels.labels)

    def test_they_decide_as_double_precision_does_where_it_is_sure(self, kind, size, shape):
        logits = LOGITS[kind](*size)
        scores = upsample(logits, shape)
        rounding = 1e-6 * np.abs(scores).max() + 1e-12
        ranked = np.sort(scores, 0)
        is_sure = ranked[-1] - ranked[-2] > rounding
        expected = scores.argmax(0)
        weights = np.exp(scores - ranked[-1])
        foreign = weights[NUM_DRIVING:].sum(0) / weights.sum(0)
        for threshold in (0.02, 0.5, 0.9):
            found = decode(logits, shape, OodRule(threshold), Quantity.OOD_MASK)
            np.testing.assert_array_equal(
                found.labels[is_sure], np.where(expected < NUM_DRIVING, expected, 255)[is_sure])
            is_clear = np.abs(foreign - threshold) > 1e-5 + rounding
            np.testing.assert_array_equal(
                found.ood_mask[is_clear], (foreign > threshold)[is_clear])


def test_logits_without_any_order_are_decided_as_pixels_are():
    logits = torch.cat([4 * noise(8, 40), 4 * smooth(8, 40)], 2)
    pixels = decode(logits, (64, 160), OodRule(), Quantity.ALL)
    found = decode(logits, (64, 160), OodRule(), Quantity.OOD_MASK)
    np.testing.assert_array_equal(found.labels, pixels.labels)
    np.testing.assert_array_equal(found.ood_mask, pixels.ood_mask)


def test_every_pixel_is_decided_whatever_the_number_of_threads():
    logits, shape = 3 * smooth(6, 40), (23, 157)
    one = decode(logits, shape, OodRule(), Quantity.OOD_MASK)
    for num_threads in (2, 5):
        several = decode(logits, shape, OodRule(), Quantity.OOD_MASK, num_threads=num_threads)
        np.testing.assert_array_equal(several.labels, one.labels)
        np.testing.assert_array_equal(several.ood_mask, one.ood_mask)


def test_the_order_of_the_logits_in_memory_does_not_matter():
    logits, shape = 3 * smooth(6, 40), (23, 157)
    for quantities in (Quantity.OOD_MASK, Quantity.ALL):
        planes = decode(logits.contiguous(), shape, OodRule(), quantities)
        last = decode(logits.contiguous(memory_format=torch.channels_last), shape, OodRule(),
                      quantities)
        np.testing.assert_array_equal(planes.labels, last.labels)
        np.testing.assert_array_equal(planes.ood_mask, last.ood_mask)


def test_without_foreign_classes_nothing_is_out_of_distribution():
    logits = 3 * smooth(6, 10)[:, :len(CITYSCAPES)]
    found = decode(logits, (24, 40), OodRule(0.0), Quantity.OOD_MASK, CITYSCAPES)
    assert not found.ood_mask.any()
    np.testing.assert_array_equal(found.labels, upsample(logits, (24, 40)).argmax(0))


def test_without_driving_classes_everything_is_out_of_distribution():
    indoor = Taxonomy('indoor', ROB2018.classes[NUM_DRIVING:])
    logits = 3 * smooth(6, 10)[:, NUM_DRIVING:]
    for quantities in (Quantity.OOD_MASK, Quantity.ALL):
        found = decode(logits, (24, 40), OodRule(0.9), quantities, indoor)
        assert found.ood_mask.all()
        assert (found.labels == 255).all()


@pytest.mark.parametrize(
    'quantities', [Quantity.ALL, Quantity.NOTHING, Quantity.OOD_MASK], ids=str)
@pytest.mark.parametrize('policy', LabelPolicy)
@pytest.mark.parametrize('taxonomy', [CITYSCAPES, ROB2018], ids=lambda entry: entry.name)
def test_compiling_does_not_change_what_the_source_says(
    monkeypatch, taxonomy, policy, quantities,
):
    logits, shape, rule = 3 * noise(2, 3)[:, :len(taxonomy)], (7, 9), OodRule(0.5, policy)
    monkeypatch.setattr(fused_decoder, '_MIN_AGREEMENT', 0)
    compiled = decode(logits, shape, rule, quantities, taxonomy)
    for module in MODULES:
        for name, value in list(vars(module).items()):
            if isinstance(value, Dispatcher):
                monkeypatch.setattr(module, name, value.py_func)
    interpreted = decode(logits, shape, rule, quantities, taxonomy)
    np.testing.assert_array_equal(compiled.labels, interpreted.labels)
    if Quantity.OOD_MASK in quantities:
        np.testing.assert_array_equal(compiled.ood_mask, interpreted.ood_mask)
    for name in ('confidence', 'foreign_probability'):
        first, second = getattr(compiled, name), getattr(interpreted, name)
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_allclose(first, second, atol=1e-5)
