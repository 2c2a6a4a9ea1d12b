# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of the authors' public code, for the `*_released` designs.

The layout is that of their evaluation with depth 121 and `pretrained=1`. Their code normalises RGB
images with RELEASED_IMAGE_MEAN and RELEASED_IMAGE_STD instead of the ImageNet values; use the same
values with these weights.

Source: https://github.com/ivankreso/LDN, models/ldn_semseg.py and layers.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
import os
from pathlib import Path
import re

from torch import Tensor

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseNet, TransitionDown
from ldn_perception.models.ldn import LadderDenseNet
from ldn_perception.models.weights import UNREADABLE, load_torch_file, unreadable_reason

RELEASED_IMAGE_MEAN = tuple(value / 255 for value in (73.45286, 83.21195, 72.78044))
"""Mean RGB of the authors' normalisation, for values in [0, 1]."""

RELEASED_IMAGE_STD = tuple(value / 255 for value in (45.19961, 46.3659, 45.48506))
"""Standard deviation of the authors' normalisation, for values in [0, 1]."""

_UNIT_LAYERS = {
    'norm1': 'reduce.norm', 'conv1': 'reduce.conv', 'norm2': 'grow.norm', 'conv2': 'grow.conv',
}
_STEP_LAYERS = {
    'bottleneck': 'project_skip', 'blend_bt': 'reduce', 'blend_conv': 'blend',
    'skip_bt': 'shortcut',
}
_DOTTED_LAYER = re.compile(r'(denselayer\d+\.(?:norm|conv))\.([12]\.)')


def load_released_ldn(
    source: str | os.PathLike[str] | Mapping[str, Tensor], model: LadderDenseNet
) -> None:
    """Load weights of the authors' code into a model, all tensors or none.

    Batch counters (`num_batches_tracked`) may be missing, as in files of older PyTorch; they do
    not affect the network. Weights with auxiliary heads need a model with auxiliary heads.

    Args:
        source: File written by `torch.save`, or its content: tensors by the authors' names.
        model: A network of a `*_released` design; stays on its device.

    Raises:
        ModelError: The file cannot be read or holds something else; the network is of another
            kind; or a tensor is missing, unexpected or of another shape.
    """
    tensors = read_released_ldn(source)
    names = dict(released_names(model))
    expected = model.state_dict()
    _check_names(tensors, names)
    for theirs, ours in names.items():
        if theirs in tensors and tensors[theirs].shape != expected[ours].shape:
            raise ModelError(
                f'released tensor {theirs}', must_be=f'{tuple(expected[ours].shape)}',
                got=tuple(tensors[theirs].shape), do='build the network the weights are of',
            )
    state = {ours: tensors[theirs] for theirs, ours in names.items() if theirs in tensors}
    model.load_state_dict({**expected, **state})


def read_released_ldn(source: str | os.PathLike[str] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read tensors of the authors' code, by the names in its current version.

    Args:
        source: See `load_released_ldn`.

    Raises:
        ModelError: The file cannot be read or holds something else.
    """
    content = source if isinstance(source, Mapping) else _read(Path(source))
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise ModelError(
            'released weights', must_be='a state dict of tensors', got=type(content).__name__,
            do='pass what the code of the authors saves',
        )
    return {_DOTTED_LAYER.sub(r'\1\2', name): value for name, value in content.items()}


def has_auxiliary_heads(tensors: Iterable[str]) -> bool:
    """Return True if the authors' tensor names include auxiliary heads."""
    return any('.aux_logits.' in name for name in tensors)


def _read(path: Path) -> object:
    try:
        return load_torch_file(path)
    except UNREADABLE as error:
        raise ModelError(
            f'released weights {path}', must_be='a file of tensors that torch.save has written',
            got=unreadable_reason(error), do='check the path or copy it again',
        ) from error


def released_names(model: LadderDenseNet) -> Iterator[tuple[str, str]]:
    """Yield the name of every tensor in the authors' state dict and in ours.

    Raises:
        ModelError: The network has a layer that the authors' network lacks.
    """
    layers = dict(_layer_names(model))
    for ours in model.state_dict():
        layer, tensor = ours.rsplit('.', 1)
        if layer not in layers:
            raise ModelError(
                'network for released weights', must_be='of a *_released design',
                got=f'one with the layer {layer}', do='build one of those',
            )
        yield f'{layers[layer]}.{tensor}', ours


def _layer_names(model: LadderDenseNet) -> Iterator[tuple[str, str]]:
    yield 'backbone.stem.conv', 'features.conv0'
    yield 'backbone.stem.norm', 'features.norm0'
    if isinstance(model.backbone, DenseNet):
        yield from _backbone_names(model.backbone)
    grids = range(len(model.pyramid.pooled_channels))
    yield from _unit('pyramid.project', 'spp.spp.spp_bn')
    for index in grids:
        yield from _unit(f'pyramid.levels.{index}', f'spp.spp.spp{index}')
    yield from _unit('pyramid.blend', 'spp.spp.spp_fuse')
    for index in range(len(model.ladder.steps)):
        step = f'upsample_layers.upsample_{index}'
        for theirs, ours in _STEP_LAYERS.items():
            yield from _unit(f'ladder.steps.{index}.{ours}', f'{step}.{theirs}')
        yield from _unit(f'auxiliary_heads.steps.{index}', f'{step}.aux_logits')
    yield from _unit('head', 'logits')


def _backbone_names(backbone: DenseNet) -> Iterator[tuple[str, str]]:
    """Map names of backbone tensors; both halves of a split block are one block there."""
    whole, unit = 1, 0
    for index, block in enumerate(backbone.blocks):
        for position, _ in enumerate(block.get_submodule('units').children()):
            unit += 1
            for theirs, ours in _UNIT_LAYERS.items():
                yield (
                    f'backbone.blocks.{index}.units.{position}.{ours}',
                    f'features.denseblock{whole}.denselayer{unit}.{theirs}',
                )
        downs = backbone.downs
        if index < len(downs) and isinstance(downs[index], TransitionDown):
            yield from _unit(f'backbone.downs.{index}', f'features.transition{whole}')
            whole, unit = whole + 1, 0


def _unit(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield f'{ours}.norm', f'{theirs}.norm'
    yield f'{ours}.conv', f'{theirs}.conv'


def _check_names(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    missing = [
        name for name in names if name not in tensors and not name.endswith('num_batches_tracked')
    ]
    left_over = [name for name in tensors if name not in names]
    if missing or left_over:
        raise ModelError(
            'released weights', must_be=f'the {len(names)} tensors of the network',
            got=f'{len(missing)} missing {missing[:10]} and {len(left_over)} left over '
                f'{left_over[:10]}',
            do='build the network the weights are of (depth, steps, auxiliary heads)',
        )
