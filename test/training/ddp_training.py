# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun: trains tiny networks and writes what every process saw."""

import json
from pathlib import Path
import sys

import torch
from training.tiny import CPU, NETWORK_CLASSES, Striped, taxonomy, tiny_recipe, tiny_trainer

from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.validation import Validation, ValidationDomain
from ldn_perception.training.workers import Workers


def validation(workers):
    """Of five images, so that the processes get different numbers of them."""
    classes = taxonomy('seen', 'abc')
    mapping = LabelMapping(classes, NETWORK_CLASSES, {letter: (letter,) for letter in 'abc'})
    return Validation([ValidationDomain('seen', Striped(classes, 5, 8), mapping)], workers)


def _impatience(trainer, workers):
    """The last process wants step 4 to be its last one."""
    return lambda: workers.number == workers.count - 1 and trainer.step == 4


def train_all(folder, workers):
    """Final weights and statistics of every kind of training."""
    results = {}
    for name, options in {
        'plain': {}, 'balanced': {'class_balancing': 1.0}, 'norm': {}, 'stopped': {},
    }.items():
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        trainer = tiny_trainer(
            path, tiny_recipe(validation_epochs=2, **options), workers, norm=name == 'norm',
            validation=validation(workers))
        trainer.train(_impatience(trainer, workers) if name == 'stopped' else lambda: False)
        results[name] = {'step': trainer.step}
        if name != 'stopped':
            results[name] |= {
                key: value.flatten().tolist()
                for key, value in trainer.finish().state_dict().items()}
    return results


if __name__ == '__main__':
    torch.set_num_threads(1)
    joined = Workers.join(CPU)
    output = Path(sys.argv[1])
    found = train_all(output, joined)
    (output / f'worker{joined.number}.json').write_text(json.dumps(found))
    joined.leave()
