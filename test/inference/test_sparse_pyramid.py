# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Eager torch on windows of the pyramid, with trained weights on a real pair."""

import os
from pathlib import Path

import pytest
import torch

from ldn_perception.build_stereo import build_matcher
from ldn_perception.config import InferenceConfig, StereoConfig
from ldn_perception.data.kitti import KittiStereoFolder
from ldn_perception.errors import ModelError
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.registry import build_model
from ldn_perception.models.scale_networks import SparsePyramidNetwork
from ldn_perception.models.weights import load_weights
from ldn_perception.pipeline import pixels_per_metre
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.weights import find_shipped_weights

PAIR = Path(os.environ.get(
    'LDN_DATA', Path(__file__).resolve().parents[3] / 'shared' / 'data')) / 'kitti2015_000046'
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def networks():
    """The trained network, dense and in windows whatever their share."""
    classes = TAXONOMIES['synthetic_drive']
    dense = build_model('scale_invariant_small', len(classes))
    load_weights(
        find_shipped_weights('scale_invariant_small', 'synthetic_drive'), dense,
        'scale_invariant_small', classes.class_names)
    return dense, SparsePyramidNetwork(dense, largest_share=1.0)


@pytest.fixture(scope='module')
def pair():
    """The right half of an image and what is known of its depth."""
    if not PAIR.is_dir():
        pytest.skip(f'{PAIR} is not there')
    frame = KittiStereoFolder(PAIR)[0].frame
    disparity = build_matcher(StereoConfig(), InferenceConfig(device='cpu')).match(frame)
    return (torch.from_numpy(frame.left)[:, 600:].contiguous(),
            pixels_per_metre(disparity, frame.geometry)[:, 600:].contiguous())


@pytest.mark.parametrize(('precision', 'tolerance'), [
    (torch.float32, 1e-4), (torch.bfloat16, 0.05)])
def test_trained_network_says_of_a_real_pair_what_the_dense_one_says(
        networks, pair, precision, tolerance):
    expected, logits = (TorchEngine(each, CPU, precision).run(*pair) for each in networks)
    torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)
    assert logits.dtype == torch.float32


def test_engine_wants_the_scales(networks, pair):
    engine = TorchEngine(networks[1], CPU)
    assert engine.uses_disparity
    with pytest.raises(ModelError, match='pixels_per_metre'):
        engine.run(pair[0])
