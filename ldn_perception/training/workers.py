# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of a distributed training started by `torchrun`."""

from __future__ import annotations

from dataclasses import dataclass
import os

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ldn_perception.errors import TrainingError

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True)
class Workers:
    """Rank of this process in a distributed training.

    Attributes:
        number: Rank of this process; rank 0 writes the files.
        count: Number of processes.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Workers:
        """Join the process group from torchrun's environment variables; a single process without.

        On GPUs, each process uses the GPU of its local rank.

        Raises:
            TrainingError: There are more processes than GPUs.
        """
        if 'WORLD_SIZE' not in os.environ:
            return cls()
        if device.type == 'cuda':
            take_own_gpu(int(os.environ['LOCAL_RANK']))
        distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
        return cls(distributed.get_rank(), distributed.get_world_size())

    def leave(self) -> None:
        """Leave the process group."""
        if distributed.is_initialized():
            distributed.destroy_process_group()

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a network so that gradients are averaged over all processes.

        On GPUs, batch norms see the batch of all processes. On CPUs torch does not support this,
        and each process uses its own part of the batch.
        """
        if not distributed.is_initialized():
            return model
        if device.type == 'cuda':
            synchronise_norms(model)
            return DistributedDataParallel(model, device_ids=[torch.cuda.current_device()])
        return DistributedDataParallel(model)

    def sum(self, value: Tensor) -> Tensor:
        """Sum of a tensor over all processes, without gradient."""
        if not distributed.is_initialized():
            return value.detach()
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all processes, without gradient."""
        return self.sum(value) / self.count


def take_own_gpu(number: int) -> None:
    """Select the GPU for device 'cuda' in this process.

    Raises:
        TrainingError: The GPU does not exist.
    """
    if number >= torch.cuda.device_count():
        raise TrainingError(
            'processes on this machine', must_be=f'at most {torch.cuda.device_count()}, its GPUs',
            got=f'process {number}', do='lower --nproc-per-node')
    torch.cuda.set_device(number)


def synchronise_norms(model: nn.Module) -> None:
    """Let batch norms see the batch of all processes, in place.

    Subclasses are not converted, since torch's version would lose what they add: the norm over the
    levels of an image pyramid sees only its process' part of the batch.
    """
    for name, child in model.named_children():
        if type(child) in _NORMS:
            setattr(model, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
        else:
            synchronise_norms(child)
