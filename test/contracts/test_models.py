# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every registered network must do, each at its full size and one at a time.

Random weights are given quiet residual units and the batch statistics of random images: as they
start, the deepest networks answer with 1e5 and more.
"""

from contextlib import contextmanager
import copy
from functools import cache
import gc
import math
from typing import NamedTuple

from meta_networks import NUM_CLASSES, meta_network
import pytest
import torch
from torch import nn

from ldn_perception.errors import ModelError
from ldn_perception.models.registry import MODELS, build_model
from ldn_perception.models.resnet import DualPathUnit, ResNet, last_norm
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

HEIGHT, WIDTH = 64, 96
REPRESENTATIVES = (
    'ldn_small', 'ldn121_dws', 'ldn121_concatenation', 'ldn121_released_32_4', 'lrn18_32_4',
    'ldpn68_32_4', 'ddn121_down8', 'scale_invariant_small', 'fixed_scales_small', 'single5_small',
    'deeplab_vgg_small', 'deeplab_msc_small', 'lite0_32_4', 'lrn50_32_4',
)
"""Small networks that have every kind of layer between them; a test looks."""

SMALL_MODELS = [name for name in MODELS if name.endswith('small')]
BFLOAT16_STEP = 2 ** -8


class Case(NamedTuple):
    """A network in evaluation mode, two images of odd size for it, and what it says of them."""

    name: str
    model: SegmentationModel
    image: torch.Tensor
    scale: torch.Tensor
    logits: torch.Tensor


class LogitsOnly(nn.Module):
    """What an engine needs of a network."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image, pixels_per_metre=None):
        return self.model(image, pixels_per_metre).logits


def coarsest_cell(model):
    return max(getattr(getattr(model, 'backbone', None), 'strides', (1,)))


def random_batch(model, batch, seed):
    height, width = (max(side, coarsest_cell(model)) + 1 for side in (HEIGHT, WIDTH))
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 3, height, width, generator=generator)
    scale = 120 * torch.rand(batch, height, width, generator=generator)
    scale[torch.rand(batch, height, width, generator=generator) < 0.3] = math.nan
    return image, scale


@torch.no_grad()
def build_quiet(name):
    """A network whose residual units add little, as trained ones do."""
    model = build_model(name, NUM_CLASSES)
    for part in model.modules():
        if isinstance(part, ResNet):
            for unit in part.units():
                nn.init.constant_(last_norm(unit).weight, 0.2)
        elif isinstance(part, DualPathUnit):
            part.expand.conv.weight.mul_(0.2)
    return model


@torch.no_grad()
def calibrate_norms(model):
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(*random_batch(model, 4, seed=1))
    for norm in norms:
        norm.momentum = 0.1


