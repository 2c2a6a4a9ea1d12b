# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Options of the package and the parameter files that set them.

A section of options is a dataclass whose fields are made by `option_field`. Each field is a ROS
parameter (`stereo.max_disparity`), a row in the table of docs/parameters.md and a command-line
override. No other module declares options.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
import os
from pathlib import Path
from typing import Any, cast, get_type_hints

import yaml

from ldn_perception.errors import ConfigError
from ldn_perception.models.names import MODEL_NAMES

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: Full name, section and field: 'stereo.max_disparity'.
        type: bool, int, float or str.
        default: Default value.
        doc: Description in one sentence.
        unit: Unit of the value; empty if it has none.
        minimum: Smallest value, for numbers.
        maximum: Largest value, for numbers.
        choices: Possible values, for strings.
        live: True if a running node accepts a new value.
        see: Document that explains the choices, if there are many.
    """

    name: str
    type: type
    default: Value
    doc: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    see: str = ''

    def check(self, value: Any) -> Value:
        """Return the value if it is valid for this option; integers become floats if needed.

        Raises:
            ConfigError: It has the wrong type, is out of range or is not one of the choices.
        """
        if self.type is float and type(value) is int:
            value = float(value)
        if not self._has_type(value):
            raise ConfigError(
                self.name, must_be=f'a {self.type.__name__}',
                got=f'{value!r}', do='correct its type in the parameters',
            )
        if self.choices and value not in self.choices:
            raise ConfigError(
                self.name, must_be=f'one of {", ".join(self.choices)}', got=repr(value),
                do='choose one of them',
            )
        if self.minimum is not None and not self.minimum <= value <= self._upper:
            raise ConfigError(
                self.name, must_be=f'in [{self.minimum:g}, {self._upper:g}]', got=value,
                do='choose a value in the range',
            )
        return cast('Value', value)

    def _has_type(self, value: Any) -> bool:
        return type(value) is self.type  # not isinstance: a bool is an int there

    @property
    def _upper(self) -> float:
        return float('inf') if self.maximum is None else self.maximum


def option_field(default: Value, doc: str, **known: Any) -> Any:
    """Field of a section of options; the keywords are attributes of `Option`."""
    return field(default=default, metadata={'doc': doc, **known})


def section_options(section: type, prefix: str = '') -> Iterator[Option]:
    """Options of a section and its subsections, with full names."""
    types = get_type_hints(section)
    for entry in fields(section):
        if is_dataclass(types[entry.name]):
            yield from section_options(types[entry.name], f'{prefix}{entry.name}.')
        elif entry.default is not MISSING:
            yield Option(
                prefix + entry.name, types[entry.name], entry.default, **entry.metadata)


def read_parameter_file(path: Path) -> dict[str, Any]:
    """Read the values of a ROS parameter file, by full option name.

    Raises:
        ConfigError: The file is missing or has no ros__parameters.
    """
    if not path.is_file():
        raise ConfigError(
            'parameter file', must_be='an existing YAML file', got=str(path), do='check the path')
    try:
        tree = yaml.safe_load(path.read_text())
        parameters = next(iter(tree.values()))['ros__parameters']
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, StopIteration):
        raise ConfigError(
            f'parameter file {path}', must_be='node name: ros__parameters: values',
            got='something else', do='start from config/stereo_seg.yaml',
        ) from None
    return dict(flatten(parameters))


def flatten(tree: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the values of a nested mapping with dotted names."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f'{prefix}{key}.')
        else:
            yield prefix + key, value


def parse_assignments(
    texts: Iterable[str], option: str = '--set', example: str = 'stereo.matcher=census',
) -> dict[str, Any]:
    """Parse NAME=VALUE texts into values by name.

    Args:
        texts: NAME=VALUE each, the value in YAML; an empty value is the empty string.
        option: Command-line option of the texts, for the error message.
        example: Example in the error message.

    Raises:
        ConfigError: A text is not NAME=VALUE, or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise ConfigError(
                option, must_be='NAME=VALUE', got=repr(text), do=f'write for example {example}')
        try:
            values[name] = yaml.safe_load(value) if value else ''
        except yaml.YAMLError:
            raise ConfigError(
                option, must_be='NAME=VALUE with a value in YAML', got=repr(text),
                do='put the value into quotes') from None
    return values


NUM_PATHS = {'sgbm': (3, 5, 8), 'census': (4, 8), 'learned': (4, 8)}
"""Numbers of paths of the semi-global matchers, fewest first; other matchers have no paths."""

MAX_GRID_CELLS = 4_000_000
"""Maximum number of cells of the free-road grid."""


