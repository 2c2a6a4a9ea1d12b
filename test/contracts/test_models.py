# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every registered network must do.

Shapes are those of the registered networks themselves. Numbers are those of slim networks of the
same structure, because the full ones have up to 131 million parameters.
"""

import copy
from dataclasses import replace
from functools import partial
import math

import pytest
import torch
from torch import nn

from ldn_perception.errors import ModelError
from ldn_perception.models.initialisation import initialise
from ldn_perception.models.ladder_design import build_ladder_network
from ldn_perception.models.ladder_presets import LADDER_DESIGNS
from ldn_perception.models.registry import MODELS, build_model
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

NUM_CLASSES = 5
WIDTH = 96


def smallest_height(model):
    """64 pixels, or the coarsest cell of the network."""
    return max(64, *getattr(getattr(model, 'backbone', None), 'strides', ()), 0)


def random_batch(model, batch, extra=0, seed=0):
    height = smallest_height(model) + extra
    width = max(WIDTH, smallest_height(model)) + extra
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 3, height, width, generator=generator)
    scale = 120 * torch.rand(batch, height, width, generator=generator)
    scale[torch.rand(batch, height, width, generator=generator) < 0.3] = math.nan
    return image, scale


SLIM_LADDERS = {
    name: replace(design, backbone=partial(
        design.backbone, block_sizes=(2, 2, 4, 4), growth=8, stem_channels=16
    ))
    for name, design in LADDER_DESIGNS.items() if isinstance(design.backbone, partial)
}
SMALL_MODELS = [name for name in MODELS if name.endswith('small')]
STRUCTURES = [
    'ldn121_64_4', 'ldn121_32_4', 'ldn121_128_4', 'ldn121_32_2', 'ldn121_16_2', 'ldn121_down32',
    'ddn121_down8', 'lddn121_8_4', 'ldn121_dws', 'ldn121_no_spp', 'ldn121_pspnet_spp',
    'ldn121_concatenation', 'ldn121_released', 'lrn18_32_4', *SMALL_MODELS,
]


def build_structure(name):
    if name not in SLIM_LADDERS or name in SMALL_MODELS:
        return build_model(name, NUM_CLASSES)
    model = build_ladder_network(SLIM_LADDERS[name], NUM_CLASSES)
    initialise(model, 0)
    return model


class LogitsOnly(nn.Module):
    """What an engine needs of a network."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image, pixels_per_metre=None):
        return self.model(image, pixels_per_metre).logits


@pytest.fixture(scope='module', params=MODELS)
def registered(request):
    with torch.device('meta'):
        return MODELS[request.param](NUM_CLASSES).eval()


@pytest.fixture(scope='module', params=STRUCTURES)
def built(request):
    return build_structure(request.param)


@pytest.fixture
def model(built):
    built.zero_grad(set_to_none=True)
    return built.eval()


class TestEveryModel:
    def test_is_a_segmentation_model_with_declared_attributes(self, registered):
        assert isinstance(registered, SegmentationModel)
        assert registered.num_classes == NUM_CLASSES
        assert registered.stride in (2, 4, 8, 16, 32)
        assert isinstance(registered.uses_disparity, bool)

    @pytest.mark.parametrize('size', [(375, 1242), None])
    def test_logits_have_the_size_of_the_image_over_the_stride(self, registered, size):
        height, width = size or (smallest_height(registered) + 1, smallest_height(registered))
        image = torch.empty(1, 3, height, width, device='meta')
        scale = torch.empty(1, height, width, device='meta')
        output = registered(image, scale)
        assert output.logits.shape[:2] == (1, NUM_CLASSES)
        assert abs(output.logits.shape[2] - height / registered.stride) < 1
        assert abs(output.logits.shape[3] - width / registered.stride) < 1


