# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training recipes: all options of a training in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import yaml

from ldn_perception.config import option_field, section_options
from ldn_perception.data.labelled_images import SETTINGS
from ldn_perception.errors import ConfigError, StereoError
from ldn_perception.models.names import MODEL_NAMES
from ldn_perception.stereo.matching_costs import CostShares

FREE_OPTIONS = (
    'loader_processes', 'snapshot_steps', 'norm_batches', 'validation', 'validation_epochs',
    'tensorboard',
)
"""Options without effect on the training steps; they may change on resume."""

Section = TypeVar('Section')
AnyRecipe = TypeVar('AnyRecipe', bound='Recipe')


@dataclass(frozen=True, slots=True)
class DomainRecipe:
    """Dataset of a training."""

    dataset: str = option_field('', 'Name of the dataset.')
    root: str = option_field('', 'Its folder, below the folder of all data.')
    split: str = option_field('train', 'Split of the dataset.')
    setting: str = option_field(
        'all', 'Subset of the images: all, certainly indoor, not certainly indoor (outdoor), with '
        'a road, without a road (roadless), open land.', choices=SETTINGS)
    repeat: float = option_field(
        1.0, 'Repetitions of each image per epoch, to balance domains of different sizes.',
        minimum=0.01, maximum=1000.0)
    wholly_foreign: bool = option_field(
        False, 'Everything labelled is foreign, trees and sky too.')
    paste_share: float = option_field(
        0.0, 'Share of the images into which foreign objects are pasted.', minimum=0.0,
        maximum=1.0)
    is_cutout_source: bool = option_field(
        False, 'Use its foreign objects for pasting.')
    scenery_share: float = option_field(
        0.0, 'Share of the images whose surroundings are replaced by those of photographs.',
        minimum=0.0, maximum=1.0)
    is_scenery_source: bool = option_field(
        False, 'Use its photographs for these surroundings.')
    painted_road_share: float = option_field(
        0.0, 'Share of the images into which a road is painted.', minimum=0.0, maximum=1.0)
    resurfacing_share: float = option_field(
        0.0, 'Share of the images in which road and pavement get another surface.', minimum=0.0,
        maximum=1.0)


@dataclass(frozen=True, slots=True)
class ValidationRecipe:
    """Dataset for validation during training."""

    dataset: str = option_field('', 'Name of the dataset.')
    root: str = option_field('', 'Its folder, below the folder of all data.')
    split: str = option_field('val', 'Split of the dataset.')


class Recipe:
    """Base of recipes: frozen dataclasses of options and lists of datasets.

    Attributes:
        task: Value of the key 'task' in recipe files.
        datasets: Class of the entries, by name of the dataset list.
        free_options: Options without effect on the training steps; they may change on resume.
    """

    __slots__ = ()

    task: ClassVar[str]
    datasets: ClassVar[Mapping[str, type]]
    free_options: ClassVar[tuple[str, ...]]

    @classmethod
    def from_values(cls: type[AnyRecipe], values: Mapping[str, Any]) -> AnyRecipe:
        """Build from the values of a recipe file.

        Raises:
            ConfigError: The recipe is of another task, a name is unknown, or a value is invalid.
        """
        if values.get('task', cls.task) != cls.task:
            raise ConfigError(
                'task of the recipe', must_be=cls.task, got=repr(values['task']),
                do='choose another recipe')
        options = {
            name: value for name, value in values.items()
            if name not in cls.datasets and name != 'task'}
        return cls(
            **{name: read_sections(name, section, values)
               for name, section in cls.datasets.items()},
            **checked_values(cls, options))

    @classmethod
    def from_yaml(
        cls: type[AnyRecipe], path: Path, overrides: Mapping[str, Any] | None = None,
    ) -> AnyRecipe:
        """Read a recipe file.

        Args:
            path: YAML file with the fields of this class.
            overrides: Values with priority over those of the file.

        Raises:
            ConfigError: The file is missing or not a recipe, or a value is invalid.
        """
        return cls.from_values({**read_recipe(path), **(overrides or {})})

    def to_values(self) -> dict[str, Any]:
        """Values of all options, as accepted by `from_values`."""
        values = asdict(cast('Any', self))
        return {**values, **{name: list(values[name]) for name in self.datasets}}

    def differences(self: AnyRecipe, other: AnyRecipe) -> list[str]:
        """Names of options that differ in another recipe, without free options."""
        return [
            entry.name for entry in fields(cast('Any', self))
            if entry.name not in self.free_options
            and getattr(self, entry.name) != getattr(other, entry.name)]