@dataclass(frozen=True, slots=True)
class InputConfig:
    """Input of stereo pairs."""

    transport: str = option_field('raw', 'Image transport of the cameras.', choices=(
        'raw', 'compressed'))
    rectify: bool = option_field(
        False, 'Take the raw images of left/image_raw and right/image_raw and rectify them by K, '
        'D, R and P of camera_info; false takes the rectified ones of left/image_rect and '
        'right/image_rect as they are.')
    reliability: str = option_field(
        'best_effort', 'QoS of the input subscriptions; best_effort also receives from reliable '
        'publishers.',
        choices=('best_effort', 'reliable'))
    queue_depth: int = option_field(
        2, 'Messages the middleware keeps of each input.', minimum=1, maximum=100)
    synchronization: str = option_field(
        'exact', 'Messages of a pair have equal stamps, or stamps at most slop_s apart.',
        choices=('exact', 'approximate'))
    slop_s: float = option_field(
        0.02, 'Largest difference between the stamps of a pair, if approximate.', unit='s',
        minimum=0.0001, maximum=1.0)
    synchronization_depth: int = option_field(
        10, 'Unpaired messages kept of each input.', minimum=2, maximum=1000)


@dataclass(frozen=True, slots=True)
class StereoConfig:
    """Stereo matching."""

    matcher: str = option_field(
        'sgbm', "OpenCV's semi-global (sgbm) or plain (bm) block matching, semi-global matching "
        'of census codes (census) or of learned embeddings (learned), or a DisparityImage topic '
        '(external).', choices=('sgbm', 'bm', 'census', 'learned', 'external'))
    weights: str = option_field(
        'shipped', 'Weights file (.safetensors) of the learned matcher; shipped takes those of '
        'the package.')
    resolution_divisor: int = option_field(
        1, 'Downscale factor of the images for matching; the disparity has full size again. The '
        'range and speckle_size refer to the full size, other sizes to the reduced one.',
        minimum=1, maximum=8)
    multiplexer_divisor: int = option_field(
        1, 'Downscale factor of the disparity used for scale selection; 1 uses the full-size '
        'one.', minimum=1, maximum=8)
    num_paths: int = option_field(
        0, 'Paths of semi-global matching: sgbm has 3, 5 or 8, census and learned 4 or 8; 0 '
        'takes the fewest.', minimum=0, maximum=8)
    min_disparity: int = option_field(
        0, 'Smallest disparity searched.', unit='px', minimum=-512, maximum=512)
    max_disparity: int = option_field(
        128, 'Disparities are searched below this; a multiple of 16 above min_disparity.',
        unit='px', minimum=16, maximum=1024)
    block_size: int = option_field(
        0, 'Side of the matched block of sgbm and bm; odd, at least 5 for bm; 0 is 5 for sgbm '
        'and 15 for bm.', unit='px', minimum=0, maximum=51)
    uniqueness_percent: int = option_field(
        -1, 'Margin by which the best match must beat the second best; -1 takes 10 for sgbm and '
        'bm, 0 for census and learned.', unit='%', minimum=-1, maximum=100)
    left_right_tolerance: int = option_field(
        1, 'Largest difference of the left-right check; -1 disables it.', unit='px',
        minimum=-1, maximum=64)
    speckle_size: int = option_field(
        100, 'Smaller regions of similar disparity become unknown; 0 keeps them.', unit='px',
        minimum=0, maximum=100000)
    speckle_range: int = option_field(
        2, 'Disparity step inside a region.', unit='px', minimum=1, maximum=64)
    median_side: int = option_field(
        5, 'Side of the median filter of census and learned: 1, 3 or 5; 1 disables it.',
        unit='px', minimum=1, maximum=5)
    fills_holes: bool = option_field(
        False, 'Fill unknown disparity of census and learned from the background in its row.')


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Network, class list and weights."""

    name: str = option_field('ldn121_64_4', 'Network.', choices=MODEL_NAMES, see='docs/models.md')
    taxonomy: str = option_field(
        'universal', 'Class list the network predicts.', choices=(
            'universal', 'cityscapes', 'rob2018', 'camvid', 'kitti11', 'synthetic_drive'))
    weights: str = option_field(
        'shipped', 'Weights file (.safetensors); shipped takes those of the package for this '
        'network and class list; empty, or where none are shipped, runs UNTRAINED random weights.')


@dataclass(frozen=True, slots=True)
class InferenceConfig:
    """Device, engine and arithmetic of the network."""

    device: str = option_field(
        'auto', 'Device of the network; auto is the GPU, or the CPU with a warning.',
        choices=('auto', 'cuda', 'cpu'))
    engine: str = option_field(
        'auto', 'Library that runs the network; auto takes the fastest of those installed, see '
        'docs/engines.md.', choices=(
            'auto', 'torch', 'openvino', 'onnxruntime', 'tensorrt', 'compiled'))
    engine_cache: str = option_field(
        '', 'Folder for exported networks; empty takes ldn_perception/engines in the cache of '
        'the user.')
    precision: str = option_field(
        'auto', 'Arithmetic of the network; auto is bfloat16 where the device has instructions '
        'for it. int8, by engine openvino, takes the ranges of its tensors from '
        'calibration_images; its labels differ a little.',
        choices=('auto', 'float32', 'bfloat16', 'int8'))
    calibration_images: str = option_field(
        '', 'Folder of at least 8 images of the cameras for precision int8, of which up to 48 '
        'are used; other images cause a new export.')
    multi_scale: bool = option_field(
        False, 'Average five scales of the image and their mirror images; for evaluation.')
    num_threads: int = option_field(
        0, 'CPU threads of the network; 0 takes every core.', minimum=0, maximum=256)

    @property
    def num_cpu_threads(self) -> int:
        """Number of CPU threads of the network, >= 1; every core if num_threads is 0."""
        return self.num_threads or os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class SegmentationConfig:
    """Decoding of logits into labels and masks."""

    ood_threshold: float = option_field(
        -1.0, 'A pixel is out of distribution above this foreign probability; below 0 it is the '
        'one the weights were calibrated for, or 0.5.', minimum=-1.0, maximum=1.0, live=True)
    label_policy: str = option_field(
        'void', 'Label where a foreign class is the most probable one: 255 (void), or the best '
        'driving class.',
        choices=('void', 'driving'), live=True)
    crf: str = option_field(
        'none', 'Refine the labels with a fully connected CRF; seconds a pair, on the CPU.',
        choices=('none', 'thesis', 'deeplab', 'deeplab_vgg16'))


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Publishing of results."""

    reliability: str = option_field(
        'reliable', 'QoS of the outputs; reliable reaches every subscriber.',
        choices=('reliable', 'best_effort'))
    queue_depth: int = option_field(
        1, 'Results the middleware keeps of each output.', minimum=1, maximum=100)
    overlay_opacity: float = option_field(
        0.5, 'Opacity of the colours over the camera image.', minimum=0.0, maximum=1.0,
        live=True)
    points_stride: int = option_field(
        2, 'Every n-th row and column becomes a point of the cloud.', unit='px', minimum=1,
        maximum=32, live=True)
    points_max_range_m: float = option_field(
        60.0, 'Farther points are left out of the cloud.', unit='m', minimum=1.0,
        maximum=1000.0, live=True)


