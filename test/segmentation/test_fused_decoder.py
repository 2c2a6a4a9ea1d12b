# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from ldn_perception.frames import Quantity
from ldn_perception.segmentation import fused_decoder
from ldn_perception.segmentation.decoder import LabelPolicy, OodRule
from ldn_perception.segmentation.fused_decoder import FusedDecoder
from ldn_perception.taxonomy import CITYSCAPES, ROB2018


@pytest.mark.parametrize('quantities', [Quantity.ALL, Quantity.NOTHING], ids=str)
@pytest.mark.parametrize('taxonomy', [CITYSCAPES, ROB2018], ids=lambda entry: entry.name)
def test_compiling_does_not_change_what_the_source_says(monkeypatch, taxonomy, quantities):
    logits = torch.randn(1, len(taxonomy), 3, 4, generator=torch.Generator().manual_seed(0)) * 3
    rule, image = OodRule(0.5, LabelPolicy.DRIVING), np.zeros((7, 9, 3), np.uint8)
    compiled = FusedDecoder(taxonomy).decode(logits, image, rule, quantities)
    for name in ('_decode_rows', '_stretch', '_exponential'):
        monkeypatch.setattr(fused_decoder, name, getattr(fused_decoder, name).py_func)
    interpreted = FusedDecoder(taxonomy).decode(logits, image, rule, quantities)
    np.testing.assert_array_equal(compiled.labels, interpreted.labels)
    for name in ('confidence', 'foreign_probability'):
        first, second = getattr(compiled, name), getattr(interpreted, name)
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_allclose(first, second, atol=1e-5)


def test_the_exponential_is_one():
    arguments = np.linspace(-16, 0, 2001, dtype=np.float32)
    ours = [fused_decoder._exponential(x) for x in arguments]
    np.testing.assert_allclose(ours, np.exp(arguments.astype(np.float64)), rtol=1e-4)
    assert fused_decoder._exponential(np.float32(-1e9)) < 1e-30
    assert fused_decoder._exponential(np.float32(0)) == 1
