# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A number for all that decides what a network computes."""

from __future__ import annotations

from functools import cache
import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from ldn_perception.inference.deployed_network import DeployedNetwork


def network_digest(network: DeployedNetwork) -> str:
    """SHA-256 of weights, buffers, modules with their settings, and the code of the networks.

    The code is part of it so that no artefact outlives a change of a `forward`.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(_code_of_networks())
    for name, module in network.named_modules():
        digest.update(f'{name}: {_settings(module)}\n'.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f'{name}: {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(_bytes_of(value))
    return digest.hexdigest()


def _settings(module: nn.Module) -> str:
    """Class and plain attributes of a module, such as strides and numbers of levels."""
    values = {name: value for name, value in sorted(vars(module).items()) if _is_plain(value)}
    return f'{type(module).__qualname__} {values}'


def _is_plain(value: object) -> bool:
    """Whether its text is the same in every process."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _bytes_of(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


@cache
def _code_of_networks() -> bytes:
    package = Path(__file__).parents[1]
    files = [Path(__file__).with_name('deployed_network.py'), *(package / 'models').glob('*.py')]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.digest()
