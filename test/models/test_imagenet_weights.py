# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import hashlib
import math
import re

from models.torchvision_layouts import (
    LAYOUTS,
    PUBLISHED_PARAMETERS,
    densenet_layout,
    distinct_tensors,
    resnet_layout,
    vgg_layout,
)
import pytest
from safetensors.torch import save_file
import torch
from torch import nn

from ldn_perception.errors import ModelError
from ldn_perception.models.deeplab import DilatedResNet, DilatedVgg
from ldn_perception.models.densenet import DenseNet
from ldn_perception.models.imagenet_weights import IMAGENET_FILES, load_imagenet_weights
from ldn_perception.models.resnet import ResNet, dpn68, resnet18, resnet50, resnet101
from ldn_perception.models.vgg import VggFeatures

BACKBONES = {
    'densenet121': DenseNet,
    'densenet161': lambda: DenseNet(block_sizes=(6, 12, 36, 24), growth=48, stem_channels=96),
    'densenet169': lambda: DenseNet(block_sizes=(6, 12, 32, 32)),
    'resnet18': resnet18, 'resnet50': resnet50, 'resnet101': resnet101, 'vgg16': VggFeatures,
}
DILATED = {
    'vgg16': DilatedVgg, 'resnet50': lambda: DilatedResNet(resnet50()),
    'resnet101': lambda: DilatedResNet(resnet101()),
}
CLASSIFIER = re.compile(r'(features\.norm5|classifier.*|fc)\.\w+')


def build_empty(name, builders=BACKBONES):
    """A backbone without initial values, which would take longer than all the rest."""
    with torch.device('meta'):
        return builders[name]()


def tensors_in_order_of_use(backbone):
    """Names of all tensors of the convolutions and batch norms, as an image meets them."""
    names = {module: name for name, module in backbone.named_modules()}
    used = []
    hooks = [
        module.register_forward_hook(lambda module, *_: used.append(module))
        for module in names if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))
    ]
    with torch.no_grad():
        image = torch.empty(1, 3, 64, 64, device='meta')
        backbone.eval()([image] if isinstance(backbone, VggFeatures) else image)
    for hook in hooks:
        hook.remove()
    return [f'{names[module]}.{name}' for module in used for name in module.state_dict()]


@pytest.fixture
def write(tmp_path):
    def write_file(tensors, name='weights.pth'):
        torch.save(tensors, tmp_path / name)
        return tmp_path / name
    return write_file


@pytest.fixture(scope='module')
def small():
    """A ResNet of four units and a file for it."""
    layout = resnet_layout((1, 1, 1, 1), (3, 3), 1)
    return ResNet(stage_sizes=(1, 1, 1, 1)), distinct_tensors(layout)


@pytest.mark.parametrize('name', LAYOUTS)
def test_description_has_the_published_number_of_parameters(name):
    counted = sum(
        math.prod(shape) for key, shape in LAYOUTS[name].items()
        if 'running' not in key and 'num_batches' not in key
    )
    assert counted == PUBLISHED_PARAMETERS[name]


def test_every_network_of_the_description_can_be_asked_for_by_name():
    assert set(IMAGENET_FILES) == set(LAYOUTS)
    for name, url in IMAGENET_FILES.items():
        assert re.fullmatch(rf'https://\S+/models/{name}-[0-9a-f]{{8}}\.pth', url)


@pytest.mark.parametrize(('builders', 'name'), [
    *((BACKBONES, name) for name in BACKBONES), *((DILATED, name) for name in DILATED),
])
def test_every_tensor_lands_where_it_is_used(builders, name, write):
    backbone = build_empty(name, builders)
    tensors = distinct_tensors(LAYOUTS[name])
    used = [
        key for key in tensors_in_order_of_use(backbone) if not key.startswith('groups.4.norm')
    ]
    backbone.to_empty(device='cpu')
    load_imagenet_weights(backbone, write(tensors))
    kept = [key for key in tensors if not CLASSIFIER.fullmatch(key)]
    state = backbone.state_dict()
    assert len(set(used)) == len(kept)
    assert sum(key.startswith('groups.4.norm') for key in state) == len(state) - len(used)
    for own, published in zip(used, kept, strict=True):
        assert own.rpartition('.')[2] == published.rpartition('.')[2]
        assert torch.equal(state[own], tensors[published]), (own, published)


