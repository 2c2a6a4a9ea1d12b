# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from collections import Counter
import gc
from itertools import accumulate, count
import math
import threading

import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame
import torch

from ldn_perception import pipeline as pipeline_module
from ldn_perception.build import build_perception, warm_up
from ldn_perception.config import PerceptionConfig
from ldn_perception.decoding.decoder import LabelPolicy, OodRule, TorchDecoder
from ldn_perception.errors import InferenceError, StereoError
from ldn_perception.free_road import FreeRoadRule, find_free_road
from ldn_perception.inference.torch_engine import MultiScaleEngine, TorchEngine
from ldn_perception.models.segmentation_model import SegmentationOutput
from ldn_perception.pipeline import StereoSegmentationPipeline, pixels_per_metre
from ldn_perception.stereo.opencv_matchers import SemiGlobalBlockMatcher
from ldn_perception.taxonomy import ROB2018, UNIVERSAL
from ldn_perception.types import DisparityMap, Quantity


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

    description = 'recording'
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
    assert segmentation.labels.max() < UNIVERSAL.num_driving


def test_a_read_only_image_makes_no_noise(recwarn):
    frame = shifted_frame(12)
    frame.left.flags.writeable = False
    small().pipeline.process(frame, Quantity.NOTHING)
    assert not [warning for warning in recwarn if 'writable' in str(warning.message)]


@pytest.mark.parametrize('model', ['ldn_small', 'scale_invariant_small'])
def test_the_pipeline_is_deterministic(model):
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


class MeetingMatcher:
    """A matcher that ends only if something else works at the same time; notes its threads."""

    def __init__(self, meeting):
        self.meeting, self.threads = meeting, Counter()

    def match(self, frame):
        self.threads[threading.current_thread()] += 1
        self.meeting.wait(10)
        return SemiGlobalBlockMatcher(max_disparity=64).match(frame)


class MeetingEngine(RecordingEngine):
    """An engine of the same kind."""

    def __init__(self, meeting):
        super().__init__(uses_disparity=False)
        self.meeting, self.threads = meeting, Counter()

    def run(self, image, pixels_per_metre=None):
        self.threads[threading.current_thread()] += 1
        self.meeting.wait(10)
        return super().run(image, pixels_per_metre)


class FailingEngine(RecordingEngine):
    """An engine that fails once the matcher has begun."""

    def __init__(self, has_begun):
        super().__init__(uses_disparity=False)
        self.has_begun = has_begun

    def run(self, image, pixels_per_metre=None):
        assert self.has_begun.wait(10)
        raise InferenceError('engine', must_be='whole', got='broken', do='mend it')


class LateMatcher:
    """A matcher that needs a while, and tells when it has begun and ended."""

    def __init__(self, error=None):
        self.has_begun, self.has_ended, self.error = threading.Event(), False, error

    def match(self, frame):
        self.has_begun.set()
        threading.Event().wait(0.05)
        self.has_ended = True
        if self.error is not None:
            raise self.error
        return DisparityMap(torch.full((96, 160), 12.0), 0, 63)


def beside(matcher, engine, **known):
    return StereoSegmentationPipeline(
        matcher, engine, TorchDecoder(ROB2018), OodRule(), matches_beside=True, **known)


class TestMatcherBesideTheNetwork:
    def test_they_work_at_the_same_time_each_always_in_the_same_thread(self):
        meeting = threading.Barrier(2)
        matcher, engine = MeetingMatcher(meeting), MeetingEngine(meeting)
        pipeline = beside(matcher, engine)
        for _ in range(3):
            assert pipeline.process(shifted_frame(12)).disparity is not None
        assert engine.threads == {threading.current_thread(): 3}
        assert list(matcher.threads.values()) == [3]
        assert threading.current_thread() not in matcher.threads

    @pytest.mark.parametrize('values', [
        {}, {'stereo__matcher': 'bm'},
        {'model__name': 'scale_invariant_small', 'stereo__multiplexer_divisor': 2},
    ])
    def test_results_are_those_of_one_after_the_other(self, values):
        in_turn = small(**values).pipeline
        pipeline = StereoSegmentationPipeline(
            in_turn._matcher, in_turn.engine, in_turn._decoder, in_turn.rule,
            scale_matcher=in_turn._scale_matcher, matches_beside=True)
        for shift in (4, 12, 30):
            frame = shifted_frame(shift)
            found, expected = pipeline.process(frame), in_turn.process(frame)
            for name in ('labels', 'ood_mask', 'confidence', 'foreign_probability'):
                np.testing.assert_array_equal(
                    getattr(found.segmentation, name), getattr(expected.segmentation, name))
            np.testing.assert_array_equal(
                found.disparity.to_host(), expected.disparity.to_host())

    def test_an_error_of_the_matcher_costs_one_pair(self):
        pipeline = beside(SemiGlobalBlockMatcher(max_disparity=64), RecordingEngine(False))
        with pytest.raises(StereoError, match='one with a right image') as caught:
            pipeline.process(shifted_frame(
                right=None, external_disparity=DisparityMap(torch.full((96, 160), 9.0), 0, 63)))
        assert caught.value.reason == 'no_right_image'
        assert pipeline.process(shifted_frame(12)).disparity.density > 0.5

    def test_nothing_works_on_a_pair_whose_network_failed(self):
        matcher = LateMatcher()
        pipeline = beside(matcher, FailingEngine(matcher.has_begun))
        with pytest.raises(InferenceError, match='broken'):
            pipeline.process(shifted_frame(12))
        assert matcher.has_ended

    def test_the_error_of_the_matcher_comes_first(self):
        matcher = LateMatcher(StereoError('pair', must_be='good', got='bad', do='take another'))
        pipeline = beside(matcher, FailingEngine(matcher.has_begun))
        with pytest.raises(StereoError, match='got bad'):
            pipeline.process(shifted_frame(12))

    def test_its_thread_ends_with_the_pipeline(self):
        meeting = threading.Barrier(2)
        matcher = MeetingMatcher(meeting)
        pipeline = beside(matcher, MeetingEngine(meeting))
        pipeline.process(shifted_frame(12))
        [thread] = matcher.threads
        assert thread.is_alive()
        del pipeline
        gc.collect()
        thread.join(10)
        assert not thread.is_alive()

    @pytest.mark.parametrize('matches_beside', [False, True])
    def test_seconds_add_up_to_those_of_the_pair(self, monkeypatch, matches_beside):
        engine = RecordingEngine(uses_disparity=False)
        pipeline = StereoSegmentationPipeline(
            LateMatcher(), engine, TorchDecoder(ROB2018), OodRule(),
            matches_beside=matches_beside)
        ticks = accumulate(count(1))  # the clock is read at 1, 3, 6, 10 and 15 s
        monkeypatch.setattr(pipeline_module.time, 'perf_counter', lambda: float(next(ticks)))
        seconds = pipeline.process(shifted_frame(12)).seconds
        monkeypatch.undo()
        assert seconds == {'disparity': 2 + 5, 'network': 3, 'decode': 4}


