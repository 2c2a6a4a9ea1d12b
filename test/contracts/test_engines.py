# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.errors import ModelError
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.normalisation import IMAGE_MEAN, IMAGE_STD, Normalisation
from ldn_perception.models.registry import build_model

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason='this machine has no GPU'))]
ENGINES = {'torch': TorchEngine}
IMAGE = torch.randint(0, 256, (99, 161, 3), dtype=torch.uint8,
                      generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('build', ENGINES.values(), ids=ENGINES)
class TestEngineContract:
    @pytest.mark.parametrize('name', ['ldn_small', 'scale_invariant_small'])
    def test_logits_are_the_models_own_on_the_normalised_image(self, build, device, name):
        model = build_model(name, 5)
        scales = torch.full((99, 161), 30.0)
        engine = build(build_model(name, 5), torch.device(device))
        logits = engine.run(IMAGE, scales if engine.uses_disparity else None)
        mean, std = torch.tensor(IMAGE_MEAN), torch.tensor(IMAGE_STD)
        normalised = ((IMAGE / 255 - mean) / std).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = model.eval()(normalised, scales[None]).logits
        assert logits.device.type == device
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits.cpu(), expected, rtol=1e-3, atol=1e-3)

    def test_the_image_is_normalised_as_the_network_wants_it(self, build, device):
        shifted = Normalisation((0.1, 0.2, 0.3), (0.5, 0.4, 0.3))
        engine = build(build_model('ldn_small', 5), torch.device(device), normalisation=shifted)
        mean, std = (torch.tensor(part) for part in shifted)
        normalised = ((IMAGE / 255 - mean) / std).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = build_model('ldn_small', 5).eval()(normalised).logits
        torch.testing.assert_close(engine.run(IMAGE).cpu(), expected, rtol=1e-3, atol=1e-3)

    def test_half_precision_stays_near(self, build, device):
        full = build(build_model('ldn_small', 5), torch.device(device)).run(IMAGE)
        half = build(
            build_model('ldn_small', 5), torch.device(device), torch.bfloat16).run(IMAGE)
        assert half.dtype == torch.float32
        assert (half - full).abs().mean() < 0.05 * full.abs().mean() + 0.02

    def test_logits_carry_no_gradient(self, build, device):
        logits = build(build_model('ldn_small', 5), torch.device(device)).run(IMAGE)
        assert not logits.requires_grad

    def test_a_scale_selecting_network_wants_its_scales(self, build, device):
        engine = build(build_model('scale_invariant_small', 5), torch.device(device))
        assert engine.uses_disparity
        with pytest.raises(ModelError, match='pixels_per_metre'):
            engine.run(IMAGE)