@torch.no_grad()
@pytest.mark.parametrize('bottleneck', [False, True])
def test_every_fourth_cell_of_a_dilated_resnet_is_what_the_same_weights_give_undilated(
    bottleneck, write
):
    sizes, kernels = ((1, 2, 2, 2), (1, 3, 1)) if bottleneck else ((1, 1, 2, 1), (3, 3))
    generator = torch.Generator().manual_seed(0)
    path = write({
        key: torch.rand(shape, generator=generator) * (0.05 if len(shape) > 1 else 1)
        for key, shape in resnet_layout(sizes, kernels, 4 if bottleneck else 1).items()
    })
    plain = ResNet(stage_sizes=sizes, bottleneck=bottleneck).eval()
    dilated = DilatedResNet(ResNet(stage_sizes=sizes, bottleneck=bottleneck)).eval()
    load_imagenet_weights(plain, path)
    load_imagenet_weights(dilated, path)
    image = torch.randn(1, 3, 65, 97)
    expected = plain(image)[-1]
    assert expected.std() > 0.01 * expected.abs().max()
    assert torch.allclose(dilated(image)[..., ::4, ::4], expected, rtol=1e-4)


def test_weights_of_another_depth_are_refused_by_a_dilated_resnet(write):
    path = write(distinct_tensors(LAYOUTS['resnet50']))
    with pytest.raises(ModelError, match=r'must be the \d+ that are published for this '
                                         r'DilatedResNet, got \d+ missing .* and 0 left over'):
        load_imagenet_weights(build_empty('resnet101', DILATED), path)


@pytest.mark.parametrize('split_blocks', [(), (2,), (1, 2)])
def test_split_blocks_take_the_units_of_the_whole_block_in_order(split_blocks, write):
    backbone = DenseNet(block_sizes=(2, 4, 5, 3), split_blocks=split_blocks)
    load_imagenet_weights(backbone, write(distinct_tensors(densenet_layout((2, 4, 5, 3)))))
    values = [
        float(unit.grow.conv.weight.detach().flatten()[0])
        for block in backbone.blocks for unit in block.units
    ]
    assert len(values) == 14
    assert values == sorted(set(values))


def test_layer_names_of_old_densenet_files_are_understood(write):
    layout = densenet_layout((2, 2, 4, 2))
    tensors = {
        re.sub(r'(denselayer\d+\.(norm|conv))([12])', r'\1.\3', key): value
        for key, value in distinct_tensors(layout).items() if 'num_batches' not in key
    }
    assert 'features.denseblock3.denselayer4.norm.2.running_mean' in tensors
    assert 'features.transition1.norm.weight' in tensors
    backbone, today = DenseNet(block_sizes=(2, 2, 4, 2)), DenseNet(block_sizes=(2, 2, 4, 2))
    load_imagenet_weights(backbone, write(tensors))
    load_imagenet_weights(today, write(distinct_tensors(layout)))
    state = backbone.state_dict()
    for key, value in today.state_dict().items():
        assert torch.equal(state[key], value) or key.endswith('num_batches_tracked'), key


def test_counters_that_old_files_lack_become_zero(small, write):
    backbone, tensors = small
    load_imagenet_weights(backbone, write(tensors))
    assert backbone.stem.norm.num_batches_tracked > 0
    kept = {key: value for key, value in tensors.items() if 'num_batches' not in key}
    load_imagenet_weights(backbone, write(kept))
    assert backbone.stem.norm.num_batches_tracked == 0


def test_batch_norm_of_vgg_stays_as_it_is(write):
    backbone = VggFeatures()
    backbone.groups[4].norm5_2.running_mean.fill_(7)
    load_imagenet_weights(backbone, write(distinct_tensors(vgg_layout())))
    assert (backbone.groups[4].norm5_2.running_mean == 7).all()
    assert (backbone.groups[4].norm5_2.running_var == 1).all()


def test_features_without_a_classifier_are_enough(small, write):
    backbone, tensors = small
    without = {key: value for key, value in tensors.items() if not key.startswith('fc.')}
    load_imagenet_weights(backbone, write(without))


def test_safetensors_and_half_precision_are_read(small, tmp_path):
    backbone, tensors = small
    path = tmp_path / 'weights.safetensors'
    halves = {
        key: value.to(torch.float16 if value.is_floating_point() else value.dtype).contiguous()
        for key, value in tensors.items() if not key.startswith('fc.')
    }
    save_file(halves, path)
    load_imagenet_weights(backbone, str(path))
    assert backbone.stem.conv.weight.dtype == torch.float32
    assert torch.equal(backbone.stem.norm.bias, tensors['bn1.bias'])


