# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import sys
import types

import pytest
import torch
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.registry import LADDER_DESIGNS, build_ladder_network
from ldn_perception.models.released_ldn import load_released_ldn, released_names

CODE = 'LDN_RELEASED_CODE'
NUM_CLASSES = 3
NORM = ('weight', 'bias', 'running_mean', 'running_var')


def unit_shapes(name, maps_in, maps_out, kernel, norm='norm', conv='conv', bias=False):
    shapes = {f'{name}.{norm}.{tensor}': (maps_in,) for tensor in NORM}
    shapes[f'{name}.{norm}.num_batches_tracked'] = ()
    shapes[f'{name}.{conv}.weight'] = (maps_out, maps_in, kernel, kernel)
    if bias:
        shapes[f'{name}.{conv}.bias'] = (maps_out,)
    return shapes


def released_shapes(sizes, growth, stem, split, ups, auxiliary=False):
    """Names and shapes of the tensors, as the released code lays them out."""
    shapes = {'features.conv0.weight': (stem, 3, 7, 7)}
    shapes |= {f'features.norm0.{tensor}': (stem,) for tensor in NORM}
    shapes['features.norm0.num_batches_tracked'] = ()
    maps, skips = stem, []
    for block, size in enumerate(sizes, start=1):
        for layer in range(1, size + 1):
            if split and block == 3 and layer == size // 2 + 1:
                skips.append(maps)
            name = f'features.denseblock{block}.denselayer{layer}'
            shapes |= unit_shapes(name, maps, 4 * growth, 1, 'norm1', 'conv1')
            shapes |= unit_shapes(name, 4 * growth, growth, 3, 'norm2', 'conv2')
            maps += growth
        if block < 4:
            skips.append(maps)
            shapes |= unit_shapes(f'features.transition{block}', maps, maps // 2, 1)
            maps //= 2
    shapes |= unit_shapes('spp.spp.spp_bn', maps, 512, 1)
    for level in range(4):
        shapes |= unit_shapes(f'spp.spp.spp{level}', 512, 128, 1)
    shapes |= unit_shapes('spp.spp.spp_fuse', 1024, 512, 1)
    maps = 512
    for index, (skip, up) in enumerate(zip(reversed(skips), ups, strict=True)):
        name = f'upsample_layers.upsample_{index}'
        shapes |= unit_shapes(f'{name}.bottleneck', skip, maps, 1)
        if up != maps:
            shapes |= unit_shapes(f'{name}.skip_bt', maps, up, 1)
        if auxiliary:
            shapes |= unit_shapes(f'{name}.aux_logits', maps, NUM_CLASSES, 1, bias=True)
        if maps > 128:
            shapes |= unit_shapes(f'{name}.blend_bt', maps, 128, 1)
        shapes |= unit_shapes(f'{name}.blend_conv', min(maps, 128), up, 3)
        maps = up
    return shapes | unit_shapes('logits', maps, NUM_CLASSES, 1, bias=True)


def released_state(shapes):
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(shape, generator=generator)
        if shape else torch.tensor(len(name)) for name, shape in shapes.items()
    }


def build(name='ldn121_released', *, slim=True, **changes):
    design = replace(LADDER_DESIGNS[name], **changes)
    if slim:
        design = replace(design, backbone=partial(
            design.backbone, block_sizes=(1, 2, 4, 1), growth=4, stem_channels=8
        ))
    return build_ladder_network(design, NUM_CLASSES)


SLIM = ((1, 2, 4, 1), 4, 8, True, (256, 256, 128, 128))


@pytest.mark.parametrize(
    ('name', 'description'),
    [
        ('ldn121_released', ((6, 12, 24, 16), 32, 64, True, (256, 256, 128, 128))),
        ('ldn121_released_32_4', ((6, 12, 24, 16), 32, 64, False, (256, 128, 128))),
        ('ldn161_released', ((6, 12, 36, 24), 48, 96, True, (256, 256, 128, 128))),
        ('ldn169_released', ((6, 12, 32, 32), 32, 64, True, (256, 256, 128, 128))),
    ],
)
def test_every_tensor_of_the_released_layout_finds_its_place(name, description):
    shapes = released_shapes(*description)
    with torch.device('meta'):
        model = build(name, slim=False)
    ours = model.state_dict()
    found = {theirs: tuple(ours[name].shape) for theirs, name in released_names(model)}
    assert found == shapes


def test_every_tensor_is_loaded():
    state, model = released_state(released_shapes(*SLIM)), build()
    load_released_ldn(state, model)
    ours = model.state_dict()
    assert len(ours) == len(state)
    assert sum(float(value.sum()) for value in ours.values()) == pytest.approx(
        sum(float(value.sum()) for value in state.values())
    )


@pytest.mark.parametrize(
    ('theirs', 'ours'),
    [
        ('features.denseblock3.denselayer2.conv1.weight', 'blocks.2.units.1.reduce.conv.weight'),
        ('features.denseblock3.denselayer3.conv2.weight', 'blocks.3.units.0.grow.conv.weight'),
        ('features.transition3.norm.running_var', 'downs.3.norm.running_var'),
    ],
)
def test_units_of_the_split_block_count_on(theirs, ours):
    state, model = released_state(released_shapes(*SLIM)), build()
    load_released_ldn(state, model)
    assert torch.equal(model.backbone.state_dict()[ours], state[theirs])


