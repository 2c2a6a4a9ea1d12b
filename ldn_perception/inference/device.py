# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which device to run on."""

from __future__ import annotations

import torch

from ldn_perception.errors import InferenceError


def choose_device(wanted: str) -> torch.device:
    """Device for a wish.

    Args:
        wanted: 'auto' (the GPU where there is one, else the CPU), 'cuda' or 'cpu'.

    Raises:
        InferenceError: 'cuda' is wished and torch sees no GPU.
    """
    has_gpu = torch.cuda.is_available()
    if wanted == 'cuda' and not has_gpu:
        raise InferenceError(
            'inference.device', must_be='a device torch can use',
            got=f'cuda, and torch {torch.__version__} sees no GPU',
            do='install the GPU driver and the CUDA build of torch, or choose auto or cpu',
        )
    return torch.device('cuda' if has_gpu and wanted != 'cpu' else 'cpu')
