# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""All that the training of a correspondence metric depends on, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ldn_perception.errors import ConfigError, StereoError
from ldn_perception.option import option_field
from ldn_perception.stereo.vector_costs import CostShares
from ldn_perception.training.recipe import Recipe

FREE_OPTIONS = ('snapshot_steps', 'validation', 'validation_steps', 'validation_batches')
"""Options that change no step of a training: it may go on with others."""


@dataclass(frozen=True, slots=True)
class PairDomain:
    """One dataset of stereo pairs."""

    dataset: str = option_field(
        '', 'Name of a stereo dataset, or warped_photographs.')
    root: str = option_field('', 'Its folder, below the folder of all data.')
    share: float = option_field(
        1.0, 'How often its pairs are drawn, against the shares of the others.', minimum=0.001,
        maximum=1000.0)


@dataclass(frozen=True, slots=True)
class CorrespondenceRecipe(Recipe):
    """A training; docs/stereo.md has the equations.

    Raises:
        ConfigError: There are no domains, or values contradict each other.
    """

    task: ClassVar[str] = 'correspondence'
    datasets: ClassVar[Mapping[str, type]] = {'domains': PairDomain, 'validation': PairDomain}
    free_options: ClassVar[tuple[str, ...]] = FREE_OPTIONS

    domains: tuple[PairDomain, ...]
    num_maps: int = option_field(
        32, 'Length of the vectors, and maps of all layers.', minimum=2, maximum=512)
    num_layers: int = option_field(
        5, 'Convolutions; 5 see 11 x 11 pixels.', minimum=1, maximum=20)
    vector_cost: int = option_field(
        128, 'Cost of a cosine of 0 in matching, a power of two.', minimum=1, maximum=128)
    bit_cost: int = option_field(
        0, 'Cost of a bit in which census codes differ; 0 learns and matches without them.',
        minimum=0, maximum=4)
    initial_weights: str = option_field(
        '', "Weights to start from: a file of this package's format, or empty for random ones.")
    seed: int = option_field(
        0, 'Weights, order and augmentation.', minimum=0, maximum=2**31)
    steps: int = option_field(2000, 'Length.', minimum=1, maximum=10**8)
    batch_pairs: int = option_field(4, 'Pairs of a step.', minimum=1, maximum=1024)
    crops_per_pair: int = option_field(4, 'Crops of each pair.', minimum=1, maximum=1024)
    crop_height_px: int = option_field(
        16, 'Rows of a crop that get vectors.', minimum=1, maximum=4096)
    crop_width_px: int = option_field(
        256, 'Columns of a crop that get vectors: the length of the searched line.', minimum=8,
        maximum=4096)
    smallest_scale: float = option_field(
        0.6, 'Minimum random scale of both images.', minimum=0.1, maximum=10.0)
    largest_scale: float = option_field(
        1.4, 'Maximum random scale of both images.', minimum=0.1, maximum=10.0)
    vertical_shift_px: float = option_field(
        0.6, 'Most that the right image is too high or too low.', minimum=0.0, maximum=8.0)
    vertical_slope: float = option_field(
        0.004, 'Most that its rows fall or rise, and that its height is wrong.', minimum=0.0,
        maximum=0.1)
    contrast: float = option_field(
        0.25, 'Logarithms of contrast and gamma of each image, at most.', minimum=0.0,
        maximum=2.0)
    brightness: float = option_field(
        0.3, 'Brightness added to each image, at most [standard deviations].', minimum=0.0,
        maximum=4.0)
    noise: float = option_field(
        0.08, 'Standard deviation of the noise of each image, at most [standard deviations of '
        'the image].', minimum=0.0, maximum=2.0)
    blur_px: float = option_field(
        0.8, 'Standard deviation of the blur of each image, at most.', minimum=0.0, maximum=8.0)
    margin: float = option_field(
        0.2, 'How much more alike true matches have to be than false ones.', minimum=0.0,
        maximum=2.0)
    tolerance_px: float = option_field(
        1.5, 'Closer to the true match nothing counts as false.', minimum=0.5, maximum=8.0)
    near_px: float = option_field(
        6.0, 'Every second pixel up to here is held against the true match.', minimum=0.5,
        maximum=64.0)
    far_negatives: int = option_field(
        16, 'Random negatives per anchor.', minimum=1, maximum=4096)
    anchors: int = option_field(
        64, 'Pixels of each line of a crop that are compared with the line of the other, at most.',
        minimum=1, maximum=4096)
    edge_weight: float = option_field(
        0.0, 'How much more pixels within 6 px of an edge of a surface weigh.', minimum=0.0,
        maximum=1000.0)
    learning_rate: float = option_field(0.002, 'Of the first step.', minimum=1e-8, maximum=1.0)
    smallest_learning_rate: float = option_field(
        1e-5, 'Neared by the last step.', minimum=0.0, maximum=1.0)
    precision: str = option_field(
        'bfloat16', 'Arithmetic of the network.', choices=('float32', 'bfloat16'))
    snapshot_steps: int = option_field(
        100, 'Steps between snapshots.', minimum=1, maximum=10**6)
    validation: tuple[PairDomain, ...] = field(default_factory=tuple)
    validation_steps: int = option_field(
        250, 'Steps between validations.', minimum=1, maximum=10**6)
    validation_batches: int = option_field(
        20, 'Batches of a validation.', minimum=1, maximum=10**6)

    def __post_init__(self) -> None:
        if not self.domains:
            raise ConfigError(
                'domains of a training', must_be='one or more', got='none',
                do='name the datasets under domains')
        try:
            CostShares(self.vector_cost, self.bit_cost)
        except StereoError as error:
            raise ConfigError(
                'vector_cost and bit_cost', must_be='shares of a matching cost', got=error,
                do='take 32 and 2') from error
        if self.largest_scale < self.smallest_scale:
            raise ConfigError(
                'largest_scale', must_be=f'at least smallest_scale ({self.smallest_scale:g})',
                got=self.largest_scale, do='exchange the two')
