# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weights files: safetensors with a header that says which network and classes they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.normalisation import IMAGENET, Normalisation

FORMAT_VERSION = 1
_HEADER_KEY = 'ldn_perception'


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says about itself.

    Attributes:
        model_name: Name of the network in the registry.
        class_names: Class names in the order of the logit channels.
        class_colors: RGB of each class, each in [0, 255]; empty if the file does not say.
        normalisation: What the images were normalised with.
        ood_threshold: Foreign probability above which a pixel is out of distribution, as
            calibrated for these weights; None if it was not.
        summary: Whatever the training wants to be remembered: data, epochs, scores.
        format_version: Version of this header.
    """

    model_name: str
    class_names: tuple[str, ...]
    class_colors: tuple[tuple[int, ...], ...]
    normalisation: Normalisation
    ood_threshold: float | None
    summary: Mapping[str, object]
    format_version: int = FORMAT_VERSION


def save_weights(
    path: str | os.PathLike[str],
    model: nn.Module,
    model_name: str,
    class_names: Sequence[str],
    summary: Mapping[str, object] | None = None,
    *,
    class_colors: Sequence[Sequence[int]] = (),
    normalisation: Normalisation = IMAGENET,
    ood_threshold: float | None = None,
) -> None:
    """Write the weights of a model; the file appears whole or not at all.

    Args:
        path: File to write or replace, in a directory that exists.
        model: The network.
        model_name: Its name in the registry.
        class_names: Class names in the order of its logit channels.
        summary: Anything JSON can hold, see `WeightsHeader`.
        class_colors: See `WeightsHeader`.
        normalisation: See `WeightsHeader`.
        ood_threshold: See `WeightsHeader`.

    Raises:
        ModelError: The file cannot be written there.
    """
    path = Path(path)
    header = {
        'format_version': FORMAT_VERSION, 'model_name': model_name,
        'class_names': list(class_names), 'class_colors': [list(rgb) for rgb in class_colors],
        'image_mean': normalisation.mean, 'image_std': normalisation.std,
        'ood_threshold': ood_threshold, 'summary': dict(summary or {}),
    }
    metadata = {_HEADER_KEY: json.dumps(header)}
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        save_file(tensors, partial, metadata=metadata)
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f'weights file {path}', must_be='writable', got=error, do='choose another place'
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def read_weights_header(path: str | os.PathLike[str]) -> WeightsHeader:
    """What a weights file is for; its tensors are not read.

    Raises:
        ModelError: There is no such file, it is not a weights file of this package, or its header
            is of another version or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(
            f'weights file {path}', must_be='an existing file',
            got='a directory' if path.is_dir() else 'nothing', do='check the path',
        )
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f'weights file {path}', must_be='a readable safetensors file', got=error,
            do='copy or convert it again',
        ) from error
    if _HEADER_KEY not in metadata:
        raise ModelError(
            f'weights file {path}', must_be='written by ldn_perception',
            got=f'a safetensors file with the metadata {sorted(metadata)}',
            do='convert it, so that it names its network and classes',
        )
    return _parse_header(path, metadata[_HEADER_KEY])


def _parse_header(path: Path, text: str) -> WeightsHeader:
    try:
        header = json.loads(text)
        version = header['format_version']
        if version != FORMAT_VERSION:
            raise ModelError(
                f'format version of weights file {path}', must_be=str(FORMAT_VERSION),
                got=version, do='use the version of the package that wrote it',
            )
        return WeightsHeader(
            model_name=header['model_name'],
            class_names=tuple(header['class_names']),
            class_colors=tuple(tuple(rgb) for rgb in header['class_colors']),
            normalisation=Normalisation(
                tuple(header['image_mean']), tuple(header['image_std'])),
            ood_threshold=header['ood_threshold'],
            summary=header['summary'],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f'header of weights file {path}', must_be='JSON with every field of WeightsHeader',
            got=repr(error), do='copy or convert the file again',
        ) from error


def load_weights(
    path: str | os.PathLike[str],
    model: nn.Module,
    model_name: str,
    class_names: Sequence[str],
) -> WeightsHeader:
    """Load weights into a model, every tensor or none.

    Args:
        path: A file that `save_weights` wrote.
        model: The network; stays on its device.
        model_name: Its name in the registry.
        class_names: Class names in the order of its logit channels.

    Returns:
        The header of the file; its normalisation is the engine's to apply.

    Raises:
        ModelError: See `read_weights_header`; or the file is for another network or other
            classes, or a tensor is missing, left over or of another shape.
    """
    path = Path(path)
    header = read_weights_header(path)
    _check_header(path, header, model_name, tuple(class_names))
    tensors = load_file(path)
    _check_tensors(path, tensors, model.state_dict())
    model.load_state_dict(tensors)
    return header


def _check_header(
    path: Path, header: WeightsHeader, model_name: str, class_names: tuple[str, ...]
) -> None:
    if header.model_name != model_name:
        raise ModelError(
            f'weights file {path}', must_be=f'for model {model_name}',
            got=f'one for model {header.model_name}',
            do='choose the model or the weights to match the other',
        )
    if header.class_names != class_names:
        raise ModelError(
            f'classes of weights file {path}', must_be=f'the {len(class_names)} of the taxonomy',
            got=_class_difference(header.class_names, class_names),
            do='choose the taxonomy the weights were trained for',
        )


def _class_difference(found: tuple[str, ...], expected: tuple[str, ...]) -> str:
    if len(found) != len(expected):
        return f'{len(found)} classes'
    index = next(index for index, name in enumerate(found) if name != expected[index])
    return f'{found[index]!r} instead of {expected[index]!r} as class {index}'


def _check_tensors(
    path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    advice = 'use weights written for this version of the network'
    missing = sorted(expected.keys() - found.keys())
    left_over = sorted(found.keys() - expected.keys())
    if missing or left_over:
        raise ModelError(
            f'tensors of weights file {path}', must_be=f'the {len(expected)} of the network',
            got=f'{len(missing)} missing {missing[:3]} and {len(left_over)} left over '
                f'{left_over[:3]}',
            do=advice,
        )
    for name, value in expected.items():
        if found[name].shape != value.shape:
            raise ModelError(
                f'tensor {name} of weights file {path}', must_be=f'{tuple(value.shape)}',
                got=tuple(found[name].shape), do=advice,
            )