class TestEveryStructure:
    @pytest.mark.parametrize(('training', 'batch'), [(False, 1), (True, 2)])
    def test_odd_image_gives_finite_logits_in_either_mode(self, model, training, batch):
        image, scale = random_batch(model, batch, extra=1)
        with torch.no_grad():
            output = model.train(training)(image, scale)
        assert isinstance(output, SegmentationOutput)
        assert output.auxiliary == ()
        assert output.logits.dtype == torch.float32
        assert output.logits.shape[:2] == (batch, NUM_CLASSES)
        assert output.logits.isfinite().all()

    def test_items_of_a_batch_do_not_influence_each_other(self, model):
        image, scale = random_batch(model, 2)
        with torch.inference_mode():
            together = model(image, scale).logits
            alone = torch.cat([model(image[i:i + 1], scale[i:i + 1]).logits for i in range(2)])
        assert torch.allclose(together, alone, atol=1e-4 * float(alone.abs().max()))
        assert not torch.allclose(together[0], together[1])

    def test_memory_format_does_not_change_the_result(self, model):
        image, scale = random_batch(model, 1)
        with torch.inference_mode():
            plain = model(image, scale).logits
            last = model(image.to(memory_format=torch.channels_last), scale).logits
        assert torch.allclose(plain, last, atol=1e-4 * float(plain.abs().max()))

    def test_a_change_in_the_image_changes_logits_there(self, model):
        image, scale = random_batch(model, 1)
        changed = image.clone()
        changed[..., 24:40, 56:72] = 3.0
        with torch.inference_mode():
            difference = (model(changed, scale).logits - model(image, scale).logits).abs().sum(1)
        assert difference[0, 32 // model.stride, 64 // model.stride] > 0

    def test_gradient_reaches_the_first_convolution(self, model):
        image, scale = random_batch(model, 2)
        model.train()(image, scale).logits.square().mean().backward()
        first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
        assert first.weight.grad is not None
        assert first.weight.grad.abs().sum() > 0
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_disparity_is_required_exactly_where_it_is_declared(self, model):
        image, _ = random_batch(model, 1)
        if model.uses_disparity:
            with pytest.raises(ModelError, match=r'pixels_per_metre must be \(1, 64, 96\) float32'
                                                 r' .*, got None: pass the disparity'):
                model(image)
        else:
            _, scale = random_batch(model, 1)
            with torch.inference_mode():
                assert torch.equal(model(image).logits, model(image, scale).logits)

    def test_half_precision_stays_near(self, model):
        image, scale = random_batch(model, 1)
        with torch.inference_mode():
            full = model(image, scale).logits
            with torch.autocast('cpu', torch.bfloat16):
                half = model(image, scale).logits.float()
        assert (half - full).abs().mean() < 0.05 * full.abs().mean() + 0.02

    @pytest.mark.skipif(not torch.cuda.is_available(), reason='this machine has no GPU')
    def test_a_gpu_gives_the_same_logits(self, model):
        image, scale = random_batch(model, 1)
        with torch.inference_mode():
            expected = model(image, scale).logits
            found = copy.deepcopy(model).cuda()(image.cuda(), scale.cuda()).logits.cpu()
        assert torch.allclose(found, expected, atol=1e-3 * float(expected.abs().max()))

    @pytest.mark.filterwarnings('ignore')
    def test_onnx_gives_the_same_logits(self, model, tmp_path):
        pytest.importorskip('onnxscript', reason='the exporter of torch needs onnxscript')
        runtime = pytest.importorskip('onnxruntime', reason='nothing to run the export with')
        inputs = random_batch(model, 1, extra=1)[:2 if model.uses_disparity else 1]
        path = tmp_path / 'model.onnx'
        torch.onnx.export(LogitsOnly(model), inputs, path, dynamo=True, verbose=False)
        session = runtime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        names = [entry.name for entry in session.get_inputs()]
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        exported = torch.from_numpy(session.run(None, given)[0])
        with torch.no_grad():
            expected = model(*inputs).logits
        assert torch.allclose(exported, expected, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize('name', ['ldn121', *SMALL_MODELS])
def test_same_seed_gives_the_same_weights_and_the_random_state_is_left(name):
    before = torch.get_rng_state()
    model, again = (build_model(name, NUM_CLASSES) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    for key, value in again.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


@pytest.mark.parametrize('name', SMALL_MODELS)
def test_another_seed_gives_other_weights(name):
    first, second = (build_model(name, 2, seed=seed).state_dict() for seed in (0, 1))
    kernels = [key for key, value in first.items() if value.dim() == 4]
    assert kernels
    assert not any(torch.equal(first[key], second[key]) for key in kernels)


def test_unknown_model_is_refused_with_the_choices():
    with pytest.raises(ModelError, match=r"model must be one of ldn121, ldn_small, .*, got 'x': "):
        build_model('x', 3)


def test_model_without_classes_is_refused():
    with pytest.raises(ModelError, match='num_classes must be at least 1, got 0: pass a taxonomy'):
        build_model('ldn_small', 0)
