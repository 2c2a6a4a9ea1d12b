# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weights files: safetensors with a header that names the network and its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
import logging
import os
from pathlib import Path
import pickle

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
import torch
from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.segmentation_model import IMAGENET, Normalisation
from ldn_perception.models.weights_checks import (
    check_header_fields,
    check_tensor,
    tensors_checksum,
)

FORMAT_VERSION = 1
_HEADER_KEY = 'ldn_perception'
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightsHeader:
    """Header of a weights file.

    Attributes:
        model_name: Name of the network in the registry.
        class_names: Class names in the order of the logit channels.
        class_colors: RGB of each class, each in [0, 255]; empty if not stored.
        normalisation: Normalisation of the input images.
        ood_threshold: Foreign probability above which a pixel is out of distribution, calibrated
            for these weights; None if not calibrated.
        summary: Free-form record of the training: data, epochs, scores.
        format_version: Version of this header.
        tensors_sha256: Checksum of the tensors, hexadecimal, see `tensors_checksum`; set when the
            file is written, empty in files of older versions.
    """

    model_name: str
    class_names: tuple[str, ...]
    class_colors: tuple[tuple[int, ...], ...]
    normalisation: Normalisation
    ood_threshold: float | None
    summary: Mapping[str, object]
    format_version: int = FORMAT_VERSION
    tensors_sha256: str = field(default='', compare=False)


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
    dtype: torch.dtype | None = None,
) -> None:
    """Write the weights of a model, atomically.

    Args:
        path: File to write or replace, in an existing directory.
        model: The network.
        model_name: Its name in the registry.
        class_names: Class names in the order of the logit channels.
        summary: Anything JSON can hold, see `WeightsHeader`.
        class_colors: See `WeightsHeader`.
        normalisation: See `WeightsHeader`.
        ood_threshold: See `WeightsHeader`.
        dtype: Stored dtype of floating-point tensors, for example torch.float16 for half the
            size; None keeps their dtypes. Counters stay integers.

    Raises:
        ModelError: `dtype` is not a floating-point type, a value is out of its range, or the file
            cannot be written.
    """
    path = Path(path)
    header = WeightsHeader(
        model_name, tuple(class_names), tuple(tuple(rgb) for rgb in class_colors), normalisation,
        ood_threshold, summary or {})
    tensors = {
        name: _stored(name, value, dtype) for name, value in model.state_dict().items()
    }
    write_weights(path, tensors, header)


def store_ood_threshold(
    source: str | os.PathLike[str], path: str | os.PathLike[str], threshold: float,
    calibration: Mapping[str, object],
) -> None:
    """Copy a weights file with another OOD threshold.

    Args:
        source: File written by `save_weights`.
        path: File to write or replace, may be `source`; written atomically.
        threshold: See `WeightsHeader.ood_threshold`, in [0, 1].
        calibration: Record of the calibration; stored in the summary as 'ood_calibration'.

    Raises:
        ModelError: See `read_weights_header` and `read_tensors`; or the threshold is outside
            [0, 1], or the file cannot be written.
    """
    if not 0 <= threshold <= 1:
        raise ModelError(
            'foreign threshold', must_be='in [0, 1]', got=threshold, do='calibrate it again')
    known = read_weights_header(source)
    summary = {**known.summary, 'ood_calibration': dict(calibration)}
    changed = replace(known, ood_threshold=threshold, summary=summary)
    write_weights(Path(path), read_tensors(source, known), changed)


def average_weights(
    sources: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str],
) -> WeightsHeader:
    """Write the mean of several weights files of one network with a common initialisation.

    Running statistics of batch norms are averaged too. They are not the exact statistics of the
    averaged network.

    Args:
        sources: Two or more files written by `save_weights`. Counters, dtypes of the tensors and
            class colours are taken from the first.
        path: File to write or replace, atomically. Its summary holds the summaries of the sources
            as 'mean_of'; it has no OOD threshold.

    Returns:
        Header of the written file.

    Raises:
        ModelError: See `read_weights_header` and `read_tensors`; or there are fewer than two
            files, they differ in network, classes or normalisation, or the file cannot be written.

    Source: Wortsman et al., Model soups (ICML 2022), uniform soup.
    """
    files = [Path(source) for source in sources]
    if len(files) < 2:
        raise ModelError(
            'weights files to average', must_be='two or more', got=len(files), do='name others')
    headers = [read_weights_header(file) for file in files]
    first, means = headers[0], read_tensors(files[0], headers[0])
    types = {name: value.dtype for name, value in means.items()}
    for file, header in zip(files[1:], headers[1:], strict=True):
        _check_header(file, header, first.model_name, first.class_names)
        if header.normalisation != first.normalisation:
            raise ModelError(
                f'normalisation of weights file {file}', must_be=str(first.normalisation),
                got=header.normalisation, do='average weights of images normalised alike')
        tensors = read_tensors(file, header)
        _check_tensors(file, tensors, means)
        for name, value in tensors.items():
            if value.is_floating_point():
                means[name] = means[name].double() + value
    tensors = {
        name: (value / len(files)).to(types[name]) if value.is_floating_point() else value
        for name, value in means.items()}
    mean = replace(
        first, ood_threshold=None, summary={'mean_of': [dict(each.summary) for each in headers]})
    write_weights(Path(path), tensors, mean)
    return mean