@contextmanager
def training(model):
    """The model in training mode, without a trace of it afterwards."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        yield model.train()
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])
        model.zero_grad(set_to_none=True)
        model.eval()


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Threads that wait for each other cost more than they save on images this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build_case(name):
    model = build_quiet(name)
    calibrate_norms(model)
    image, scale = random_batch(model.eval(), 2, seed=2)
    with torch.inference_mode():
        logits = model(image, scale).logits
    return Case(name, model, image, scale, logits)


representative_case = cache(build_case)


@pytest.fixture(scope='class', params=MODELS)
def case(request):
    built = representative_case if request.param in REPRESENTATIVES else build_case
    yield built(request.param)
    gc.collect()


@pytest.fixture(scope='module', autouse=True)
def forget_cases():
    yield
    representative_case.cache_clear()


@pytest.fixture
def uncollected():
    """An export makes millions of objects that stay; to look through them takes an eighth more."""
    gc.disable()
    yield
    gc.enable()


def similar(found, expected, tolerance=1e-4):
    return torch.allclose(found, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


class TestEveryModel:
    def test_is_a_segmentation_model_with_declared_attributes(self, case):
        assert isinstance(case.model, SegmentationModel)
        assert case.model.num_classes == NUM_CLASSES
        assert case.model.stride in (2, 4, 8, 16, 32)
        assert isinstance(case.model.uses_disparity, bool)

    @pytest.mark.parametrize('size', [(375, 1242), None])
    def test_logits_have_the_size_of_the_image_over_the_stride(self, case, size):
        model = meta_network(case.name)
        height, width = size or (max(64, coarsest_cell(model)) + 1, max(64, coarsest_cell(model)))
        image = torch.empty(1, 3, height, width, device='meta')
        output = model(image, torch.empty(1, height, width, device='meta'))
        assert output.logits.shape[:2] == (1, NUM_CLASSES)
        assert abs(output.logits.shape[2] - height / model.stride) < 1
        assert abs(output.logits.shape[3] - width / model.stride) < 1

    def test_odd_images_give_finite_logits_that_tell_them_apart(self, case):
        assert case.logits.dtype == torch.float32
        assert case.logits.shape[:2] == (2, NUM_CLASSES)
        assert case.logits.isfinite().all()
        assert (case.logits.std(dim=(0, 2, 3)) > 0.01 * case.logits.abs().max()).all()
        assert not similar(case.logits[0], case.logits[1], 0.05)

    def test_disparity_is_required_exactly_where_it_is_declared(self, case):
        image = case.image[:1]
        if case.model.uses_disparity:
            with pytest.raises(ModelError, match=r'pixels_per_metre must be \(1, 65, 97\) float32'
                                                 r' .*, got None: pass the disparity'):
                case.model(image)
        else:
            with torch.inference_mode():
                assert similar(case.model(image).logits, case.logits[:1], 5e-4)

    def test_training_gives_finite_logits_and_a_gradient_for_every_parameter(self, case):
        with training(case.model) as model:
            output = model(case.image, case.scale)
            assert isinstance(output, SegmentationOutput)
            assert output.auxiliary == ()
            assert output.logits.shape == case.logits.shape
            assert output.logits.isfinite().all()
            output.logits.square().mean().backward()
            assert all(parameter.grad is not None for parameter in model.parameters())
            first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
            assert first.weight.grad.isfinite().all()
            assert first.weight.grad.abs().sum() > 0

    @pytest.mark.skipif(not torch.cuda.is_available(), reason='this machine has no GPU')
    def test_a_gpu_gives_the_same_logits(self, case):
        with torch.inference_mode():
            found = copy.deepcopy(case.model).cuda()(case.image.cuda(), case.scale.cuda()).logits
        assert similar(found.cpu(), case.logits, 2e-3)


class TestOneOfEachKind:
    """Properties of the kinds of layers, on networks that together have all of them."""

    @pytest.fixture(scope='class', params=REPRESENTATIVES)
    def case(self, request):
        return representative_case(request.param)

    def test_items_of_a_batch_do_not_influence_each_other(self, case):
        with torch.inference_mode():
            alone = [
                case.model(case.image[i:i + 1], case.scale[i:i + 1]).logits for i in range(2)
            ]
        assert similar(case.logits, torch.cat(alone), 5e-4)

    def test_nothing_is_left_to_chance(self, case):
        with torch.inference_mode():
            assert torch.equal(case.model(case.image, case.scale).logits, case.logits)
        before = torch.get_rng_state()
        again = dict(build_quiet(case.name).named_parameters())
        assert torch.equal(before, torch.get_rng_state())
        for name, parameter in case.model.named_parameters():
            assert torch.equal(parameter, again[name]), name

    def test_memory_format_does_not_change_the_result(self, case):
        image = case.image[:1].contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            found = case.model(image, case.scale[:1]).logits
        assert similar(found, case.logits[:1], 5e-4)

    def test_a_change_in_the_image_changes_logits_there(self, case):
        changed = case.image[:1].clone()
        changed[..., 24:40, 56:72] = 3.0
        with torch.inference_mode():
            found = case.model(changed, case.scale[:1]).logits
        difference = (found - case.logits[:1]).abs().sum(1)
        assert difference[0, 32 // case.model.stride, 64 // case.model.stride] > 0

    def test_half_precision_does_little_more_than_rounding_the_image(self, case):
        image, scale = case.image[:1], case.scale[:1]
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(3))
        with torch.inference_mode():
            rounded = case.model(image * (1 + BFLOAT16_STEP * noise), scale).logits
            with torch.autocast('cpu', torch.bfloat16):
                half = case.model(image, scale).logits.float()
        full = case.logits[:1]
        assert (half - full).abs().mean() < 6 * (rounded - full).abs().mean()

    @pytest.mark.filterwarnings('ignore')
    @pytest.mark.usefixtures('uncollected')
    def test_onnx_gives_the_same_logits(self, case, tmp_path):
        pytest.importorskip('onnxscript', reason='the exporter of torch needs onnxscript')
        runtime = pytest.importorskip('onnxruntime', reason='nothing to run the export with')
        inputs = (case.image[:1], case.scale[:1])[:2 if case.model.uses_disparity else 1]
        path = tmp_path / 'model.onnx'
        torch.onnx.export(
            LogitsOnly(case.model), inputs, path, dynamo=True, verbose=False, optimize=False)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'])
        names = [entry.name for entry in session.get_inputs()]
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        exported = torch.from_numpy(session.run(None, given)[0])
        for file in tmp_path.iterdir():
            file.unlink()
        assert similar(exported, case.logits[:1], 1e-3)


def kinds_of_layers(name):
    """Properties of a layer that decide how it is computed and exported, apart from its size."""
    for module in meta_network(name).modules():
        kind = type(module).__name__
        if isinstance(module, nn.Conv2d):
            yield (kind, module.kernel_size != (1, 1), module.stride != (1, 1),
                   module.dilation != (1, 1), module.groups > 1, module.bias is not None)
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            yield kind, module.stride, module.ceil_mode
        else:
            yield (kind,)


@pytest.mark.parametrize('name', MODELS)
def test_every_kind_of_layer_is_in_a_representative(name):
    represented = {kind for one in REPRESENTATIVES for kind in kinds_of_layers(one)}
    assert set(kinds_of_layers(name)) <= represented


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
