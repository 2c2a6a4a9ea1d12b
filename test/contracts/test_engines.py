# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import cache, partial
import os
from pathlib import Path
import warnings

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ldn_perception.data.driving_images import CamVid
from ldn_perception.errors import InferenceError, ModelError
from ldn_perception.hardware import choose_precision
from ldn_perception.inference.backends import build_backend
from ldn_perception.inference.calibration import CalibrationImages
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.metrics.label_space import LabelSpace
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.models.deeplab import build_resnet_deeplab
from ldn_perception.models.densenet import DenseNet
from ldn_perception.models.ldn import SpatialPyramid
from ldn_perception.models.registry import (
    LadderDesign,
    build_ladder_network,
    build_model,
    initialise,
)
from ldn_perception.models.resnet import ResNet
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.scale_networks import SMALL_SIZE, ScaleInvariantNetwork
from ldn_perception.models.segmentation_model import Normalisation
from ldn_perception.models.weights import load_weights, read_weights_header
from ldn_perception.taxonomy import CAMVID, UNIVERSAL
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.weights import find_shipped_weights

DATA = Path(os.environ.get(
    'LDN_DATA', Path(__file__).resolve().parents[3] / 'shared' / 'data')) / 'camvid'
WEIGHTS = find_shipped_weights('ldn121_64_4', 'universal')

CPU_PRECISION = choose_precision('auto', torch.device('cpu'))
SIZE = ImageSize(161, 99)
SHAPE = (SIZE.height_px, SIZE.width_px)
RANDOM = torch.Generator().manual_seed(0)
IMAGE = torch.randint(0, 256, (*SHAPE, 3), dtype=torch.uint8, generator=RANDOM)
SCALES = 100 * torch.rand(SHAPE, generator=RANDOM) + 1
SCALES[torch.rand(SHAPE, generator=RANDOM) < 0.5] = torch.nan
SCALES[20:60, 30:90] = torch.nan

TINY_LADDER = LadderDesign(
    partial(DenseNet, block_sizes=(1, 2, 2, 1), growth=8, stem_channels=16),
    partial(SpatialPyramid, projected_channels=16, level_channels=4, out_channels=16),
    (16, 16, 16), reduced_channels=16)


def build_ladder():
    return build_ladder_network(TINY_LADDER, 5)


def build_scale_invariant():
    extractor = SMALL_SIZE.build_extractor()
    multiplexer = ScaleMultiplexer(num_levels=3, cell_px=extractor.stride)
    return ScaleInvariantNetwork(
        extractor, multiplexer, SMALL_SIZE.build_back_end(3 * extractor.out_channels, 5))


def build_dilated_resnet():
    return build_resnet_deeplab(5, ResNet(stage_sizes=(1, 1, 2, 1), stem_channels=8), (1, 2))


NETWORKS = {
    'ladder': build_ladder, 'scale_invariant': build_scale_invariant,
    'dilated_resnet': build_dilated_resnet,
}
NORMALISATION = Normalisation((0.1, 0.2, 0.3), (0.5, 0.4, 0.3))

LIBRARIES = {'openvino': 'openvino', 'onnxruntime': 'onnxscript', 'tensorrt': 'onnxscript'}
NO_BFLOAT16 = {('onnxruntime', 'cpu'), ('onnxruntime', 'cuda')}
NEEDS_PATIENCE = pytest.mark.skipif(
    'LDN_COMPILE' not in os.environ,
    reason='compiling six networks takes minutes; set LDN_COMPILE=1')
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason='this machine has no GPU')
ENGINES = [
    ('torch', 'cpu'),
    ('openvino', 'cpu'),
    ('onnxruntime', 'cpu'),
    pytest.param(('compiled', 'cpu'), marks=NEEDS_PATIENCE, id='compiled-cpu'),
    *(pytest.param((name, 'cuda'), marks=NEEDS_GPU, id=f'{name}-cuda')
      for name in ('torch', 'onnxruntime', 'tensorrt', 'compiled')),
]
"""Every engine, and where it runs."""

ON_EVERY_ENGINE = pytest.mark.parametrize(
    'engine_name', ENGINES, ids=lambda value: '-'.join(value))