class TestScalesOfAnotherMatcher:
    @pytest.mark.parametrize('matches_beside', [False, True])
    def test_the_network_gets_its_disparity_whoever_wants_the_other(self, matches_beside):
        engine = RecordingEngine(uses_disparity=True)
        matcher, scale_matcher = CountingMatcher(), LateMatcher()
        pipeline = StereoSegmentationPipeline(
            matcher, engine, TorchDecoder(ROB2018), OodRule(),
            scale_matcher=scale_matcher, matches_beside=matches_beside)
        for quantities, number in ((Quantity.NOTHING, 0), (Quantity.DISPARITY, 1)):
            result = pipeline.process(shifted_frame(20), quantities)
            assert (engine.given == 24).all()  # 12 px over a baseline of 0.5 m, not 20 px
            assert result.pixels_per_metre is engine.given
            assert matcher.count == number
        assert result.disparity.values.nanmedian().item() == pytest.approx(20, abs=0.1)

    def test_it_is_not_asked_for_a_network_without_scales(self):
        scale_matcher = LateMatcher(error=AssertionError('asked'))
        pipeline = beside(
            CountingMatcher(), RecordingEngine(False), scale_matcher=scale_matcher)
        result = pipeline.process(shifted_frame(12))
        assert not scale_matcher.has_ended
        assert result.pixels_per_metre is None

    def test_without_one_the_disparity_of_the_pair_serves_both(self):
        pipeline, matcher, engine = recording_pipeline(uses_disparity=True)
        result = pipeline.process(shifted_frame(12), Quantity.NOTHING)
        assert matcher.count == 1
        assert result.disparity is not None
        assert result.pixels_per_metre is engine.given

    def test_labels_do_not_depend_on_who_wants_disparity(self):
        perception = small(model__name='scale_invariant_small', stereo__multiplexer_divisor=2)
        with_it, without = (
            perception.pipeline.process(shifted_frame(12), quantities)
            for quantities in (Quantity.DISPARITY, Quantity.NOTHING))
        assert without.disparity is None
        assert with_it.disparity.step == 1 / 16
        np.testing.assert_array_equal(with_it.segmentation.labels, without.segmentation.labels)


def poisoned(pipeline):
    """Put a NaN into the first weight of a pipeline's network."""
    weights = next(iter(pipeline.engine._model.parameters()))
    with torch.no_grad():
        weights[(0,) * weights.ndim] = math.nan
    return pipeline


@pytest.mark.parametrize('scales', [None, (1.0, 1.5)], ids=['one scale', 'several scales'])
def test_a_network_with_a_nan_weight_is_never_believed(scales):
    perception = small(inference__engine='torch')
    pipeline = poisoned(perception.pipeline)
    if scales is not None:
        pipeline = pipeline.with_engine(
            MultiScaleEngine(pipeline.engine._model, torch.device('cpu'), scales=scales))
    frame = shifted_frame(12)
    result = pipeline.process(frame, Quantity.ALL)
    segmentation = result.segmentation
    assert (segmentation.labels == 255).all()
    assert segmentation.ood_mask.all()
    assert (segmentation.confidence == 0).all()
    assert (segmentation.foreign_probability == 1).all()
    assert segmentation.num_non_finite == 96 * 160
    depth = frame.geometry.depth(result.disparity.to_host())
    assert not find_free_road(segmentation, depth, frame.geometry, FreeRoadRule(0)).any()
    assert pipeline.process(frame, Quantity.NOTHING).segmentation.num_non_finite == 96 * 160


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_several_scales_do_not_average_away_what_is_not_finite(value):
    class OneBadLogit(torch.nn.Module):
        uses_disparity = False

        def forward(self, image, pixels_per_metre=None):
            logits = torch.zeros(1, len(ROB2018), image.shape[2] // 4, image.shape[3] // 4)
            logits[0, 7, 3, 5] = value
            return SegmentationOutput(logits, ())

    engine = MultiScaleEngine(OneBadLogit(), torch.device('cpu'), scales=(0.5, 1.0))
    logits = engine.run(torch.zeros(96, 160, 3, dtype=torch.uint8))
    segmentation = TorchDecoder(ROB2018).decode(
        logits, np.zeros((96, 160, 3), np.uint8), OodRule(), Quantity.ALL)
    assert (segmentation.labels[13:17, 21:25] == 255).all()
    assert 0 < segmentation.num_non_finite < 96 * 160
