# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""With a network small enough to be compiled in seconds; test/contracts has real ones."""

import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.errors import InferenceError, ModelError
from ldn_perception.inference.compiled_backend import CompiledBackend
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.models.densenet import DenseNet, NormReluConv
from ldn_perception.models.ldn import Ladder, LadderDenseNet, SpatialPyramid
from ldn_perception.models.registry import initialise
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

CPU = torch.device('cpu')
SIZE = ImageSize(37, 21)
RANDOM = torch.Generator().manual_seed(0)
IMAGE = torch.randint(0, 256, (21, 37, 3), dtype=torch.uint8, generator=RANDOM)
SCALES = torch.rand((21, 37), generator=RANDOM) * 50 + 1
SCALES[3:9] = torch.nan

needs_compiler = pytest.mark.skipif(
    shutil.which('g++') is None, reason='this machine has no g++')


class TinyNetwork(SegmentationModel):
    """Two convolutions; those of cells nearer than 20 px/m count twice."""

    num_classes, stride, uses_disparity = 3, 2, True

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = NormReluConv(8, 3, kernel_size=1, bias=True)
        initialise(self, 0)

    def forward(self, image, pixels_per_metre=None):
        features = self.stem(image)
        near = F.interpolate(pixels_per_metre[:, None].nan_to_num(0), features.shape[-2:]) > 20
        return SegmentationOutput(self.head(features * (1.0 + near)), ())


def tiny_ladder():
    backbone = DenseNet(block_sizes=(1, 1), growth=4, stem_channels=4, split_blocks=())
    pyramid = SpatialPyramid(
        backbone.channels[-1], projected_channels=4, level_channels=2, out_channels=4,
        grid_rows=(1,))
    ladder = Ladder(4, backbone.channels[:-1], step_channels=(4,), reduced_channels=4)
    model = LadderDenseNet(
        backbone, pyramid, ladder, NormReluConv(4, 3, kernel_size=1, bias=True))
    initialise(model, 0)
    return model


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """TinyNetwork, compiled in float32."""
    if shutil.which('g++') is None:
        pytest.skip('this machine has no g++')
    folder = tmp_path_factory.mktemp('float32')
    CompiledBackend(torch.float32, CPU).export(DeployedNetwork(TinyNetwork()), SIZE, folder)
    return folder


@pytest.fixture
def engine(folder):
    return CompiledBackend(torch.float32, CPU).load(DeployedNetwork(TinyNetwork()), SIZE, folder)


@torch.no_grad()
def expected_logits(model, scales=None):
    return DeployedNetwork(model)(IMAGE[None], None if scales is None else scales[None])


@pytest.mark.slow
def test_logits_are_those_of_the_network(engine):
    expected = expected_logits(TinyNetwork(), SCALES)
    logits = engine.run(IMAGE, SCALES)
    assert logits.dtype == torch.float32
    assert not logits.requires_grad
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert (engine.description, engine.device) == ('compiled, float32', CPU)


def test_logits_are_the_callers(engine):
    first = engine.run(IMAGE, SCALES)
    kept = first.clone()
    assert not torch.equal(engine.run(255 - IMAGE, SCALES), kept)
    assert torch.equal(first, kept)


def test_the_image_may_lie_anyhow_in_memory(engine):
    turned = IMAGE.transpose(0, 1).contiguous().transpose(0, 1)
    assert torch.equal(engine.run(turned, SCALES), engine.run(IMAGE, SCALES))


def test_the_number_of_threads_may_change_afterwards(engine):
    expected, before = engine.run(IMAGE, SCALES), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.testing.assert_close(engine.run(IMAGE, SCALES), expected)
    finally:
        torch.set_num_threads(before)


def test_another_size_and_missing_scales_are_refused(engine):
    assert engine.uses_disparity
    with pytest.raises(InferenceError, match=r'image must be \(21, 37, 3\) uint8, as the engine'):
        engine.run(IMAGE[:20], SCALES)
    with pytest.raises(ModelError, match=r'pixels_per_metre must be \(21, 37\) float32'):
        engine.run(IMAGE)


