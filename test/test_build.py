# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from importlib.util import find_spec
import logging
import re
import subprocess
import sys

import cv2
from made_engines import MadeExporter, TwinBackend
import numpy as np
import pytest
from stereo_frames import shifted_frame
import torch

from ldn_perception import build
from ldn_perception.build import (
    build_alarm_rule,
    build_decoder,
    build_device,
    build_free_road_rule,
    build_grid_rule,
    build_level_camera,
    build_perception,
    build_rule,
    explain_no_weights,
    find_weights,
    warm_up,
)
from ldn_perception.config import (
    FreeRoadConfig,
    InferenceConfig,
    ModelConfig,
    OodAlarmConfig,
    PerceptionConfig,
    SegmentationConfig,
    StereoConfig,
)
from ldn_perception.decoding.dense_crf import CRF_PRESETS
from ldn_perception.decoding.domain_alarm import AlarmRule
from ldn_perception.errors import InferenceError, ModelError, TaxonomyError
from ldn_perception.free_road import GridRule
from ldn_perception.inference.backends import BACKEND_NAMES, EngineChoice
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.exports import default_cache_folder
from ldn_perception.inference.torch_engine import MultiScaleEngine, TorchEngine
from ldn_perception.models.deeplab import DEEPLAB_PRESETS
from ldn_perception.models.registry import LADDER_DESIGNS, MODELS, build_model
from ldn_perception.models.scale_networks import SCALE_FAMILY
from ldn_perception.models.segmentation_model import IMAGENET, Normalisation
from ldn_perception.models.weights import read_weights_header, save_weights
from ldn_perception.stereo.embeddings import EMBEDDING_NAME
from ldn_perception.taxonomy import CITYSCAPES, TAXONOMIES, UNIVERSAL, Taxonomy
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain
from ldn_perception.weights import SHIPPED, find_shipped_weights

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')


def option_choices(section, name):
    return set(section.__dataclass_fields__[name].metadata['choices'])


def test_every_choice_of_the_options_can_be_built():
    assert option_choices(ModelConfig, 'name') == set(MODELS)
    assert all(TAXONOMIES[name].num_driving for name in option_choices(ModelConfig, 'taxonomy'))
    assert option_choices(SegmentationConfig, 'crf') == {'none', *CRF_PRESETS}
    assert option_choices(InferenceConfig, 'engine') == {'auto', 'torch', *BACKEND_NAMES}


def test_every_preset_has_a_name_that_is_read_without_torch():
    assert {*LADDER_DESIGNS, *SCALE_FAMILY, *DEEPLAB_PRESETS} == set(MODELS)
    code = 'import ldn_perception.config, sys; print("torch" in sys.modules)'
    assert subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True,
    ).stdout == 'False\n'


def test_weights_make_a_trained_network(tmp_path):
    path = tmp_path / 'weights.safetensors'
    trained = build_model('ldn_small', len(UNIVERSAL), seed=3)
    save_weights(path, trained, 'ldn_small', UNIVERSAL.class_names)
    values = {
        'model.name': 'ldn_small', 'inference.device': 'cpu', 'inference.engine': 'torch'}
    loaded = build_perception(
        PerceptionConfig.from_values({**values, 'model.weights': str(path)}))
    assert loaded.is_trained
    random = build_perception(PerceptionConfig.from_values(values))
    frame = shifted_frame(12)
    assert not np.array_equal(
        loaded.pipeline.process(frame).segmentation.foreign_probability,
        random.pipeline.process(frame).segmentation.foreign_probability)


def test_weights_bring_their_normalisation_and_threshold(tmp_path):
    model = build_model('ldn_small', len(UNIVERSAL))
    darker = Normalisation((0.3, 0.3, 0.3), (0.2, 0.2, 0.2))
    foreign = []
    for name, normalisation in (('a', IMAGENET), ('b', darker)):
        save_weights(
            tmp_path / name, model, 'ldn_small', UNIVERSAL.class_names,
            normalisation=normalisation, ood_threshold=0.25)
        perception = build_perception(PerceptionConfig.from_values({
            'model.name': 'ldn_small', 'inference.device': 'cpu', 'inference.engine': 'torch',
            'model.weights': str(tmp_path / name)}))
        assert perception.calibrated_threshold == 0.25
        foreign.append(perception.pipeline.process(
            shifted_frame(12)).segmentation.foreign_probability)
    assert not np.array_equal(*foreign)


@pytest.mark.parametrize(('asked', 'calibrated', 'used'), [
    (-1.0, 0.25, 0.25), (-1.0, None, 0.5), (0.0, 0.25, 0.0), (0.75, 0.25, 0.75),
])
def test_the_threshold_is_the_calibrated_one_unless_one_is_named(asked, calibrated, used):
    assert build_rule(SegmentationConfig(ood_threshold=asked), calibrated).threshold == used


