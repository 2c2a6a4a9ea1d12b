# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The kernel of the GPU's decoder: interpreted and compiled here, run where a GPU is.

What every decoder does is in test/contracts/test_decoders.py.
"""

from importlib.util import find_spec

from decoding.interpreted_decoder import InterpretedDecoder
import numpy as np
import pytest
import torch

from ldn_perception.decoding.decoder import LabelPolicy, OodRule, TorchDecoder
from ldn_perception.decoding.fused_decoder import FusedDecoder
from ldn_perception.taxonomy import ROB2018
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.types import Quantity

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='torch sees no GPU')
pytestmark = pytest.mark.skipif(find_spec('triton') is None, reason='triton is not installed')


def classes(num_driving, num_foreign):
    domains = [Domain.DRIVING] * num_driving + [Domain.FOREIGN] * num_foreign
    return Taxonomy(f'{num_driving} and {num_foreign}', tuple(
        ClassInfo(str(number), (0, 0, 0), domain, '') for number, domain in enumerate(domains)))


def noise(num_classes, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, num_classes, height, width, generator=generator)


def tied(num_classes, height, width):
    """Few values, whose interpolation by four is exact: any two classes are equal somewhere."""
    return noise(num_classes, height, width).round()


CASES = {  # logits by number of classes and size, samples, pixels
    'random': (lambda *size: 4 * noise(*size), (4, 6), (16, 24)),
    'odd sizes': (lambda *size: 4 * noise(*size), (5, 7), (19, 37)),
    'a wide image': (lambda *size: noise(*size), (1, 9), (3, 70)),
    'a sample': (noise, (1, 1), (9, 5)),
    'a pixel': (noise, (3, 4), (1, 1)),
    'as many samples as pixels': (noise, (9, 11), (9, 11)),
    'more samples than pixels': (noise, (12, 15), (5, 8)),
    'tied': (tied, (5, 9), (20, 36)),
    'all equal': (lambda *size: torch.zeros(1, *size), (2, 3), (8, 12)),
    'large': (lambda *size: 1e4 * noise(*size), (4, 6), (16, 24)),
    'largest': (lambda *size: 3e38 * noise(*size).sign(), (2, 3), (8, 12)),
    'low': (lambda *size: noise(*size) - 1e4, (2, 3), (8, 12)),
    'channels last': (lambda *size: noise(*size).contiguous(
        memory_format=torch.channels_last), (4, 6), (16, 24)),
    'a view': (lambda *size: noise(*size).repeat(1, 1, 1, 2)[..., ::2], (4, 6), (16, 24)),
    'float16': (lambda *size: noise(*size).half(), (4, 6), (16, 24)),
    'bfloat16': (lambda *size: 4 * noise(*size).bfloat16(), (4, 6), (16, 24)),
}


def agree(found, expected, tolerance=1e-6):
    """Equal labels, and masks and probabilities equal but for rounding."""
    np.testing.assert_array_equal(found.labels, expected.labels)
    for name in ('confidence', 'foreign_probability'):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance)
    assert not found.ood_mask[expected.foreign_probability < 0.4 - tolerance].any()
    assert found.ood_mask[expected.foreign_probability > 0.4 + tolerance].all()


@pytest.mark.parametrize('policy', LabelPolicy)
@pytest.mark.parametrize('name', CASES)
def test_it_decides_as_the_reference_does(name, policy):
    build, samples, shape = CASES[name]
    taxonomy, rule, image = classes(4, 3), OodRule(0.4, policy), np.zeros((*shape, 3), np.uint8)
    logits = build(7, *samples)
    expected = TorchDecoder(taxonomy).decode(logits, image, rule, Quantity.ALL)
    # a logit of 10 000 is a multiple of 0.001
    agree(InterpretedDecoder(taxonomy).decode(logits, image, rule, Quantity.ALL), expected,
          1e-3 if name in ('large', 'low') else 1e-6)


@pytest.mark.parametrize('policy', LabelPolicy)
@pytest.mark.parametrize('numbers', [(3, 0), (0, 3), (1, 1), (1, 0), (0, 1)])
def test_all_classes_may_be_driving_or_foreign(numbers, policy):
    taxonomy, rule, image = classes(*numbers), OodRule(0.4, policy), np.zeros((9, 12, 3), np.uint8)
    logits = 3 * noise(sum(numbers), 3, 4)
    expected = FusedDecoder(taxonomy).decode(logits, image, rule, Quantity.ALL)
    agree(InterpretedDecoder(taxonomy).decode(logits, image, rule, Quantity.ALL), expected, 1e-5)


@pytest.mark.parametrize(('threshold', 'is_ood'), [(0.0, True), (0.5, False), (0.49999, True)])
def test_a_pixel_is_out_of_distribution_above_the_threshold(threshold, is_ood):
    found = InterpretedDecoder(classes(1, 1)).decode(
        torch.zeros(1, 2, 2, 2), np.zeros((4, 4, 3), np.uint8), OodRule(threshold), Quantity.ALL)
    assert (found.foreign_probability == 0.5).all()
    assert (found.ood_mask == is_ood).all()
    assert found.ood_mask.dtype == np.bool_


@pytest.mark.timeout(600)
@pytest.mark.parametrize('logits', ['*fp32', '*bf16', '*fp16'])
@pytest.mark.parametrize('wanted', [
    (), ('ood_mask',), ('ood_mask', 'confidence', 'foreign_probability')],
    ids=lambda names: f'{len(names)} planes')
def test_the_kernel_compiles_for_a_gpu_that_is_not_here(tmp_path, monkeypatch, wanted, logits):
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from ldn_perception.decoding.triton_decoder import _decide_tile
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    planes = {'labels': '*u8', 'ood_mask': '*u8', 'confidence': '*fp32',
              'foreign_probability': '*fp32'}
    constants = {
        'NUM_DRIVING': 19, 'NUM_CLASSES': 39, 'KEEPS_DRIVING': False, 'UNLABELLED': 255,
        'TILE_HEIGHT': 8, 'TILE_WIDTH': 32,
        **{name: None for name in planes if name not in ('labels', *wanted)}}
    types = {'logits': logits, 'threshold': 'fp32', **planes}
    compiled = compile_kernel(
        ASTSource(fn=_decide_tile, constexprs=constants, signature={
            name: 'constexpr' if name in constants else types.get(name, 'i32')
            for name in _decide_tile.arg_names}),
        target=GPUTarget('cuda', 90, 32), options={'num_warps': 4})
    assert compiled.asm['cubin']
    assert compiled.metadata.shared == 0  # no pixel waits for another
    # labels need no exponentials
    assert ('ex2.approx' in compiled.asm['ptx']) == bool(wanted)


@on_gpu
class TestOnGpu:
    """At camera size, against the reference on the same GPU and on the host."""

    @pytest.mark.parametrize('policy', LabelPolicy)
    @pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
    @pytest.mark.parametrize(('samples', 'shape'), [
        ((93, 307), (370, 1226)), ((256, 512), (1024, 2048))])
    def test_no_label_differs(self, samples, shape, dtype, policy):
        from ldn_perception.decoding.triton_decoder import TritonDecoder
        logits = (4 * noise(len(ROB2018), *samples)).to(dtype)
        image, rule = np.zeros((*shape, 3), np.uint8), OodRule(0.4, policy)
        found = TritonDecoder(ROB2018, torch.device('cuda')).decode(
            logits.cuda(), image, rule, Quantity.ALL)
        there = TorchDecoder(ROB2018).decode(logits.cuda(), image, rule, Quantity.ALL)
        agree(found, there, 1e-5)
        here = TorchDecoder(ROB2018).decode(logits, image, rule, Quantity.ALL)
        assert (found.labels != here.labels).mean() < 1e-5