@pytest.mark.parametrize(
    ('take', 'add', 'got'),
    [
        (['bn1.bias'], [], r"1 missing \['bn1.bias'\] and 0 left over \[\]"),
        ([], ['layer5.0.conv1.weight'],
         r"0 missing \[\] and 1 left over \['layer5.0.conv1.weight'\]"),
        (['conv1.weight'], ['stem.weight'],
         r"1 missing \['conv1.weight'\] and 1 left over \['stem.weight'\]"),
        ([], [f'x{index}' for index in range(7)],
         r"0 missing \[\] and 7 left over \['x0', 'x1', 'x2', 'x3', 'x4'\] and 2 more"),
    ],
)
def test_missing_and_left_over_tensors_are_named_and_nothing_is_loaded(
    small, write, take, add, got
):
    backbone, tensors = small
    changed = {key: value + 1 for key, value in tensors.items() if key not in take}
    path = write({**changed, **{key: torch.zeros(1) for key in add}})
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    # The stem, 2 layers in each of 4 units and 3 projections: 12 times 6 tensors.
    with pytest.raises(ModelError, match=r'tensors of ImageNet weights .*weights.pth must be the '
                                         rf'72 that are published for this ResNet, got {got}: '
                                         'use the weights of a network of the same family'):
        load_imagenet_weights(backbone, path)
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ('backbone', 'name'),
    [('densenet121', 'densenet169'), ('densenet169', 'densenet121'), ('resnet18', 'resnet50'),
     ('vgg16', 'resnet18'), ('resnet50', 'resnet101')],
)
def test_weights_of_another_network_are_refused(backbone, name, write):
    path = write(distinct_tensors(LAYOUTS[name]))
    with pytest.raises(ModelError, match=r'got \d+ missing .* and \d+ left over'):
        load_imagenet_weights(build_empty(backbone), path)


def test_units_without_a_bottleneck_have_no_published_weights(write):
    backbone = DenseNet(block_sizes=(2, 2, 4, 2), widens=False)
    path = write(distinct_tensors(densenet_layout((2, 2, 4, 2))))
    with pytest.raises(ModelError, match=r"left over \['features.denseblock1.denselayer1.norm1"):
        load_imagenet_weights(backbone, path)


def test_tensor_of_another_shape_is_named_and_nothing_is_loaded(small, write):
    backbone, tensors = small
    before = backbone.stem.conv.weight.clone()
    changed = {**tensors, 'layer2.0.conv1.weight': torch.zeros(128, 64, 1, 1),
               'conv1.weight': tensors['conv1.weight'] + 1}
    with pytest.raises(ModelError, match=r'tensor layer2.0.conv1.weight of ImageNet weights .* '
                                         r'must be \(128, 64, 3, 3\), got \(128, 64, 1, 1\): use '
                                         'the weights of a network of the same size'):
        load_imagenet_weights(backbone, write(changed))
    assert torch.equal(backbone.stem.conv.weight, before)


def test_backbone_without_published_weights_is_refused(write):
    with torch.device('meta'):
        backbone = dpn68()
    with pytest.raises(ModelError, match='backbone must be one of DenseNet, ResNet, '
                                         'DilatedResNet, EfficientNetLite, VggFeatures, '
                                         'DilatedVgg, got DualPathNet: start from random '
                                         'weights or choose'):
        load_imagenet_weights(backbone, 'resnet18')


def test_missing_file_and_unknown_name_are_told_with_the_names_there_are(small, tmp_path):
    backbone, _ = small
    with pytest.raises(ModelError, match=r'ImageNet weights resnet19 must be an existing file or '
                                         r'one of densenet121, .*efficientnet_lite2, got '
                                         r'nothing: check the path or name'):
        load_imagenet_weights(backbone, 'resnet19')
    with pytest.raises(ModelError, match='got a directory'):
        load_imagenet_weights(backbone, tmp_path)


def test_path_is_never_taken_for_a_name(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match='must be an existing file or one of'):
        load_imagenet_weights(small[0], tmp_path.relative_to(tmp_path) / 'resnet18')


@pytest.mark.parametrize('name', ['w.pth', 'w.safetensors'])
@pytest.mark.parametrize(
    'content', [b'', b'<html>404</html>', b'\xff' * 64, b'PK\x03\x04 cut', b'\x80\x02]q\x00.']
)
def test_damaged_file_is_refused(small, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf'ImageNet weights .*{name} must be readable tensors in '
                                         r'the format of torch or in \*.safetensors, got .+: '
                                         'fetch the file again'):
        load_imagenet_weights(small[0], tmp_path / name)


def test_truncated_file_is_refused(small, write):
    path = write(small[1])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match='must be readable tensors'):
        load_imagenet_weights(small[0], path)


class RunsWhenUnpickled:
    def __reduce__(self):
        return print, ('this must not run',)


@pytest.mark.parametrize('legacy', [False, True])
def test_pickled_code_is_refused_and_does_not_run(small, tmp_path, capsys, legacy):
    path = tmp_path / 'w.pth'
    torch.save({'conv1.weight': RunsWhenUnpickled()}, path,
               _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelError, match='got a damaged file, or one that holds more than '
                                         'tensors: fetch the file again'):
        load_imagenet_weights(small[0], path)
    assert capsys.readouterr().out == ''


