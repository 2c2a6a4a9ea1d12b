# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which arithmetic to run in."""

from __future__ import annotations

import torch

PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16}

PRECISION_NAMES = {dtype: name for name, dtype in PRECISIONS.items()}

_CPU_CAPABILITIES = ('amx_bf16', 'avx512_bf16')
_FIRST_GPU_GENERATION = 8  # Ampere


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Arithmetic for a wish.

    Args:
        wanted: 'float32', 'bfloat16', or 'auto': bfloat16 where the device multiplies it faster,
            in AMX or AVX-512 BF16 instructions of a CPU or the tensor cores of a GPU, else
            float32. 'int8' is auto for all that is not in int8.
        device: Where the network runs.
    """
    if wanted in PRECISIONS:
        return PRECISIONS[wanted]
    return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device)[0] >= _FIRST_GPU_GENERATION
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _CPU_CAPABILITIES)
