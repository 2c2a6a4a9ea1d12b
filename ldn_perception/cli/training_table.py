# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is about to be trained, as a table."""

from __future__ import annotations

from rich.table import Table

from ldn_perception.training.trainer import Trainer
from ldn_perception.training.workers import Workers


def training_table(trainer: Trainer, workers: Workers) -> Table:
    """Table of network, domains, steps and machine.

    Args:
        trainer: Built, perhaps with steps done.
        workers: The processes that train together.
    """
    recipe, batches = trainer.recipe, trainer.batches
    table = Table('training', 'of what', show_edge=False)
    table.add_row('network', f'{recipe.model}, {_millions(trainer):.2f} M parameters, '
                  f'{trainer.model.num_classes} classes ({recipe.taxonomy})')
    for domain, images in zip(recipe.domains, batches.domains, strict=True):
        table.add_row('domain', f'{domain.dataset} {domain.split}: {len(images.images)} images, '
                      f'{images.shown} an epoch')
    table.add_row('crops', f'{recipe.batch_size} of {recipe.crop_width_px} x '
                  f'{recipe.crop_height_px} px a step')
    table.add_row('steps', f'{trainer.num_steps} ({recipe.epochs} epochs), {trainer.step} done')
    processes = '' if workers.count == 1 else f', {workers.count} processes'
    table.add_row('device', f'{trainer.device}, {recipe.precision}{processes}')
    return table


def _millions(trainer: Trainer) -> float:
    """Parameters without the heads that only the training has."""
    return sum(
        value.numel() for name, value in trainer.model.named_parameters()
        if not name.startswith('auxiliary_heads.')) / 1e6
