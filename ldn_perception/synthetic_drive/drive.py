# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic drive with exact ground truth: rendering and writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
import json
import math
from multiprocessing import get_context
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ldn_perception.data.images import encode_disparity
from ldn_perception.errors import DatasetError
from ldn_perception.synthetic_drive.materials import Lighting, TextureAtlas
from ldn_perception.synthetic_drive.renderer import RayScene, Renderer, View, check_ray_caster
from ldn_perception.synthetic_drive.street import BLOCK_M, Street
from ldn_perception.synthetic_drive.traffic import CameraPath, Traffic
from ldn_perception.types import CameraGeometry, StereoFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_ID = 'left_optical'
"""Frame of the left camera: x right, y down, z forward."""

_MIN_SIZE_PX = 16
_FOCAL_LENGTH_PER_WIDTH = 0.55
_NOISE_DEVIATION = 1.6
_NOISE_MARGIN_PX = 256


@dataclass(frozen=True, slots=True)
class SyntheticSample:
    """Stereo pair with ground truth of its left image.

    Attributes:
        frame: Stereo pair.
        disparity: (H, W) float32, exactly fx B / Z [px]; NaN for the sky.
        labels: (H, W) uint8 Cityscapes train ids; 255 = void, including foreign objects.
        foreign: (H, W) bool, True on foreign objects.
        occluded: (H, W) bool, True where the point is not visible in the right image: hidden or
            outside; False for the sky.
        pose: (4, 4) float64, world from left optical frame [m]; world: x along the street, y
            left, z up, road at z = 0.
    """

    frame: StereoFrame
    disparity: NDArray[np.float32]
    labels: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    pose: NDArray[np.float64]