class EngineMaker:
    """Makes engines; exports and loads no network twice."""

    def __init__(self, folder):
        self._folder = folder
        self._made = {}

    def make(self, engine_name, model, normalisation, precision, size, calibration=None):
        key = (engine_name, type(model), precision, size, calibration and calibration.digest)
        if key not in self._made:
            self._made[key] = self._make(
                engine_name, model, normalisation, precision, size, calibration)
        return self._made[key]

    def _make(self, engine_name, model, normalisation, precision, size, calibration=None):
        name, device = engine_name[0], torch.device(engine_name[1])
        if name == 'torch':
            return TorchEngine(model, device, precision, normalisation)
        if precision != torch.float32 and engine_name in NO_BFLOAT16:
            pytest.skip(f'{name} has no bfloat16')
        if name in LIBRARIES:
            pytest.importorskip(LIBRARIES[name], reason=f'{name} is not installed')
        network = DeployedNetwork(model, normalisation).to(device)
        backend = build_backend(name, device, precision, 1, calibration)
        # what is written for OpenVINO is the same for every precision but int8
        what = '' if name == 'openvino' else precision
        if calibration is not None:
            what = calibration.digest
        folder = self._folder / f'{name}-{device}-{type(model).__name__}-{size}-{what}'
        if not folder.is_dir():
            folder.mkdir()
            backend.export(network, size, folder)
        return backend.load(network, size, folder)

    def small(self, engine_name, network='ladder', precision=torch.float32):
        return self.make(engine_name, build_small(network), NORMALISATION, precision, SIZE)

    def trained(self, engine_name, precision, calibration=None):
        header = read_weights_header(WEIGHTS)
        model = build_model(header.model_name, len(header.class_names))
        load_weights(WEIGHTS, model, header.model_name, header.class_names)
        return self.make(
            engine_name, model, header.normalisation, precision, ImageSize(480, 360),
            calibration)


@pytest.fixture(scope='module')
def engines(tmp_path_factory):
    return EngineMaker(tmp_path_factory.mktemp('engines'))


def build_small(network):
    model = NETWORKS[network]()
    initialise(model, 0)
    return model.eval()


@cache
def expected_logits(network):
    mean, std = (torch.tensor(part) for part in NORMALISATION)
    normalised = ((IMAGE / 255 - mean) / std).permute(2, 0, 1)[None]
    model = build_small(network)
    with torch.no_grad():
        return model(normalised, SCALES[None] if model.uses_disparity else None).logits


def labels_of(logits, shape):
    return F.interpolate(logits.cpu(), shape, mode='bilinear', align_corners=False).argmax(1)


def share_of_equal(labels, others):
    return (labels == others).float().mean().item()


@ON_EVERY_ENGINE
class TestEngineContract:
    @pytest.mark.parametrize('network', NETWORKS)
    def test_logits_are_the_models_own_on_the_normalised_image(
        self, engines, engine_name, network,
    ):
        engine = engines.small(engine_name, network)
        logits = engine.run(IMAGE, SCALES if engine.uses_disparity else None)
        expected = expected_logits(network)
        assert logits.device.type == engine.device.type == engine_name[1]
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits.cpu(), expected, rtol=1e-3, atol=1e-3)
        assert share_of_equal(labels_of(logits, SHAPE), labels_of(expected, SHAPE)) >= 0.9999

    def test_half_precision_stays_near(self, engines, engine_name):
        full = expected_logits('ladder')
        half = engines.small(engine_name, precision=torch.bfloat16).run(IMAGE)
        assert half.dtype == torch.float32
        error = (half.cpu() - full).abs().mean() / full.abs().mean()
        assert error < 0.05
        if engine_name[0] != 'openvino' or CPU_PRECISION is torch.bfloat16:
            assert error > 1e-5  # OpenVINO uses float32 if the CPU has no bfloat16

    def test_half_precision_selects_scales(self, engines, engine_name):
        full = expected_logits('scale_invariant')
        half = engines.small(
            engine_name, 'scale_invariant', torch.bfloat16).run(IMAGE, SCALES)
        assert (half.cpu() - full).abs().mean() < 0.05 * full.abs().mean()

    def test_logits_carry_no_gradient(self, engines, engine_name):
        assert not engines.small(engine_name).run(IMAGE).requires_grad

    def test_logits_are_the_callers(self, engines, engine_name):
        engine = engines.small(engine_name)
        first = engine.run(IMAGE)
        kept = first.clone()
        second = engine.run(255 - IMAGE)
        assert torch.equal(first, kept)
        assert not torch.equal(first, second)
        assert torch.equal(engine.run(IMAGE), kept)

    def test_the_image_may_lie_anyhow_in_memory(self, engines, engine_name):
        engine = engines.small(engine_name)
        columns_first = IMAGE.transpose(0, 1).contiguous().transpose(0, 1)
        assert not columns_first.is_contiguous()
        array = IMAGE.numpy().copy()
        array.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            read_only = torch.from_numpy(array)
        expected = engine.run(IMAGE)
        assert torch.equal(engine.run(columns_first), expected)
        assert torch.equal(engine.run(read_only), expected)
        assert np.array_equal(array, IMAGE.numpy())

    def test_a_scale_selecting_network_wants_its_scales(self, engines, engine_name):
        engine = engines.small(engine_name, 'scale_invariant')
        assert engine.uses_disparity
        with pytest.raises(ModelError, match=r'pixels_per_metre must be .*99, 161\) float32'):
            engine.run(IMAGE)

    def test_scales_must_be_of_the_image(self, engines, engine_name):
        engine = engines.small(engine_name, 'scale_invariant')
        with pytest.raises(ModelError, match=r'pixels_per_metre must be .*, got .*50, 161\)'):
            engine.run(IMAGE, SCALES[:50])

    def test_another_network_ignores_scales(self, engines, engine_name):
        engine = engines.small(engine_name)
        assert not engine.uses_disparity
        assert torch.equal(engine.run(IMAGE, SCALES), engine.run(IMAGE))

    def test_it_says_what_it_is(self, engines, engine_name):
        graph = ', CUDA graph' if engine_name == ('compiled', 'cuda') else ''
        assert engines.small(engine_name).description == f'{engine_name[0]}, float32{graph}'

    def test_an_engine_of_one_size_refuses_others(self, engines, engine_name):
        if engine_name[0] == 'torch':
            pytest.skip('torch takes images of any size')
        engine = engines.small(engine_name)
        with pytest.raises(InferenceError, match=(
            r'image must be \(99, 161, 3\) uint8, as the engine was exported for, got '
            r'\(98, 161, 3\) uint8: export an engine for this size, or choose engine torch')):
            engine.run(IMAGE[:98])