@dataclass(frozen=True, slots=True)
class TrainingRecipe(Recipe):
    """Recipe of a segmentation training; defaults follow section 4.6.1 of the thesis.

    Raises:
        ConfigError: There are no domains, or values are inconsistent.
    """

    task: ClassVar[str] = 'segmentation'
    datasets: ClassVar[Mapping[str, type]] = {
        'domains': DomainRecipe, 'validation': ValidationRecipe}
    free_options: ClassVar[tuple[str, ...]] = FREE_OPTIONS

    domains: tuple[DomainRecipe, ...]
    model: str = option_field('ldn121_64_4', 'Network.', choices=MODEL_NAMES)
    taxonomy: str = option_field('universal', 'Class list of the network.')
    initial_weights: str = option_field(
        '', "Weights to start from: a file of this package's format, or empty for random ones.")
    imagenet_weights: str = option_field(
        '', 'ImageNet weights for the backbone: a file or a name torchvision knows.')
    seed: int = option_field(
        0, 'Seed of weights, order and augmentation.', minimum=0, maximum=2**31)
    epochs: int = option_field(300, 'Length of the training.', minimum=1, maximum=100000)
    batch_size: int = option_field(16, 'Images per step, over all processes.', minimum=1,
                                   maximum=4096)
    crop_height_px: int = option_field(448, 'Height of a crop.', minimum=32, maximum=4096)
    crop_width_px: int = option_field(448, 'Width of a crop.', minimum=32, maximum=4096)
    smallest_scale: float = option_field(
        0.5, 'Minimum random scale.', minimum=0.1, maximum=10.0)
    largest_scale: float = option_field(2.0, 'Maximum random scale.', minimum=0.1, maximum=10.0)
    colour_jitter: float = option_field(
        0.0, 'Change of brightness, contrast, saturation.', minimum=0.0, maximum=0.9)
    grey_share: float = option_field(
        0.0, 'Share of the images without colour.', minimum=0.0, maximum=1.0)
    white_balance: float = option_field(
        0.0, 'Change of the logarithms of the gains of red, green and blue.', minimum=0.0,
        maximum=1.0)
    sharpness: float = option_field(
        0.0, 'Share of the finest detail that is removed or added.', minimum=0.0, maximum=1.0)
    learning_rate: float = option_field(
        4e-4, 'Learning rate of the first epoch.', minimum=1e-8, maximum=1.0)
    smallest_learning_rate: float = option_field(
        1e-7, 'Learning rate approached in the last epoch.', minimum=0.0, maximum=1.0)
    backbone_divisor: float = option_field(
        4.0, 'Divisor of the learning rate of a backbone with ImageNet weights.', minimum=1.0,
        maximum=1000.0)
    weight_decay: float = option_field(
        0.0, 'Weight decay, decoupled as in AdamW; 0 for Adam.', minimum=0.0, maximum=1.0)
    auxiliary_weight: float = option_field(
        0.4, 'Weight of the auxiliary losses; 0 for a network without their heads.', minimum=0.0,
        maximum=1.0)
    class_balancing: float = option_field(
        0.0, 'Exponent of the weights of rare classes: 0 for none, 1 as in section 3.4.',
        minimum=0.0, maximum=1.0)
    average_decay: float = option_field(
        0.0, 'Decay per step of the moving average of the weights; 0 for none.',
        minimum=0.0, maximum=0.99999)
    checkpointing: str = option_field('none', 'Activations that are recomputed for the gradient.')
    precision: str = option_field(
        'bfloat16', 'Arithmetic of the network.', choices=('float32', 'bfloat16'))
    loader_processes: int = option_field(
        0, 'Processes that prepare batches; 0 prepares them in the training process.', minimum=0,
        maximum=256)
    snapshot_steps: int = option_field(
        100, 'Steps between snapshots.', minimum=1, maximum=1000000)
    norm_batches: int = option_field(
        200, 'Largest number of batches over which the batch norm statistics are averaged at '
        'the end.', minimum=1, maximum=1000000)
    validation: tuple[ValidationRecipe, ...] = field(default_factory=tuple)
    validation_epochs: int = option_field(
        10, 'Epochs between validations.', minimum=1, maximum=100000)
    tensorboard: bool = option_field(False, 'Log losses and scores for TensorBoard.')

    def __post_init__(self) -> None:
        if not self.domains:
            raise ConfigError(
                'domains of a training', must_be='one or more', got='none',
                do='name the datasets under domains')
        if self.largest_scale < self.smallest_scale:
            raise ConfigError(
                'largest_scale', must_be=f'at least smallest_scale ({self.smallest_scale:g})',
                got=self.largest_scale, do='exchange the two')
        if any(domain.paste_share for domain in self.domains) and not any(
                domain.is_cutout_source for domain in self.domains):
            raise ConfigError(
                'paste_share', must_be='0 where no domain is a cutout source',
                got='a share to paste into', do='set is_cutout_source for a foreign domain')
        if any(domain.scenery_share for domain in self.domains) and not any(
                domain.is_scenery_source for domain in self.domains):
            raise ConfigError(
                'scenery_share', must_be='0 where no domain is a scenery source',
                got='a share to change', do='set is_scenery_source for a domain of photographs')


