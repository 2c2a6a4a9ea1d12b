# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of network leaves torch with the same results."""

import pytest
import torch
from torch import nn

from ldn_perception.models.registry import build_model

pytest.importorskip('onnxscript', reason='the exporter of torch needs onnxscript')
onnxruntime = pytest.importorskip('onnxruntime', reason='nothing to run the export with')

# one of each structure; sizes are static, as the pyramids' grids and levels are
MODELS = ['ldn_small', 'scale_invariant_small', 'fixed_scales_small', 'single35_small']


class LogitsOnly(nn.Module):
    """What an engine needs of a network."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image, pixels_per_metre=None):
        return self.model(image, pixels_per_metre).logits


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.filterwarnings('ignore')
def test_onnx_gives_the_logits_of_torch(name, tmp_path):
    model = build_model(name, 5).eval()
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 97, 161, generator=generator)
    scales = 60 * torch.rand(1, 97, 161, generator=generator)
    scales[:, ::3, ::5] = float('nan')
    inputs = (image, scales) if model.uses_disparity else (image,)
    path = tmp_path / 'model.onnx'
    torch.onnx.export(LogitsOnly(model), inputs, path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    names = [entry.name for entry in session.get_inputs()]
    given = {entry: tensor.numpy() for entry, tensor in zip(names, inputs, strict=True)}
    exported = torch.from_numpy(session.run(None, given)[0])
    with torch.no_grad():
        expected = model(*inputs).logits
    torch.testing.assert_close(exported, expected, rtol=1e-3, atol=1e-4)