@pytest.fixture(scope='module')
def many_photographs():
    if not DATA.is_dir():
        pytest.skip(f'no CamVid in {DATA}; set LDN_DATA to the folder that holds it')
    dataset = CamVid(DATA, 'test')
    return [dataset[index] for index in range(0, len(dataset), len(dataset) // 77)][:77]


@pytest.fixture(scope='module')
def photographs(many_photographs):
    return many_photographs[::4]


@pytest.fixture(scope='module')
def reference_iou(engines):
    """Score of the reference on a device; it decides no photograph twice."""
    counts = {}

    def score(device, photographs):
        engine = engines.trained(('torch', device), torch.float32)
        for photograph in photographs:
            key = device, photograph.name
            if key not in counts:
                counts[key] = count_pixels(engine, photograph)
        return mean_iou(counts[device, photograph.name] for photograph in photographs)

    return score


@ON_EVERY_ENGINE
class TestTrainedNetwork:
    """The shipped weights of LDN121 64→4 on images of CamVid, against torch in float32."""

    @pytest.mark.slow
    @pytest.mark.parametrize(('precision', 'share'), [
        (torch.float32, 0.9999), (torch.bfloat16, 0.99)], ids=['float32', 'bfloat16'])
    def test_labels_are_those_of_the_reference(
        self, engines, photographs, engine_name, precision, share,
    ):
        reference = engines.trained(('torch', engine_name[1]), torch.float32)
        engine = engines.trained(engine_name, precision)
        image = torch.from_numpy(photographs[0].image)
        wanted = labels_of(reference.run(image), image.shape[:2])
        assert len(wanted.unique()) > 5
        assert share_of_equal(labels_of(engine.run(image), image.shape[:2]), wanted) >= share

    @pytest.mark.slow
    def test_half_precision_scores_as_the_reference(
        self, engines, photographs, reference_iou, engine_name,
    ):
        wanted = reference_iou(engine_name[1], photographs)
        engine = engines.trained(engine_name, torch.bfloat16)
        found = mean_iou(count_pixels(engine, photograph) for photograph in photographs)
        assert wanted > 0.5
        assert found == pytest.approx(wanted, abs=0.002)


@pytest.mark.slow
def test_in_int8_a_trained_network_scores_as_the_reference(
    engines, many_photographs, reference_iou, tmp_path,
):
    """Ranges are from images of the same cameras that are not scored.

    On 20 photographs the few pixels of the rare classes move the mean by as much as int8 may.
    """
    pytest.importorskip('nncf', reason='nncf is not installed')
    training, folder = CamVid(DATA, 'train'), tmp_path / 'images'
    folder.mkdir()
    for index in range(0, len(training), len(training) // 16):
        cv2.imwrite(str(folder / f'{index}.png'), training[index].image[..., ::-1])
    engine = engines.trained(
        ('openvino', 'cpu'), torch.bfloat16, calibration=CalibrationImages(folder))
    image = torch.from_numpy(many_photographs[0].image)
    reference = engines.trained(('torch', 'cpu'), torch.float32)
    wanted = labels_of(reference.run(image), image.shape[:2])
    assert share_of_equal(labels_of(engine.run(image), image.shape[:2]), wanted) >= 0.97
    found = mean_iou(count_pixels(engine, photograph) for photograph in many_photographs)
    assert found == pytest.approx(reference_iou('cpu', many_photographs), abs=0.005)


def count_pixels(engine, photograph):
    """Confusion counts of one photograph."""
    confusion = ConfusionMatrix(CAMVID.num_driving)
    logits = engine.run(torch.from_numpy(photograph.image)).cpu()
    upsampled = F.interpolate(
        logits, photograph.labels.shape, mode='bilinear', align_corners=False)
    space = LabelSpace(label_mapping(CAMVID, UNIVERSAL))
    confusion.accumulate(space.decide(upsampled[0]).labels, photograph.labels)
    return confusion.counts


def mean_iou(counts):
    confusion = ConfusionMatrix(CAMVID.num_driving)
    confusion.counts += sum(counts)
    return confusion.mean_iou