def read_recipe(path: Path) -> dict[str, Any]:
    """Read the values of a recipe file, without checks.

    Raises:
        ConfigError: The file is missing or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(
            f'recipe {path}', must_be='a readable YAML file', got=error,
            do='start from config/training') from error
    if not isinstance(values, Mapping):
        raise ConfigError(
            f'recipe {path}', must_be='a mapping of options', got=type(values).__name__,
            do='start from config/training')
    return dict(values)


def read_sections(
    name: str, section: type[Section], values: Mapping[str, Any]
) -> tuple[Section, ...]:
    """Dataset entries in the values of a recipe.

    Args:
        name: Name of the dataset list.
        section: Class of an entry.
        values: Values of the recipe.

    Raises:
        ConfigError: The value is not a list of datasets, or an option is invalid.
    """
    given = values.get(name, ())
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(
            isinstance(dataset, Mapping) for dataset in given):
        raise ConfigError(
            f'{name} of a training', must_be='a list of datasets', got=repr(given),
            do="write '- {dataset: camvid, root: camvid, split: train}' for each")
    return tuple(section(**checked_values(section, dataset)) for dataset in given)


def checked_values(section: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the options of a section, checked for type and range.

    Raises:
        ConfigError: A name is unknown, or a value is invalid.
    """
    known = {option.name: option for option in section_options(section)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f'option of a {section.__name__}', must_be=f'one of {", ".join(known)}',
            got=repr(unknown[0]), do='correct the name')
    return {name: known[name].check(value) for name, value in values.items()}


FREE_METRIC_OPTIONS = ('snapshot_steps', 'validation', 'validation_steps', 'validation_batches')
"""Options without effect on the training steps; they may change on resume."""


@dataclass(frozen=True, slots=True)
class PairDomain:
    """Stereo dataset of a training."""

    dataset: str = option_field(
        '', 'Name of a stereo dataset, or warped_photographs.')
    root: str = option_field('', 'Its folder, below the folder of all data.')
    share: float = option_field(
        1.0, 'How often its pairs are drawn, against the shares of the others.', minimum=0.001,
        maximum=1000.0)


@dataclass(frozen=True, slots=True)
class CorrespondenceRecipe(Recipe):
    """Recipe of a correspondence training; equations in docs/stereo.md.

    Raises:
        ConfigError: There are no domains, or values are inconsistent.
    """

    task: ClassVar[str] = 'correspondence'
    datasets: ClassVar[Mapping[str, type]] = {'domains': PairDomain, 'validation': PairDomain}
    free_options: ClassVar[tuple[str, ...]] = FREE_METRIC_OPTIONS

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