class SyntheticDrive:
    """Sequence of rendered stereo pairs; sample i depends only on the arguments and i.

    Args:
        seed: Seed of street, traffic, weather and noise; at least 0.
        num_frames: Number of pairs.
        width: Image width [px].
        height: Image height [px].
        rate_hz: Rate of the pairs [Hz].
        speed_m_per_s: Speed of the cameras along the street.
        baseline_m: Distance between the cameras.
        foreign_objects: True to include foreign objects.

    Attributes:
        geometry: Camera geometry of the rig.
        rate_hz: Rate of the pairs [Hz].
        arguments: Constructor arguments of this drive.

    Raises:
        DatasetError: An argument is out of range, or the ray caster is not installed.
    """

    def __init__(
        self, seed: int = 0, num_frames: int = 60, width: int = 640, height: int = 320,
        rate_hz: float = 10.0, speed_m_per_s: float = 8.0, baseline_m: float = 0.54,
        foreign_objects: bool = True,
    ) -> None:
        check_ray_caster()
        _check_least('seed', seed, 0)
        _check_least('num_frames', num_frames, 1)
        _check_least('width', width, _MIN_SIZE_PX)
        _check_least('height', height, _MIN_SIZE_PX)
        _check_positive('rate_hz', rate_hz)
        _check_positive('speed_m_per_s', speed_m_per_s)
        _check_positive('baseline_m', baseline_m)
        focal = _FOCAL_LENGTH_PER_WIDTH * width
        cx, cy = (width - 1) / 2, (height - 1) / 2
        self.geometry = CameraGeometry(width, height, focal, focal, cx, cy, cx, baseline_m)
        self.rate_hz = rate_hz
        self.arguments = {
            'seed': seed, 'num_frames': num_frames, 'width': width, 'height': height,
            'rate_hz': rate_hz, 'speed_m_per_s': speed_m_per_s, 'baseline_m': baseline_m,
            'foreign_objects': foreign_objects,
        }
        self._seed = seed
        self._num_frames = num_frames
        self._street = Street(seed, foreign_objects)
        self._path = CameraPath(seed, self._street, speed_m_per_s)
        length = self._path.position_m(num_frames / rate_hz)
        self._traffic = Traffic(seed, self._street, speed_m_per_s, length, foreign_objects)
        self._renderer = Renderer(self.geometry, TextureAtlas(seed), Lighting.from_seed(seed))
        shape = (height + _NOISE_MARGIN_PX, width + _NOISE_MARGIN_PX, 3)
        noise = np.random.default_rng([seed, 9]).standard_normal(shape, np.float32)
        self._noise = np.float32(_NOISE_DEVIATION) * noise + np.float32(0.5)
        self._static_scene = lru_cache(maxsize=2)(self._build_static_scene)

    def __len__(self) -> int:
        return self._num_frames

    def __iter__(self) -> Iterator[SyntheticSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> SyntheticSample:
        """Sample at an index; negative indices count from the end.

        Raises:
            IndexError: The index is out of range.
        """
        index = range(self._num_frames)[index]
        time_s = index / self.rate_hz
        pose = self._path.pose(time_s)
        block = int(pose[0, 3] // BLOCK_M)
        origin = block * BLOCK_M
        moving = self._traffic.at(time_s, pose[0, 3], origin)
        scenes = (self._static_scene(block), RayScene(moving))
        local, local_right = _moved(pose, -origin), self._right_pose(_moved(pose, -origin))
        with ThreadPoolExecutor(2) as pool:
            left, right = pool.map(
                lambda camera: self._renderer.render(scenes, camera), (local, local_right)
            )
        hidden = self._renderer.is_hidden(left, scenes, local[:3, 3], local_right[:3, 3])
        return self._sample(index, left, right, hidden, pose)

    def _build_static_scene(self, block: int) -> RayScene:
        return RayScene(self._street.window(block))

    def _right_pose(self, left_pose: NDArray[np.float64]) -> NDArray[np.float64]:
        pose: NDArray[np.float64] = left_pose.copy()
        pose[:3, 3] += self.geometry.baseline * pose[:3, 0]
        return pose

    def _sample(
        self, index: int, left: View, right: View, hidden: NDArray[np.bool_],
        pose: NDArray[np.float64],
    ) -> SyntheticSample:
        shape = self.geometry.shape
        scale = np.float32(self.geometry.fx * self.geometry.baseline)
        disparity = (scale / left.depth_m).reshape(shape)
        disparity[disparity == 0] = np.nan
        outside = np.arange(self.geometry.width) - disparity < -0.5
        frame = StereoFrame(
            stamp_ns=round((index + 1) * 1e9 / self.rate_hz), frame_id=FRAME_ID,
            left=self._exposed(left, index, 0), right=self._exposed(right, index, 1),
            geometry=self.geometry,
        )
        return SyntheticSample(
            frame, disparity, left.labels.reshape(shape), left.foreign.reshape(shape),
            hidden.reshape(shape) | outside, pose,
        )

    def _exposed(self, view: View, index: int, camera: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) with sensor noise, a random crop of one noise field."""
        rng = np.random.default_rng([self._seed, 9, index, camera])
        row, column = rng.integers(0, _NOISE_MARGIN_PX, 2)
        height, width = self.geometry.shape
        image = view.image + self._noise[row:row + height, column:column + width]
        exposed: NDArray[np.uint8] = np.clip(image, 0, 255, out=image).astype(np.uint8)
        return exposed


def _moved(pose: NDArray[np.float64], x_m: float) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = pose.copy()
    moved[0, 3] += x_m
    return moved


def _check_least(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or int(value) != value or value < least:
        raise DatasetError(
            f'{name} of the synthetic drive', must_be=f'a whole number >= {least}', got=value,
            do='pass a larger one', reason='argument',
        )


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise DatasetError(
            f'{name} of the synthetic drive', must_be='finite and > 0', got=value,
            do='pass a positive number', reason='argument',
        )


_AHEAD = 2  # samples rendered ahead per process; bounds the memory


class ParallelDrive:
    """Samples of a drive in order, rendered by several processes; byte-identical to a single one.

    Threads do not help: the ray caster holds the interpreter lock. The processes are spawned, so a
    script that iterates this must guard its main part as required by multiprocessing.

    Args:
        drive: Drive to render.
        num_processes: Number of rendering processes; one per core by default.
    """

    def __init__(self, drive: SyntheticDrive, num_processes: int | None = None) -> None:
        self._drive = drive
        self._num_processes = num_processes or os.cpu_count() or 1

    def __len__(self) -> int:
        return len(self._drive)

    def __iter__(self) -> Iterator[SyntheticSample]:
        """Render and yield the samples in order."""
        waiting: deque[Future[SyntheticSample]] = deque()
        with ProcessPoolExecutor(
            self._num_processes, get_context('spawn'), _open, (self._drive.arguments,),
        ) as pool:
            for index in range(len(self)):
                waiting.append(pool.submit(_render, index))
                if len(waiting) > _AHEAD * self._num_processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


_DRIVE: SyntheticDrive  # drive of a rendering process


def _open(arguments: dict[str, Any]) -> None:
    global _DRIVE
    _DRIVE = SyntheticDrive(**arguments)


def _render(index: int) -> SyntheticSample:
    return _DRIVE[index]


_FOLDERS = ('left', 'right', 'disparity', 'labels', 'foreign')


def write_images(
    drive: SyntheticDrive, directory: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a drive as PNG images with its calibration and poses.

    left/ and right/ hold RGB, disparity/ 16 bit px * 256 with 0 = unknown, labels/ Cityscapes
    train ids, foreign/ 0 or 255; files are named 000000.png and so on. calib.json holds the
    camera, poses.txt one row of twelve numbers per pair: world from left optical frame.

    Args:
        drive: Drive to write.
        directory: Output folder; created if missing.
        progress: Callback with the number of written pairs and their total.

    Raises:
        DatasetError: A file cannot be written.
    """
    root = Path(directory)
    try:
        for folder in _FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / 'calib.json').write_text(json.dumps(_calibration(drive), indent=2) + '\n')
        rows = []
        for index, sample in enumerate(drive):
            for folder, image in zip(_FOLDERS, _images(sample), strict=True):
                _write_png(root / folder / f'{index:06d}.png', image)
            rows.append(' '.join(f'{value:.9g}' for value in sample.pose[:3].ravel()))
            if progress is not None:
                progress(index + 1, len(drive))
        (root / 'poses.txt').write_text('\n'.join(rows) + '\n')
    except OSError as error:
        raise DatasetError(
            f'directory {root}', must_be='writable', got=error.strerror,
            do='choose another directory', reason='write',
        ) from error


def _images(sample: SyntheticSample) -> tuple[NDArray[np.generic], ...]:
    """Images in the order of the folders, with OpenCV's channel order."""
    assert sample.frame.right is not None
    return (
        sample.frame.left[..., ::-1], sample.frame.right[..., ::-1],
        encode_disparity(sample.disparity), sample.labels, np.uint8(255) * sample.foreign,
    )


def _write_png(path: Path, image: NDArray[np.generic]) -> None:
    encoded = cv2.imencode('.png', np.ascontiguousarray(image))[1]
    path.write_bytes(encoded.tobytes())


def _calibration(drive: SyntheticDrive) -> dict[str, float]:
    geometry = drive.geometry
    return {
        'fx': geometry.fx, 'fy': geometry.fy, 'cx': geometry.cx, 'cy': geometry.cy,
        'baseline_m': geometry.baseline, 'width': geometry.width, 'height': geometry.height,
        'rate_hz': drive.rate_hz,
    }