def test_files_in_the_format_of_old_torch_are_read(small, tmp_path):
    backbone, tensors = small
    torch.save(tensors, tmp_path / 'w.pth', _use_new_zipfile_serialization=False)
    load_imagenet_weights(backbone, tmp_path / 'w.pth')
    assert torch.equal(backbone.stem.norm.bias, tensors['bn1.bias'])


@pytest.mark.parametrize(
    ('content', 'got'),
    [
        ([torch.zeros(1)], 'a list'),
        ({0: torch.zeros(1)}, r"something else under \['0'\]"),
        ({'state_dict': {'conv1.weight': torch.zeros(1)}, 'epoch': 3},
         r"something else under \['state_dict', 'epoch'\]"),
    ],
)
def test_file_with_anything_but_tensors_is_refused(small, write, content, got):
    with pytest.raises(ModelError, match=rf'ImageNet weights .* must be a dict of names to '
                                         rf'tensors, got {got}: save the state_dict of the '
                                         'torchvision network alone'):
        load_imagenet_weights(small[0], write(content))


def publish(monkeypatch, tmp_path, path, digest):
    published = path.with_name(f'resnet18-{digest}.pth')
    path.rename(published)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setitem(IMAGENET_FILES, 'resnet18', published.as_uri())
    return published


def test_weights_asked_for_by_name_are_fetched_once(small, write, tmp_path, monkeypatch):
    backbone, tensors = small
    path = write(tensors)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    published = publish(monkeypatch, tmp_path, path, digest)
    load_imagenet_weights(backbone, 'resnet18')
    assert torch.equal(backbone.stem.norm.bias, tensors['bn1.bias'])
    published.unlink()
    nn.init.zeros_(backbone.stem.norm.bias)
    load_imagenet_weights(backbone, 'resnet18')
    assert torch.equal(backbone.stem.norm.bias, tensors['bn1.bias'])


def test_weights_that_cannot_be_fetched_are_told_with_what_to_do(
    small, write, tmp_path, monkeypatch
):
    published = publish(monkeypatch, tmp_path, write(small[1]), '0' * 8)
    match = (r'ImageNet weights resnet18 must be available from file:///.*resnet18-00000000.pth, '
             '{}: fetch the file on a machine with a network and pass its path')
    with pytest.raises(ModelError, match=match.format('got invalid hash value .*')):
        load_imagenet_weights(small[0], 'resnet18')
    published.unlink()
    with pytest.raises(ModelError, match=match.format('got .*No such file.*')):
        load_imagenet_weights(small[0], 'resnet18')


def test_damaged_copy_in_the_cache_is_told(small, write, tmp_path, monkeypatch):
    publish(monkeypatch, tmp_path, write(small[1]), '0' * 8)
    cache = tmp_path / 'home' / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    (cache / 'resnet18-00000000.pth').write_bytes(b'<html>404</html>')
    with pytest.raises(ModelError, match=r'must be available from .*, got a damaged file, or one '
                                         r'that holds more than tensors: .*, or delete a damaged '
                                         rf'copy under {tmp_path / "home" / "hub"}'):
        load_imagenet_weights(small[0], 'resnet18')


@pytest.fixture(scope='module')
def torchvision_models():
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        pytest.skip(f'torchvision cannot be imported here: {error}')
    return models


@torch.no_grad()
@pytest.mark.parametrize('name', ['densenet121', 'resnet18', 'resnet50', 'vgg16'])
def test_features_equal_those_of_torchvision(torchvision_models, name, write):
    network = getattr(torchvision_models, name)().eval()
    stages = {
        'densenet121': [f'features.denseblock{index}' for index in (1, 2, 3, 4)],
        'resnet18': [f'layer{index}' for index in (1, 2, 3, 4)],
        'resnet50': [f'layer{index}' for index in (1, 2, 3, 4)],
        'vgg16': ['features.16', 'features.29'],
    }[name]
    expected = []
    for stage in stages:
        network.get_submodule(stage).register_forward_hook(
            lambda _module, _inputs, output: expected.append(output.clone())
        )
    image = torch.randn(1, 3, 64, 96)
    network(image)
    if name == 'vgg16':
        backbone = VggFeatures(normalised_groups=()).eval()
        load_imagenet_weights(backbone, write(network.state_dict()))
        both = backbone([image])[0]
        features = [both[:, 512:], both[:, :512, ::2, ::2]]
    else:
        backbone = (DenseNet(split_blocks=()) if name == 'densenet121' else BACKBONES[name]())
        load_imagenet_weights(backbone.eval(), write(network.state_dict()))
        features = backbone(image)
    for ours, theirs in zip(features, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()))