@pytest.mark.parametrize('name', sorted(option_choices(ModelConfig, 'taxonomy')))
def test_every_taxonomy_of_the_options_knows_the_road(name):
    rule = build_free_road_rule(FreeRoadConfig(ground_slope_percent=4.0), TAXONOMIES[name])
    assert TAXONOMIES[name].class_names[rule.road_label] == 'road'
    assert (rule.max_range_m, rule.ground_tolerance_m, rule.ground_slope) == (40, 0.2, 0.04)


def test_free_road_without_a_road_is_refused():
    rooms = Taxonomy('rooms', (ClassInfo('floor', (1, 2, 3), Domain.DRIVING, 'flat'),))
    with pytest.raises(TaxonomyError, match=(
            r"taxonomy rooms for free road must be one with a class 'road', got floor: choose "
            r'another model.taxonomy, or do without')):
        build_free_road_rule(FreeRoadConfig(), rooms)


def test_options_describe_camera_and_grid():
    assert build_level_camera(FreeRoadConfig(camera_pitch_deg=3.0)) is None
    camera = build_level_camera(FreeRoadConfig(
        camera_height_m=1.5, camera_pitch_deg=30.0, camera_roll_deg=-60.0))
    assert (camera.height_m, camera.pitch_rad, camera.roll_rad) == pytest.approx(
        (1.5, np.pi / 6, -np.pi / 3))
    rule = build_grid_rule(FreeRoadConfig(
        grid_resolution_m=0.1, grid_width_m=8.0, max_obstacle_height_m=2.0, grid_min_pixels=5))
    assert rule == GridRule(0.1, 8.0, 2.0, 5)


def test_options_describe_the_alarm():
    rule = build_alarm_rule(OodAlarmConfig(raise_above=0.7, clear_below=0.1, time_constant_s=9.0))
    assert rule == AlarmRule(0.7, 0.1, 9.0)


def test_shipped_weights_are_for_the_network_and_class_list_they_are_filed_under():
    for (model_name, taxonomy_name), _ in SHIPPED.items():
        path = find_shipped_weights(model_name, taxonomy_name)
        header = read_weights_header(path)
        assert header.model_name == model_name
        assert header.class_names == (
            () if model_name == EMBEDDING_NAME else TAXONOMIES[taxonomy_name].class_names)
        assert path.stat().st_size <= 25e6
    assert find_shipped_weights('ldn_small', 'cityscapes') is None


@pytest.mark.parametrize(('options', 'why'), [
    ({'weights': ''}, 'model.weights is empty'),
    ({'name': 'ldn_small'}, 'no weights are shipped for ldn_small with taxonomy universal'),
    ({'name': 'scale_invariant_small'},
     'no weights are shipped for scale_invariant_small with taxonomy universal, only with '
     'synthetic_drive'),
])
def test_why_there_are_no_weights(options, why):
    config = ModelConfig(**options)
    assert find_weights(config) is None
    assert explain_no_weights(config) == why


def test_weights_of_another_class_list_are_refused(tmp_path):
    path = tmp_path / 'weights.safetensors'
    save_weights(
        path, build_model('ldn_small', len(CITYSCAPES)), 'ldn_small', CITYSCAPES.class_names)
    config = PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'model.weights': str(path), 'inference.device': 'cpu'})
    with pytest.raises(ModelError, match=r'must be .*, got .*: '):
        build_perception(config)


@no_gpu
def test_cuda_without_a_gpu_is_refused():
    with pytest.raises(InferenceError, match=(
        r'inference.device must be a device torch can use, got cuda, and torch .* sees no GPU: '
        'install')):
        build_device(InferenceConfig(device='cuda'))


@no_gpu
def test_auto_without_a_gpu_warns_loudly_and_cpu_does_not(caplog):
    with caplog.at_level(logging.WARNING, 'ldn_perception'):
        assert build_device(InferenceConfig(device='cpu')).type == 'cpu'
        assert not caplog.records
        assert build_device(InferenceConfig()).type == 'cpu'
    assert 'NO GPU' in caplog.text


def test_the_number_of_threads_is_set():
    before = torch.get_num_threads()
    try:
        build_device(InferenceConfig(device='cpu', num_threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(('finder', 'kind'), [
    (lambda name: None, 'TorchDecoder'),
    pytest.param(find_spec, 'TritonDecoder', marks=pytest.mark.skipif(
        find_spec('triton') is None, reason='triton is not installed'))],
    ids=['without triton', 'with triton'])
def test_logits_on_a_gpu_are_decoded_there(monkeypatch, finder, kind):
    monkeypatch.setattr('ldn_perception.build.find_spec', finder)
    decoder = build_decoder(UNIVERSAL, torch.device('cuda'), PerceptionConfig())
    assert type(decoder).__name__ == kind


@pytest.fixture
def kept_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(tmp_path, **options):
    """A perception with weights, in float32 on the CPU; its engine by name."""
    path = tmp_path / 'w.safetensors'
    save_weights(
        path, build_model('ldn_small', len(UNIVERSAL)), 'ldn_small', UNIVERSAL.class_names)
    values = {f'inference.{name}': value for name, value in options.items()}
    return build_perception(PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'model.weights': str(path), 'inference.device': 'cpu',
        'inference.precision': 'float32', 'stereo.max_disparity': 64, **values}))


