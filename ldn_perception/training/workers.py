# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of a training that `torchrun` started together."""

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
    """This process among those that train together.

    Attributes:
        number: Number of this process; 0 writes the files.
        count: Number of processes.
    """

    number: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Workers:
        """Meet the others, as the environment variables of torchrun say; alone without them.

        On GPUs each process takes the one of its number on this machine.

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
        """Part from the others."""
        if distributed.is_initialized():
            distributed.destroy_process_group()

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Make a network average its gradients over all processes.

        Its batch norms see the batch of all processes on GPUs; on CPUs, where torch cannot do
        that, each sees its own part of the batch.
        """
        if not distributed.is_initialized():
            return model
        if device.type == 'cuda':
            synchronise_norms(model)
            return DistributedDataParallel(model, device_ids=[torch.cuda.current_device()])
        return DistributedDataParallel(model)

    def sum(self, value: Tensor) -> Tensor:
        """Sum of a tensor over all processes, without a gradient."""
        if not distributed.is_initialized():
            return value.detach()
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all processes, without a gradient."""
        return self.sum(value) / self.count


def take_own_gpu(number: int) -> None:
    """Make a GPU the one that 'cuda' means.

    Raises:
        TrainingError: There is no such GPU.
    """
    if number >= torch.cuda.device_count():
        raise TrainingError(
            'processes on this machine', must_be=f'at most {torch.cuda.device_count()}, its GPUs',
            got=f'process {number}', do='lower --nproc-per-node')
    torch.cuda.set_device(number)


def synchronise_norms(model: nn.Module) -> None:
    """Let batch norms see the batch of all processes, in place.

    Those of a subclass stay as they are, since they do more than torch's would: the norm over
    the levels of an image pyramid sees its own process' part of the batch.
    """
    for name, child in model.named_children():
        if type(child) in _NORMS:
            setattr(model, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
        else:
            synchronise_norms(child)
