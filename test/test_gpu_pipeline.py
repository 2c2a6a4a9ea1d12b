# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on a GPU; contracts of its parts run there too, in their own files."""

import numpy as np
import pytest
from stereo_frames import shifted_frame
import torch

from ldn_perception.build import build_perception
from ldn_perception.config import PerceptionConfig
from ldn_perception.pipeline import pixels_per_metre
from ldn_perception.types import Quantity

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='torch sees no GPU')


def build_pipeline(device, model, **options):
    return build_perception(PerceptionConfig.from_values({
        'model.name': model, 'inference.device': device, 'inference.precision': 'float32',
        'inference.engine': 'torch', 'stereo.matcher': 'learned', 'stereo.max_disparity': 64,
        **{name.replace('__', '.'): value for name, value in options.items()}})).pipeline


@pytest.fixture
def exact_products():
    """Convolutions in float32 without the tensor cores' rounding of factors."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures('exact_products')
@pytest.mark.parametrize('model', ['ldn_small', 'scale_invariant_small'])
def test_a_gpu_finds_what_the_cpu_finds(model):
    frame = shifted_frame(12)
    there, here = (build_pipeline(device, model).process(frame) for device in ('cuda', 'cpu'))
    found, expected = there.segmentation, here.segmentation
    assert there.disparity.values.is_cuda
    differs = np.abs(there.disparity.to_host() - here.disparity.to_host()) > 1
    assert differs.mean() < 0.01
    # where the matchers differ, a scale-selecting network sees another scale
    assert (found.labels != expected.labels).mean() < (0.001 if model == 'ldn_small' else 0.02)
    assert np.median(np.abs(found.confidence - expected.confidence)) < 1e-3
    assert (found.ood_mask != expected.ood_mask).mean() < 0.02
    for values in (found.labels, found.ood_mask, found.confidence, found.foreign_probability):
        assert values.shape == frame.geometry.shape


def test_results_stay_as_they_are_while_others_are_found():
    pipeline, kept = build_pipeline('cuda', 'ldn_small'), []
    for shift_px in (4, 12, 20):
        segmentation = pipeline.process(shifted_frame(shift_px)).segmentation
        kept.append((segmentation, segmentation.confidence.copy()))
    for segmentation, confidence in kept:
        np.testing.assert_array_equal(segmentation.confidence, confidence)


def test_between_upload_and_download_the_host_waits_for_nothing():
    # removing speckles asks the GPU whether it is done
    pipeline = build_pipeline('cuda', 'ldn_small', stereo__speckle_size=0)
    frame = shifted_frame(12)
    image = torch.from_numpy(frame.left)
    pipeline.process(frame, Quantity.ALL)
    torch.cuda.set_sync_debug_mode('error')
    try:
        disparity = pipeline._matcher.match(frame)
        sizes = pixels_per_metre(disparity, frame.geometry)
        logits = pipeline.engine.run(image)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert sizes.is_cuda
    assert logits.is_cuda