def calibration_images(folder):
    random = np.random.default_rng(0)
    for number in range(8):
        image = random.integers(0, 256, (96, 160, 3), np.uint8)
        assert cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def test_untrained_networks_and_several_scales_run_in_torch(tmp_path, caplog):
    caplog.set_level(logging.INFO, 'ldn_perception')
    untrained = build_perception(PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'inference.device': 'cpu',
        'inference.precision': 'float32'})).pipeline.engine
    assert type(untrained) is TorchEngine
    assert caplog.messages == ['engine: torch, float32, since untrained networks are not exported']
    assert type(trained(tmp_path, engine='torch').pipeline.engine) is TorchEngine
    assert type(trained(tmp_path, multi_scale=True).pipeline.engine) is MultiScaleEngine
    images = calibration_images(tmp_path)
    with pytest.raises(InferenceError, match=(
            r'inference\.precision must be float32 or bfloat16 with inference\.multi_scale, got '
            'int8: choose auto, or one scale')):
        trained(tmp_path, multi_scale=True, precision='int8', calibration_images=str(images))
    with pytest.raises(InferenceError, match=(
            r'inference\.engine must be torch or auto with inference\.multi_scale, got openvino: '
            'choose torch, or one scale')):
        trained(tmp_path, multi_scale=True, engine='openvino')


@pytest.mark.usefixtures('kept_threads')
@pytest.mark.parametrize('cache', ['', 'own'])
def test_an_engine_is_exported_for_the_images_and_not_for_the_warm_up(
    tmp_path, monkeypatch, cache,
):
    backend = TwinBackend('twin')
    folder = tmp_path / cache if cache else default_cache_folder()
    exporter = MadeExporter(
        folder, DeployedNetwork(build_model('ldn_small', len(UNIVERSAL))), [backend])
    given = []
    monkeypatch.setattr(
        build, 'choose_backends', lambda *_, **__: EngineChoice((backend,), is_named=True))
    monkeypatch.setattr(build, 'ExportProcess', lambda *arguments, **options: (
        given.extend([*arguments, options]) or exporter))
    perception = trained(
        tmp_path, num_threads=1, engine_cache=str(folder) if cache else '')
    warm_up(perception, StereoConfig(max_disparity=64))
    assert exporter.asked == []
    perception.pipeline.process(shifted_frame(12))
    assert exporter.asked == [('twin', ImageSize(160, 96))]
    assert perception.pipeline.engine.description.startswith('twin, float32: ')
    assert given == [tmp_path / 'w.safetensors', {
        'device': 'cpu', 'precision': 'float32', 'num-threads': '1', 'output': str(folder),
    }, {'niceness': 0}]
    exporter.is_let.clear()
    perception.close()
    assert exporter.is_let.is_set()


def test_an_engine_in_int8_is_exported_with_the_images(tmp_path, monkeypatch):
    pytest.importorskip('nncf', reason='nncf is not installed')
    given = []
    monkeypatch.setattr(build, 'ExportProcess', lambda *arguments, **_: given.extend(arguments))
    engine = trained(
        tmp_path, precision='int8', calibration_images=str(calibration_images(tmp_path)),
        engine_cache=str(tmp_path), num_threads=torch.get_num_threads()).pipeline.engine
    assert engine.reference.description.startswith('torch, ')
    assert given == [tmp_path / 'w.safetensors', {
        'device': 'cpu', 'precision': 'int8', 'num-threads': str(torch.get_num_threads()),
        'output': str(tmp_path), 'calibration-images': str(tmp_path),
    }]


@pytest.mark.slow
@pytest.mark.usefixtures('kept_threads')
def test_auto_exports_tries_and_decides(tmp_path, caplog):
    pytest.importorskip('openvino')
    caplog.set_level(logging.INFO, 'ldn_perception')
    frame = shifted_frame(12)
    expected = trained(tmp_path, engine='torch').pipeline.process(frame).segmentation
    reports = []
    for _ in range(2):
        pipeline = trained(tmp_path, num_threads=1, engine_cache=str(tmp_path)).pipeline
        found = pipeline.process(frame).segmentation
        assert np.mean(found.labels == expected.labels) > 0.999
        reports.append(pipeline.engine.description)
    times = r'[\d.]+ ms against [\d.]+ ms of '
    assert re.fullmatch(
        f'openvino, float32: {times}torch, float32|torch, float32: {times}openvino, float32',
        reports[0])
    assert reports[0] == reports[1]
    assert caplog.messages.count(f'engine for 160x96: {reports[0]}') == 2
    assert len([text for text in caplog.messages if 'exporting' in text]) == 1
    assert len(list(tmp_path.glob('openvino-160x96-*/artefact.json'))) == 1
    warned = [record.message for record in caplog.records if record.levelno > logging.INFO]
    assert [text.partition(' for ')[0] for text in warned] == ['exporting the network']
