# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame
import torch

from ldn_perception.build import build_perception, warm_up
from ldn_perception.config import PerceptionConfig
from ldn_perception.errors import StereoError
from ldn_perception.frames import DisparityMap, Quantity
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.pipeline import StereoSegmentationPipeline, pixels_per_metre
from ldn_perception.segmentation.decoder import LabelPolicy, OodRule
from ldn_perception.segmentation.torch_decoder import TorchDecoder
from ldn_perception.stereo.semi_global_block_matcher import SemiGlobalBlockMatcher
from ldn_perception.taxonomy import ROB2018


def small(**values):
    return build_perception(PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'stereo.max_disparity': 64, 'inference.device': 'cpu',
        **{name.replace('__', '.'): value for name, value in values.items()}}))


class CountingMatcher:
    """A real matcher that tells how often it was asked."""

    def __init__(self):
        self.matcher = SemiGlobalBlockMatcher(max_disparity=64)
        self.count = 0

    def match(self, frame):
        self.count += 1
        return self.matcher.match(frame)


class RecordingEngine:
    """An engine that keeps what it was given."""

    device = torch.device('cpu')

    def __init__(self, uses_disparity):
        self.uses_disparity = uses_disparity
        self.given = None

    def run(self, image, pixels_per_metre=None):
        self.given = pixels_per_metre
        assert image.shape == (96, 160, 3)
        return torch.zeros(1, len(ROB2018), 24, 40)


def recording_pipeline(uses_disparity):
    matcher, engine = CountingMatcher(), RecordingEngine(uses_disparity)
    pipeline = StereoSegmentationPipeline(matcher, engine, TorchDecoder(ROB2018), OodRule())
    return pipeline, matcher, engine


def test_a_result_holds_everything_that_was_asked_for():
    result = small().pipeline.process(shifted_frame(12), Quantity.ALL)
    assert result.segmentation.labels.shape == (96, 160)
    assert result.segmentation.ood_mask is not None
    assert result.disparity is not None
    assert list(result.seconds) == ['disparity', 'network', 'decode']
    assert all(seconds >= 0 for seconds in result.seconds.values())


def test_ldn_does_without_disparity_unless_it_is_asked_for():
    pipeline, matcher, engine = recording_pipeline(uses_disparity=False)
    result = pipeline.process(shifted_frame(12), Quantity.OOD_MASK)
    assert (matcher.count, result.disparity, engine.given) == (0, None, None)
    result = pipeline.process(shifted_frame(12), Quantity.DISPARITY)
    assert matcher.count == 1
    assert result.disparity is not None
    assert engine.given is None


def test_a_scale_selecting_network_gets_the_apparent_size_of_a_metre():
    pipeline, _, engine = recording_pipeline(uses_disparity=True)
    pipeline.process(shifted_frame(12), Quantity.NOTHING)
    # disparity 12 px over a baseline of 0.5 m: 24 px a metre
    assert engine.given.nanmedian().item() == pytest.approx(24, abs=0.2)


def test_apparent_size_is_focal_length_over_depth_also_for_converging_axes():
    rig = geometry(cx_right=70.0)
    disparity = DisparityMap(torch.full(rig.shape, 20.0), 0, 64)
    expected = rig.fx / rig.depth(disparity.to_host())
    np.testing.assert_allclose(pixels_per_metre(disparity, rig).numpy(), expected, rtol=1e-5)


def test_the_next_frame_follows_a_new_rule():
    perception = small()
    frame = shifted_frame(12)
    perception.pipeline.rule = OodRule(0.0)
    assert perception.pipeline.process(frame).segmentation.ood_mask.all()
    perception.pipeline.rule = OodRule(1.0, LabelPolicy.DRIVING)
    segmentation = perception.pipeline.process(frame).segmentation
    assert not segmentation.ood_mask.any()
    assert segmentation.labels.max() < ROB2018.num_driving


def test_a_read_only_image_makes_no_noise(recwarn):
    frame = shifted_frame(12)
    frame.left.flags.writeable = False
    small().pipeline.process(frame, Quantity.NOTHING)
    assert not [warning for warning in recwarn if 'writable' in str(warning.message)]


@pytest.mark.parametrize('model', ['ldn_small', 'scale_invariant_small'])
def test_the_corridor_is_deterministic(model):
    first, second = (
        small(model__name=model).pipeline.process(shifted_frame(12)) for _ in range(2))
    np.testing.assert_array_equal(first.segmentation.labels, second.segmentation.labels)


def test_bfloat16_is_another_arithmetic_of_the_same_network():
    reference = small().pipeline.process(shifted_frame(12)).segmentation
    half = small(inference__precision='bfloat16').pipeline.process(shifted_frame(12)).segmentation
    assert half.foreign_probability is not None
    np.testing.assert_allclose(
        half.foreign_probability, reference.foreign_probability, atol=0.05)


def test_an_external_disparity_takes_the_place_of_the_matcher():
    perception = small(stereo__matcher='external', model__name='scale_invariant_small')
    exact = DisparityMap(torch.full((96, 160), 12.0), 0, 63)
    result = perception.pipeline.process(
        shifted_frame(right=None, external_disparity=exact), Quantity.DISPARITY)
    assert result.disparity is exact
    with pytest.raises(StereoError, match='one with an external disparity'):
        perception.pipeline.process(shifted_frame(12), Quantity.DISPARITY)


@pytest.mark.parametrize('values', [
    {}, {'stereo__matcher': 'external'}, {'stereo__max_disparity': 1024},
    {'model__name': 'scale_invariant_small', 'model__taxonomy': 'cityscapes'},
])
def test_warming_up_works_for_every_choice(values):
    perception = small(**values)
    config = PerceptionConfig.from_values(
        {name.replace('__', '.'): value for name, value in values.items()})
    warm_up(perception, config.stereo)


def test_a_network_without_weights_is_untrained():
    assert not small().is_trained
    assert isinstance(small().pipeline._engine, TorchEngine)


@pytest.mark.parametrize('model', ['ldn_small', 'scale_invariant_small'])
def test_several_scales_can_be_averaged(model):
    frame = shifted_frame(12, width=320, height=192)
    plain = small(model__name=model).pipeline.process(frame).segmentation
    averaged = small(
        model__name=model, inference__multi_scale=True).pipeline.process(frame).segmentation
    assert averaged.foreign_probability.shape == plain.foreign_probability.shape
    assert not np.array_equal(averaged.foreign_probability, plain.foreign_probability)


def test_a_crf_refines_the_labels_of_the_same_network():
    frame = shifted_frame(12)
    plain = small().pipeline.process(frame).segmentation
    refined = small(segmentation__crf='thesis').pipeline.process(frame).segmentation
    assert refined.labels.shape == plain.labels.shape
    changes = [
        (entry.labels[:, 1:] != entry.labels[:, :-1]).mean() for entry in (plain, refined)]
    assert changes[1] < changes[0]
