# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from stereo_frames import shifted_frame
import torch

from ldn_perception import build_stereo
from ldn_perception.build_stereo import (
    MATCHERS,
    build_embedding,
    build_matcher,
    build_scale_matcher,
    gains_beside,
    read_cost_shares,
)
from ldn_perception.config import NUM_PATHS, InferenceConfig, PerceptionConfig, StereoConfig
from ldn_perception.errors import ModelError
from ldn_perception.hardware import choose_precision
from ldn_perception.models.weights import save_weights
from ldn_perception.stereo.embeddings import EMBEDDING_NAME, PatchEmbedding
from ldn_perception.stereo.learned_cost import LEARNED_PENALTIES, LearnedCost
from ldn_perception.stereo.matcher import ExternalDisparity
from ldn_perception.stereo.matching_costs import CostShares
from ldn_perception.stereo.opencv_matchers import MODES, BlockMatcher, SemiGlobalBlockMatcher
from ldn_perception.stereo.semi_global_aggregation import PATHS
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher
from ldn_perception.weights import find_shipped_weights

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')


def test_every_choice_of_the_options_can_be_built():
    matchers = StereoConfig.__dataclass_fields__['matcher'].metadata['choices']
    assert set(matchers) == {'external', *MATCHERS}
    assert set(NUM_PATHS['sgbm']) == set(MODES)
    assert set(NUM_PATHS['census']) == set(PATHS)


def matcher_of(**options):
    values = {f'stereo.{name}': value for name, value in options.items()}
    config = PerceptionConfig.from_values({**values, 'inference.num_threads': 1})
    return build_matcher(config.stereo, config.inference)


@pytest.mark.parametrize(('name', 'kind'), [
    ('sgbm', SemiGlobalBlockMatcher), ('bm', BlockMatcher), ('census', SemiGlobalMatcher),
    ('external', ExternalDisparity),
])
def test_every_matcher_is_built_by_its_name(name, kind):
    assert isinstance(matcher_of(matcher=name), kind)


@no_gpu
def test_learned_matcher_takes_the_weights_it_is_given(tmp_path):
    path = tmp_path / 'weights.safetensors'
    torch.manual_seed(0)
    network = PatchEmbedding(8, 3)
    save_weights(path, network, EMBEDDING_NAME, (), {'num_maps': 8, 'num_layers': 3})
    matcher = matcher_of(matcher='learned', weights=str(path), max_disparity=64)
    expected = SemiGlobalMatcher(
        LearnedCost(network, choose_precision('auto', torch.device('cpu'))), max_disparity=64,
        penalties=LEARNED_PENALTIES, speckle_size=100)
    frame = shifted_frame(12)
    found = matcher.match(frame).to_host()
    np.testing.assert_array_equal(found, expected.match(frame).to_host())
    assert np.nanmedian(found) == pytest.approx(12, abs=0.1)


@no_gpu
def test_learned_matcher_takes_the_shipped_weights_unless_told():
    path = find_shipped_weights(EMBEDDING_NAME, 'stereo')
    assert path.stat().st_size <= 1_000_000
    shares = read_cost_shares(path)
    assert shares == CostShares(32, 2)
    expected = SemiGlobalMatcher(
        LearnedCost(build_embedding(path), choose_precision('auto', torch.device('cpu')),
                    shares=shares),
        max_disparity=64, penalties=LEARNED_PENALTIES, speckle_size=100)
    frame = shifted_frame(12)
    found = matcher_of(matcher='learned', max_disparity=64).match(frame).to_host()
    np.testing.assert_array_equal(found, expected.match(frame).to_host())
    inside = found[8:-8, 20:-8]
    assert np.isfinite(inside).mean() > 0.95
    assert np.nanmax(np.abs(inside - 12)) < 0.5


def test_learned_matcher_without_weights_is_refused(monkeypatch):
    monkeypatch.setattr(build_stereo, 'find_shipped_weights', lambda *_: None)
    with pytest.raises(ModelError, match=(
            r'stereo\.weights must be a weights file of the learned matcher, got none shipped: '
            'train one with ldn train, or choose another stereo.matcher')):
        matcher_of(matcher='learned')


@pytest.mark.parametrize('name', ['sgbm', 'bm', 'census'])
@pytest.mark.parametrize(('divisor', 'low', 'high'), [
    (1, 0, 64), (2, 0, 64), (4, 0, 64), (3, 0, 64), (2, -16, 32), (4, -8, 40)])
def test_the_range_shrinks_with_the_image_and_covers_what_was_asked_for(name, divisor, low, high):
    found = matcher_of(
        matcher=name, resolution_divisor=divisor, min_disparity=low, max_disparity=high,
    ).match(shifted_frame(12))
    assert found.min_disparity <= low
    assert found.max_disparity >= high - divisor
    assert found.step == divisor / 16
    assert found.values.nanmedian().item() == pytest.approx(12, abs=0.6)


def scale_matcher_of(**options):
    return build_scale_matcher(
        StereoConfig(max_disparity=64, **options), InferenceConfig(device='cpu'))


@pytest.mark.parametrize('options', [
    {}, {'resolution_divisor': 2}, {'resolution_divisor': 2, 'multiplexer_divisor': 2},
    {'multiplexer_divisor': 2, 'matcher': 'external'},
])
def test_one_matcher_serves_both_unless_another_size_is_asked_for(options):
    assert scale_matcher_of(**options) is None


@pytest.mark.parametrize(('divisor', 'size'), [(2, 4), (4, 2), (8, 1)])
def test_scales_may_be_selected_at_another_size(divisor, size):
    found = scale_matcher_of(multiplexer_divisor=divisor, resolution_divisor=size).match(
        shifted_frame(12, width=640, height=192))
    assert found.step == divisor / 16
    assert found.values.nanmedian().item() == pytest.approx(12, abs=divisor / 4)


@pytest.mark.parametrize(('matcher', 'gains'), [
    ('sgbm', True), ('bm', True), ('census', True), ('learned', False), ('external', False)])
def test_matchers_of_the_cpu_gain_beside_a_network_on_a_gpu_only(matcher, gains):
    assert gains_beside(matcher, torch.device('cuda')) == gains
    assert not gains_beside(matcher, torch.device('cpu'))


def test_semi_global_options_reach_census():
    frame = shifted_frame(12)
    found = [matcher_of(matcher='census', max_disparity=64, **options).match(frame)
             for options in ({}, {'fills_holes': True}, {'num_paths': 8}, {'median_side': 1},
                             {'uniqueness_percent': 90}, {'speckle_size': 100000})]
    assert found[1].density == 1 > found[0].density
    assert all(not torch.equal(found[0].values.nan_to_num(), other.values.nan_to_num())
               for other in found[1:])