@pytest.mark.slow
def test_another_process_loads_it_without_the_network(folder):
    code = (
        'import sys, torch\n'
        'from pathlib import Path\n'
        'from ldn_perception.inference.compiled_backend import CompiledBackend\n'
        'from ldn_perception.inference.deployed_network import ImageSize\n'
        'class Network: uses_disparity = True\n'
        'backend = CompiledBackend(torch.float32, torch.device("cpu"))\n'
        'engine = backend.load(Network, ImageSize(37, 21), Path(sys.argv[1]))\n'
        'logits = engine.run(torch.zeros(21, 37, 3, dtype=torch.uint8), torch.ones(21, 37))\n'
        'print(tuple(logits.shape))\n')
    told = subprocess.run(
        [sys.executable, '-c', code, str(folder)], text=True, capture_output=True, check=True)
    assert told.stdout.strip() == '(1, 3, 11, 19)'


@pytest.mark.parametrize('damage', ['missing', 'cut'])
def test_a_damaged_artefact_is_named(folder, tmp_path, damage):
    if damage == 'cut':
        artefact = next(folder.iterdir())
        (tmp_path / artefact.name).write_bytes(artefact.read_bytes()[:5000])
    with pytest.raises(InferenceError, match=(
            rf'^exported network {tmp_path} must be as torch compiled it, got .*: delete that '
            r'folder and export again$')):
        CompiledBackend(torch.float32, CPU).load(
            DeployedNetwork(TinyNetwork()), SIZE, tmp_path)


@needs_compiler
@pytest.mark.slow
def test_a_ladder_network_in_bfloat16_stays_near_and_the_model_as_it_was(tmp_path):
    model = tiny_ladder()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    network = DeployedNetwork(model)
    backend, size = CompiledBackend(torch.bfloat16, CPU), ImageSize(64, 32)
    backend.export(network, size, tmp_path)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(after[name].dtype == value.dtype for name, value in before.items())
    engine = backend.load(network, size, tmp_path)
    assert engine.description == 'compiled, bfloat16'
    assert not engine.uses_disparity
    image = torch.randint(0, 256, (32, 64, 3), dtype=torch.uint8, generator=RANDOM)
    with torch.no_grad():
        full = network(image[None])
    error = (engine.run(image) - full).abs().mean() / full.abs().mean()
    assert 1e-5 < error < 0.03


@needs_compiler
def test_a_network_that_cannot_be_traced_is_refused(tmp_path):
    class Untraceable(TinyNetwork):
        uses_disparity = False

        def forward(self, image, pixels_per_metre=None):
            return SegmentationOutput(image if image.sum().item() > 0 else -image, ())

    with pytest.raises(InferenceError, match=(
            r'(?s)^network Untraceable must be one that torch can compile, got .*: choose another '
            'engine$')):
        CompiledBackend(torch.float32, CPU).export(
            DeployedNetwork(Untraceable()), SIZE, tmp_path)


def test_a_missing_compiler_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(InferenceError, match=(
            r'^C\+\+ compiler must be installed for engine compiled, got no no-such-compiler: '
            r'install g\+\+, name another one in the variable CXX, or choose another engine$')):
        CompiledBackend(torch.float32, CPU)


@needs_compiler
def test_a_gpu_needs_triton(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    CompiledBackend(torch.float32, CPU)
    with pytest.raises(InferenceError, match=(
            r'^package triton must be installed for engine compiled on a GPU, got no triton: '
            'install the torch that is built for CUDA, or choose another engine$')):
        CompiledBackend(torch.float32, torch.device('cuda'))


@needs_compiler
def test_fingerprints_tell_arithmetic_and_processor(monkeypatch):
    full, half = (CompiledBackend(dtype, CPU) for dtype in (torch.float32, torch.bfloat16))
    here = full.fingerprint
    assert here != half.fingerprint
    assert torch.__version__ in here
    monkeypatch.setattr('torch.cpu.get_capabilities', lambda: {'avx2': True})
    assert full.fingerprint != here
