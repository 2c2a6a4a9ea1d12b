# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every registered network must do."""

import math

import pytest
import torch
from torch import nn

from ldn_perception.errors import ModelError
from ldn_perception.models.registry import MODELS, build_model
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

NUM_CLASSES = 5
HEIGHT, WIDTH = 96, 160


def random_batch(batch, height=HEIGHT, width=WIDTH, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, 3, height, width, generator=generator)
    scale = 120 * torch.rand(batch, height, width, generator=generator)
    scale[torch.rand(batch, height, width, generator=generator) < 0.3] = math.nan
    return image, scale


@pytest.fixture(scope='module', params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def built(name):
    return build_model(name, NUM_CLASSES)


@pytest.fixture
def model(built):
    built.zero_grad(set_to_none=True)
    return built.eval()


class TestEveryModel:
    def test_is_a_segmentation_model_with_declared_attributes(self, model):
        assert isinstance(model, SegmentationModel)
        assert model.num_classes == NUM_CLASSES
        assert model.stride in (4, 8)
        assert isinstance(model.uses_disparity, bool)

    @pytest.mark.parametrize('size', [(375, 1242), (370, 1226), (321, 643), (320, 640), (65, 64)])
    def test_logits_have_the_size_of_the_image_over_the_stride(self, model, size):
        state = {key: value.to('meta') for key, value in model.state_dict().items()}
        image = torch.empty(1, 3, *size, device='meta')
        scale = torch.empty(1, *size, device='meta')
        output = torch.func.functional_call(model, state, (image, scale))
        expected = tuple(math.ceil(side / model.stride) for side in size)
        assert output.logits.shape == (1, NUM_CLASSES, *expected)

    @pytest.mark.parametrize('training', [False, True])
    def test_odd_image_gives_finite_logits_in_either_mode(self, model, training):
        image, scale = random_batch(1, 97, 161)
        with torch.no_grad():
            output = model.train(training)(image, scale)
        assert isinstance(output, SegmentationOutput)
        assert output.auxiliary == ()
        assert output.logits.dtype == torch.float32
        assert output.logits.shape[-2:] == (
            math.ceil(97 / model.stride), math.ceil(161 / model.stride)
        )
        assert output.logits.isfinite().all()

    def test_items_of_a_batch_do_not_influence_each_other(self, model):
        image, scale = random_batch(2)
        with torch.inference_mode():
            together = model(image, scale).logits
            alone = torch.cat([model(image[i:i + 1], scale[i:i + 1]).logits for i in range(2)])
        assert torch.allclose(together, alone, atol=1e-4 * float(alone.abs().max()))
        assert not torch.allclose(together[0], together[1])

    def test_memory_format_does_not_change_the_result(self, model):
        image, scale = random_batch(1)
        with torch.inference_mode():
            plain = model(image, scale).logits
            last = model(image.to(memory_format=torch.channels_last), scale).logits
        assert torch.allclose(plain, last, atol=1e-4 * float(plain.abs().max()))

    def test_a_change_in_the_image_changes_logits_there(self, model):
        image, scale = random_batch(1)
        changed = image.clone()
        changed[..., 40:56, 72:88] = 3.0
        with torch.inference_mode():
            difference = (model(changed, scale).logits - model(image, scale).logits).abs().sum(1)
        assert difference[0, 48 // model.stride, 80 // model.stride] > 0

    def test_gradient_reaches_the_first_convolution(self, model):
        image, scale = random_batch(1)
        model.train()(image, scale).logits.square().mean().backward()
        first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
        assert first.weight.grad is not None
        assert first.weight.grad.abs().sum() > 0
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_disparity_is_required_exactly_where_it_is_declared(self, model):
        image, _ = random_batch(1)
        if model.uses_disparity:
            with pytest.raises(ModelError, match=r'pixels_per_metre must be \(1, 96, 160\) float32'
                                                 r' .*, got None: pass the disparity'):
                model(image)
        else:
            _, scale = random_batch(1)
            with torch.inference_mode():
                assert torch.equal(model(image).logits, model(image, scale).logits)

    def test_same_seed_gives_the_same_weights_and_another_seed_others(self, name, model):
        again = build_model(name, NUM_CLASSES).state_dict()
        fresh = build_model(name, NUM_CLASSES, seed=1).state_dict()
        first = next(key for key in again if key.endswith('conv.weight') or 'conv1_1.w' in key)
        for key, parameter in model.named_parameters():
            assert torch.equal(again[key], parameter), key
        assert not torch.equal(again[first], fresh[first])

    def test_building_leaves_the_global_random_state(self, name):
        before = torch.get_rng_state()
        build_model(name, 2)
        assert torch.equal(before, torch.get_rng_state())


def test_unknown_model_is_refused_with_the_choices():
    with pytest.raises(ModelError, match=r"model must be one of ldn121, ldn_small, .*, got 'x': "):
        build_model('x', 3)


def test_model_without_classes_is_refused():
    with pytest.raises(ModelError, match='num_classes must be at least 1, got 0: pass a taxonomy'):
        build_model('ldn_small', 0)