@dataclass(frozen=True, slots=True)
class FreeRoadConfig:
    """Free road in the image and the ground grid."""

    max_range_m: float = option_field(
        40.0, 'Farther pixels are not free; the grid ends there.', unit='m', minimum=1.0,
        maximum=200.0, live=True)
    camera_height_m: float = option_field(
        0.0, 'Height of the left camera above the road; 0 is unknown: no height test, no '
        'grid.', unit='m', minimum=0.0, maximum=20.0)
    camera_pitch_deg: float = option_field(
        0.0, 'Pitch of the cameras, positive down.', unit='deg', minimum=-60.0, maximum=60.0,
        live=True)
    camera_roll_deg: float = option_field(
        0.0, 'Roll of the cameras, positive to the right.', unit='deg', minimum=-60.0,
        maximum=60.0, live=True)
    level_frame: str = option_field(
        '', 'Frame on the road with z up, for example base_footprint; TF gives the pose of the '
        'left camera in it and replaces the three parameters above.')
    ground_tolerance_m: float = option_field(
        0.2, 'Points farther above or below the road are not on it; grows with their depth by '
        'ground_slope_percent.', unit='m', minimum=0.01, maximum=2.0, live=True)
    ground_slope_percent: float = option_field(
        2.5, 'Tolerated slope of the road and error of the pitch.', unit='%',
        minimum=0.0, maximum=50.0, live=True)
    max_obstacle_height_m: float = option_field(
        3.0, 'Higher points are no obstacles.', unit='m', minimum=0.1, maximum=20.0, live=True)
    grid_resolution_m: float = option_field(
        0.2, 'Side of a cell of the grid.', unit='m', minimum=0.02, maximum=5.0, live=True)
    grid_width_m: float = option_field(
        20.0, 'Width of the grid, half of it on either side.', unit='m', minimum=1.0,
        maximum=200.0, live=True)
    grid_min_pixels: int = option_field(
        2, 'Fewest pixels that make a cell free or occupied.', unit='px', minimum=1, maximum=1000,
        live=True)