def test_old_names_of_layers_and_missing_counters_are_accepted():
    state, model = released_state(released_shapes(*SLIM)), build()
    expected = state['features.denseblock1.denselayer1.conv2.weight']
    old = {
        key.replace('.norm1.', '.norm.1.').replace('.conv2.', '.conv.2.'): value
        for key, value in state.items() if not key.endswith('num_batches_tracked')
    }
    load_released_ldn(old, model)
    assert torch.equal(model.backbone.blocks[0].units[0].grow.conv.weight, expected)


def test_auxiliary_heads_are_read_where_the_network_has_them():
    state = released_state(released_shapes(*SLIM, auxiliary=True))
    model = build(auxiliary_heads=True)
    load_released_ldn(state, model)
    loaded = model.auxiliary_heads.steps[1].conv.weight
    assert torch.equal(loaded, state['upsample_layers.upsample_1.aux_logits.conv.weight'])
    with pytest.raises(ModelError, match=r"0 missing \[\] and 28 left over "
                                         r"\['upsample_layers.upsample_0.aux_logits.norm.weight'"):
        load_released_ldn(state, build())


def test_missing_and_left_over_tensors_are_listed_and_nothing_is_loaded():
    state, model = released_state(released_shapes(*SLIM)), build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state['logits.conv.wait'] = state.pop('logits.conv.weight')
    with pytest.raises(ModelError, match=r"released weights must be the \d+ tensors of the "
                                         r"network, got 1 missing \['logits.conv.weight'\] and "
                                         r"1 left over \['logits.conv.wait'\]: build the network"):
        load_released_ldn(state, model)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ('name', 'layer'),
    [('lrn18_32_4', 'backbone.stages.0.0'), ('ldn121_dws', 'ladder.steps.0.blend.conv.depthwise')],
)
def test_networks_of_another_kind_are_refused(name, layer):
    with torch.device('meta'):
        model = build(name, slim=False)
    with pytest.raises(ModelError, match='network for released weights must be of a .*_released '
                                         f'design, got one with the layer {layer}'):
        load_released_ldn({}, model)


def test_tensor_of_another_shape_is_refused():
    state = released_state(released_shapes(*SLIM))
    state['logits.conv.bias'] = torch.zeros(19)
    with pytest.raises(ModelError, match=r'released tensor logits.conv.bias must be \(3,\), got '
                                         r'\(19,\): build the network the weights are of'):
        load_released_ldn(state, build())


def test_file_is_read_without_running_code_in_it(tmp_path):
    path = tmp_path / 'weights.pt'
    torch.save(released_state(released_shapes(*SLIM)), path)
    load_released_ldn(path, build())
    torch.save({'network': torch.nn.Linear(1, 1)}, path)
    with pytest.raises(ModelError, match=r'released weights .*weights.pt must be a file of '
                                         r'tensors that torch.save has written, got .*: check '):
        load_released_ldn(path, build())


@pytest.mark.parametrize('content', [None, b'', b'no weights'])
def test_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / 'weights.pt'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r'released weights .*weights.pt must be a file of'):
        load_released_ldn(path, build())


def test_file_that_holds_no_state_dict_is_refused(tmp_path):
    path = tmp_path / 'weights.pt'
    torch.save([torch.ones(2)], path)
    with pytest.raises(ModelError, match='released weights must be a state dict of tensors, got '
                                         'list: pass what the code of the authors saves'):
        load_released_ldn(path, build())


@pytest.mark.skipif(CODE not in os.environ, reason=f'{CODE} names no checkout of ivankreso/LDN')
@pytest.mark.parametrize(
    ('name', 'depth'),
    [
        ('ldn121_released', 121), ('ldn121_released_32_4', 121), ('ldn161_released', 161),
        ('ldn169_released', 169),
    ],
)
def test_logits_are_those_of_the_released_code(name, depth, monkeypatch):
    theirs = build_with_released_code(monkeypatch, depth, whole='32_4' in name)
    model = build(name, slim=False).eval()
    load_released_ldn(theirs.state_dict(), model)
    image = torch.randn(1, 3, 195, 257)
    with torch.inference_mode():
        expected, _ = theirs(image.clone())
        logits = F.interpolate(model(image).logits, (195, 257), mode='bilinear')
    assert torch.allclose(logits, expected, atol=1e-4)


def build_with_released_code(monkeypatch, depth, *, whole):
    """Their model with random weights; what only their training needs is left empty."""
    code = Path(os.environ[CODE])
    monkeypatch.syspath_prepend(str(code))
    for name in ('libs', 'libs.cylib', 'tqdm'):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules['libs'].cylib = sys.modules['libs.cylib']
    sys.modules['tqdm'].tqdm = None
    text = (code / 'models' / 'ldn_semseg.py').read_text(encoding='utf-8')
    if whole:
        text = text.replace('[False, False, True, False]', '[False] * 4')
        text = text.replace('up_sizes = [256, 256, 128, 128]', 'up_sizes = [256, 128, 128]')
    module = types.ModuleType('ldn_semseg')
    exec(compile(text, 'ldn_semseg', 'exec'), module.__dict__)
    module._load_imagenet_weights = lambda name: {}
    dataset = types.SimpleNamespace(
        num_classes=NUM_CLASSES, num_logits=NUM_CLASSES, batchnorm_momentum=0.05, ignore_id=255
    )
    options = types.SimpleNamespace(checkpointing=0, pretrained=1, aux_loss=0)
    model = module.build(depth, 1, dataset=dataset, args=options).eval()
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, std=0.2)
            torch.nn.init.normal_(norm.running_mean, std=0.3)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    return model