def _to_fields(header: WeightsHeader) -> dict[str, object]:
    return {
        'format_version': header.format_version, 'model_name': header.model_name,
        'class_names': header.class_names, 'class_colors': header.class_colors,
        'image_mean': header.normalisation.mean, 'image_std': header.normalisation.std,
        'ood_threshold': header.ood_threshold, 'summary': dict(header.summary),
        'tensors_sha256': header.tensors_sha256,
    }


def write_weights(path: Path, tensors: Mapping[str, Tensor], header: WeightsHeader) -> None:
    """Write tensors and a header with their checksum to a weights file, atomically.

    Raises:
        ModelError: A value of the header is out of its range, or the file cannot be written.
    """
    fields = _to_fields(replace(header, tensors_sha256=tensors_checksum(tensors)))
    check_header_fields(path, fields)
    text = json.dumps(fields)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        save_file(dict(tensors), partial, metadata={_HEADER_KEY: text})
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f'weights file {path}', must_be='writable', got=error, do='choose another place'
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _stored(name: str, value: Tensor, dtype: torch.dtype | None) -> Tensor:
    value = value.detach().cpu().contiguous()
    if dtype is None:
        return value
    if not dtype.is_floating_point:
        raise ModelError(
            'dtype of stored weights', must_be='of floating point', got=dtype,
            do='choose torch.float16, torch.bfloat16 or torch.float32',
        )
    if not value.is_floating_point():
        return value
    stored = value.to(dtype)
    if not torch.equal(stored.isfinite(), value.isfinite()):
        raise ModelError(
            f'tensor {name}', must_be=f'within the range of {dtype}',
            got=float(value.abs().max()), do='store torch.bfloat16 or torch.float32',
        )
    return stored


def read_weights_header(path: str | os.PathLike[str]) -> WeightsHeader:
    """Read the header of a weights file, without its tensors.

    Raises:
        ModelError: The file does not exist, is not a weights file of this package, or has a
            header of another version, a damaged one, or one with a value out of its range.
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
        check_header_fields(path, header)
        return WeightsHeader(
            model_name=header['model_name'],
            class_names=tuple(header['class_names']),
            class_colors=tuple(tuple(rgb) for rgb in header['class_colors']),
            normalisation=Normalisation(
                tuple(header['image_mean']), tuple(header['image_std'])),
            ood_threshold=header['ood_threshold'],
            summary=header['summary'],
            tensors_sha256=header.get('tensors_sha256', ''),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f'header of weights file {path}', must_be='JSON with every field of WeightsHeader',
            got=repr(error), do='copy or convert the file again',
        ) from error


def read_tensors(path: str | os.PathLike[str], header: WeightsHeader) -> dict[str, Tensor]:
    """Read and check the tensors of a weights file.

    Args:
        path: File written by `save_weights`.
        header: Its header.

    Raises:
        ModelError: The tensors do not have the checksum of the header, one is not finite or of an
            unusual floating-point type, or a variance is negative.
    """
    tensors = load_file(path)
    if not header.tensors_sha256:
        _logger.info('weights file %s has no checksum of its tensors', path)
    elif tensors_checksum(tensors) != header.tensors_sha256:
        raise ModelError(
            f'tensors of weights file {path}',
            must_be=f'those with the SHA-256 {header.tensors_sha256[:12]}... of the header',
            got='others: the file was damaged or changed after it was written',
            do='copy or convert the file again')
    for name, value in tensors.items():
        check_tensor(f'tensor {name} of weights file {path}', name, value)
    return tensors


def load_weights(
    path: str | os.PathLike[str],
    model: nn.Module,
    model_name: str,
    class_names: Sequence[str],
) -> WeightsHeader:
    """Load weights into a model, all tensors or none.

    Args:
        path: File written by `save_weights`.
        model: The network; its tensors keep their device and dtype.
        model_name: Its name in the registry.
        class_names: Class names in the order of the logit channels.

    Returns:
        Header of the file; the engine applies its normalisation.

    Raises:
        ModelError: See `read_weights_header` and `read_tensors`; or the file is for another
            network or other classes, or a tensor is missing, unexpected, or of another shape or
            kind of number.
    """
    path = Path(path)
    header = read_weights_header(path)
    _check_header(path, header, model_name, tuple(class_names))
    tensors = read_tensors(path, header)
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
        if found[name].is_floating_point() != value.is_floating_point():
            raise ModelError(
                f'dtype of tensor {name} of weights file {path}',
                must_be='of floating point' if value.is_floating_point() else str(value.dtype),
                got=found[name].dtype, do=advice,
            )


UNREADABLE = (
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, OverflowError, pickle.UnpicklingError,
)
"""Exceptions that torch raises for files that are damaged or of another kind."""


def load_torch_file(path: Path) -> object:
    """Load a file written by torch.save on the CPU, data only (`weights_only`).

    Raises:
        Exception: One of `UNREADABLE`; see `unreadable_reason`.
    """
    return torch.load(path, map_location='cpu', weights_only=True)


def unreadable_reason(error: BaseException) -> str:
    """First line of a torch error, without torch's advice to load with weights_only=False."""
    if isinstance(error, pickle.UnpicklingError):
        return 'a damaged file, or one that holds more than tensors'
    return str(error).partition('\n')[0] or type(error).__name__