@dataclass(frozen=True, slots=True)
class OodAlarmConfig:
    """Alarm for images that are out of domain as a whole, by OOD share: share of masked pixels."""

    raise_above: float = option_field(
        0.5, 'OOD share, averaged over time, above which /diagnostics warns; 1 turns the '
        'alarm off.', minimum=0.0, maximum=1.0, live=True)
    clear_below: float = option_field(
        0.35, 'OOD share below which the warning ends.', minimum=0.0, maximum=1.0, live=True)
    time_constant_s: float = option_field(
        2.0, 'Time constant of the average.', unit='s', minimum=0.05, maximum=600.0, live=True)


@dataclass(frozen=True, slots=True)
class MonitoringConfig:
    """Diagnostics of the node."""

    diagnostics_period_s: float = option_field(
        1.0, 'Time between two messages on /diagnostics.', unit='s', minimum=0.1, maximum=60.0)
    silence_s: float = option_field(
        5.0, 'Time without output after which the node logs the reason.', unit='s', minimum=0.5,
        maximum=600.0, live=True)


@dataclass(frozen=True, slots=True)
class PerceptionConfig:
    """All options.

    Raises:
        ConfigError: A value is invalid for its option, or values contradict each other.
    """

    autostart: bool = option_field(True, 'Configure and activate when the process starts.')
    input: InputConfig = field(default_factory=InputConfig)
    stereo: StereoConfig = field(default_factory=StereoConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    free_road: FreeRoadConfig = field(default_factory=FreeRoadConfig)
    ood_alarm: OodAlarmConfig = field(default_factory=OodAlarmConfig)
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)

    def __post_init__(self) -> None:
        stereo = self.stereo
        searched = stereo.max_disparity - stereo.min_disparity
        if searched <= 0 or searched % 16:
            raise ConfigError(
                'stereo.max_disparity',
                must_be=f'stereo.min_disparity ({stereo.min_disparity}) plus a multiple of 16',
                got=stereo.max_disparity, do='round it to the next such value',
            )
        if stereo.block_size and stereo.block_size % 2 == 0:
            raise ConfigError(
                'stereo.block_size', must_be='odd', got=stereo.block_size, do='add or take one')
        if stereo.median_side % 2 == 0:
            raise ConfigError(
                'stereo.median_side', must_be='odd', got=stereo.median_side, do='add or take one')
        paths = NUM_PATHS.get(stereo.matcher, (stereo.num_paths,))
        if stereo.num_paths not in (0, *paths):
            raise ConfigError(
                'stereo.num_paths',
                must_be=f'0, {" or ".join(map(str, paths))} for the {stereo.matcher} matcher',
                got=stereo.num_paths, do='choose one of them')
        road = self.free_road
        num_cells = road.max_range_m * road.grid_width_m / road.grid_resolution_m ** 2
        if num_cells > MAX_GRID_CELLS:
            raise ConfigError(
                'free_road.grid_resolution_m',
                must_be=f'so that the grid has at most {MAX_GRID_CELLS} cells',
                got=f'{road.grid_resolution_m:g}, {num_cells:.0f} cells',
                do='take larger cells, a shorter range or a narrower grid')
        if self.ood_alarm.clear_below > self.ood_alarm.raise_above:
            raise ConfigError(
                'ood_alarm.clear_below',
                must_be=f'<= ood_alarm.raise_above ({self.ood_alarm.raise_above:g})',
                got=self.ood_alarm.clear_below, do='lower it, or raise the other')

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> PerceptionConfig:
        """Build from values by full option name; missing options get their defaults.

        Raises:
            ConfigError: A name is unknown, or a value is invalid for its option.
        """
        known = {option.name: option for option in options()}
        sections: dict[str, dict[str, Value]] = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(
                    'option', must_be=f'one of {", ".join(known)}', got=repr(name),
                    do='correct the name',
                )
            section, _, key = name.rpartition('.')
            sections.setdefault(section, {})[key] = known[name].check(value)
        arguments: dict[str, Any] = dict(sections.pop('', {}))
        types = get_type_hints(cls)
        arguments.update({name: types[name](**given) for name, given in sections.items()})
        return cls(**arguments)

    @classmethod
    def from_yaml(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> PerceptionConfig:
        """Build from a ROS parameter file.

        Args:
            path: YAML file with the ros__parameters of one node.
            overrides: Values that replace those of the file.

        Raises:
            ConfigError: The file is missing or not a parameter file, or a value is invalid.
        """
        return cls.from_values({**read_parameter_file(path), **(overrides or {})})

    def to_values(self) -> dict[str, Value]:
        """Values of all options by full name, in the order of `options`."""
        values = {}
        for option in options():
            section, _, key = option.name.rpartition('.')
            values[option.name] = getattr(getattr(self, section) if section else self, key)
        return values


def options() -> tuple[Option, ...]:
    """All options, in the order of the sections."""
    return tuple(section_options(PerceptionConfig))
