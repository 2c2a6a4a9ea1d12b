# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import math

import pytest
from safetensors.torch import load_file, save_file
import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import IMAGE_MEAN, IMAGE_STD
from ldn_perception.models.weights import (
    average_weights,
    load_weights,
    read_weights_header,
    save_weights,
    store_ood_threshold,
)

CLASSES = ('road', 'sky', 'car')


@pytest.fixture
def model():
    return build_model('ldn_small', 3, seed=1)


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / 'weights.safetensors'
    save_weights(path, model, 'ldn_small', CLASSES, {'mean_iou': 0.5, 'data': 'synthetic'})
    return path


def rewrite(path, tensors=None, header=None, **changes):
    tensors = tensors if tensors is not None else load_file(path)
    if header is None:
        original = {
            'format_version': 1, 'model_name': 'ldn_small', 'class_names': CLASSES,
            'image_mean': IMAGE_MEAN, 'image_std': IMAGE_STD, 'summary': {},
            'class_colors': [], 'ood_threshold': None,
        }
        header = json.dumps({**original, **changes})
    save_file(tensors, path, metadata={'ldn_perception': header})


def assert_equal_weights(first, second):
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_weights_survive_the_round_trip(path, model):
    other = build_model('ldn_small', 3, seed=2)
    load_weights(path, other, 'ldn_small', CLASSES)
    assert_equal_weights(model, other)


def test_channels_last_weights_survive_the_round_trip(tmp_path, model):
    model.to(memory_format=torch.channels_last)
    save_weights(tmp_path / 'w', model, 'ldn_small', CLASSES)
    other = build_model('ldn_small', 3)
    load_weights(tmp_path / 'w', other, 'ldn_small', CLASSES)
    assert_equal_weights(model, other)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_halves_the_file_and_loads_as_the_model_is(tmp_path, path, model, dtype):
    half = tmp_path / 'half.safetensors'
    save_weights(half, model, 'ldn_small', CLASSES, dtype=dtype)
    # What does not halve is the header: names, shapes and places of the tensors.
    tensors = load_file(half)
    saved = sum(value.nbytes for value in load_file(path).values())
    assert sum(value.nbytes for value in tensors.values()) == pytest.approx(saved / 2, rel=0.01)
    assert {value.dtype for value in tensors.values()} == {dtype, torch.int64}
    other = build_model('ldn_small', 3, seed=2)
    load_weights(half, other, 'ldn_small', CLASSES)
    for name, value in model.state_dict().items():
        loaded = other.state_dict()[name]
        assert loaded.dtype == value.dtype
        assert torch.equal(loaded, value.to(dtype).to(value.dtype)), name
    assert model.head.conv.weight.dtype == torch.float32


def test_half_precision_keeps_counters_exact(tmp_path, model):
    model.backbone.stem.norm.num_batches_tracked.fill_(100_001)
    save_weights(tmp_path / 'w', model, 'ldn_small', CLASSES, dtype=torch.float16)
    other = build_model('ldn_small', 3)
    load_weights(tmp_path / 'w', other, 'ldn_small', CLASSES)
    assert other.backbone.stem.norm.num_batches_tracked == 100_001


def test_half_precision_file_with_another_shape_is_refused(tmp_path, model):
    save_weights(tmp_path / 'w', build_model('ldn_small', 4), 'ldn_small', CLASSES,
                 dtype=torch.float16)
    with pytest.raises(ModelError, match=r'tensor head.conv.weight of weights file .* must be '
                                         r'\(3, \d+, 1, 1\), got \(4, \d+, 1, 1\)'):
        load_weights(tmp_path / 'w', model, 'ldn_small', CLASSES)


def test_values_beyond_half_precision_are_refused_and_nothing_is_written(tmp_path, model):
    torch.nn.init.constant_(model.head.conv.bias, 1e5)
    with pytest.raises(ModelError, match=r'tensor head.conv.bias must be within the range of '
                                         r'torch.float16, got 100000.0: store torch.bfloat16'):
        save_weights(tmp_path / 'w', model, 'ldn_small', CLASSES, dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


def test_integers_cannot_hold_weights(tmp_path, model):
    with pytest.raises(ModelError, match=r'dtype of stored weights must be of floating point, '
                                         r'got torch\.int8: choose torch\.float16'):
        save_weights(tmp_path / 'w', model, 'ldn_small', CLASSES, dtype=torch.int8)


def test_header_says_what_the_weights_are_for(path):
    header = read_weights_header(path)
    assert header.model_name == 'ldn_small'
    assert header.class_names == CLASSES
    assert header.normalisation.mean == IMAGE_MEAN
    assert header.normalisation.std == IMAGE_STD
    assert header.summary == {'mean_iou': 0.5, 'data': 'synthetic'}
    assert header.format_version == 1


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(path):
    save_weights(path, build_model('ldn_small', 3, seed=7), 'ldn_small', CLASSES)
    other = build_model('ldn_small', 3)
    load_weights(path, other, 'ldn_small', CLASSES)
    assert_equal_weights(build_model('ldn_small', 3, seed=7), other)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_saving_where_nothing_can_be_written_says_so(tmp_path, model):
    with pytest.raises(ModelError, match=r'weights file .*absent.* must be writable, got .*: '
                                         'choose another place'):
        save_weights(tmp_path / 'absent' / 'w', model, 'ldn_small', CLASSES)
    (tmp_path / 'folder').mkdir()
    with pytest.raises(ModelError, match='must be writable'):
        save_weights(tmp_path / 'folder', model, 'ldn_small', CLASSES)
    assert [entry.name for entry in tmp_path.iterdir()] == ['folder']


def test_missing_file_is_named(tmp_path, model):
    with pytest.raises(ModelError, match=r'weights file .*none must be an existing file, got '
                                         'nothing: check the path'):
        load_weights(tmp_path / 'none', model, 'ldn_small', CLASSES)
    with pytest.raises(ModelError, match='must be an existing file, got a directory'):
        read_weights_header(tmp_path)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 a pickled checkpoint', b'\xff' * 64])
def test_other_file_formats_are_refused(tmp_path, content):
    (tmp_path / 'w').write_bytes(content)
    with pytest.raises(ModelError, match=r'must be a readable safetensors file, got .*: copy or'):
        read_weights_header(tmp_path / 'w')


def test_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match='must be a readable safetensors file'):
        read_weights_header(path)


def test_safetensors_of_another_program_is_refused(tmp_path):
    save_file({'a': torch.zeros(1)}, tmp_path / 'w', metadata={'format': 'pt'})
    with pytest.raises(ModelError, match=r"must be written by ldn_perception, got a safetensors "
                                         r"file with the metadata \['format'\]: convert it"):
        read_weights_header(tmp_path / 'w')


def test_other_format_version_is_refused(path):
    rewrite(path, format_version=2)
    with pytest.raises(ModelError, match=r'format version of weights file .* must be 1, got 2: '):
        read_weights_header(path)


@pytest.mark.parametrize('header', ['{', '[]', '{"format_version": 1}'])
def test_damaged_header_is_refused(path, header):
    rewrite(path, header=header)
    with pytest.raises(ModelError, match=r'header of weights file .* must be JSON with every field'
                                         r' of WeightsHeader, got .*: copy or convert'):
        read_weights_header(path)


def test_weights_of_another_model_are_refused(path, model):
    with pytest.raises(ModelError, match='must be for model ldn121, got one for model ldn_small: '
                                         'choose the model or the weights'):
        load_weights(path, model, 'ldn121', CLASSES)


@pytest.mark.parametrize(
    ('classes', 'got'),
    [
        (('road', 'car', 'sky'), "'sky' instead of 'car' as class 1"),
        (('road', 'sky'), '3 classes'),
    ],
)
def test_weights_for_other_classes_are_refused(path, model, classes, got):
    with pytest.raises(ModelError, match=f'classes of weights file .* must be the {len(classes)} '
                                         f'of the taxonomy, got {got}: choose the taxonomy'):
        load_weights(path, model, 'ldn_small', classes)


def test_another_normalisation_is_handed_to_the_engine(path, model):
    rewrite(path, image_mean=(0.5, 0.5, 0.5))
    assert load_weights(path, model, 'ldn_small', CLASSES).normalisation == (
        (0.5, 0.5, 0.5), IMAGE_STD)


def test_colours_and_threshold_come_along(tmp_path, model):
    save_weights(
        tmp_path / 'w', model, 'ldn_small', CLASSES, ood_threshold=0.3,
        class_colors=[(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    header = read_weights_header(tmp_path / 'w')
    assert header.class_colors == ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    assert header.ood_threshold == 0.3


@pytest.mark.parametrize(
    ('take', 'add', 'got'),
    [
        ('head.conv.bias', None, r"1 missing \['head.conv.bias'\] and 0 left over \[\]"),
        (None, 'head.extra', r"0 missing \[\] and 1 left over \['head.extra'\]"),
        ('head.conv.bias', 'b', r"1 missing \['head.conv.bias'\] and 1 left over \['b'\]"),
    ],
)
def test_missing_and_left_over_tensors_are_named_and_nothing_is_loaded(path, take, add, got):
    tensors = load_file(path)
    if take:
        del tensors[take]
    if add:
        tensors[add] = torch.zeros(3)
    rewrite(path, tensors)
    other = build_model('ldn_small', 3, seed=2)
    with pytest.raises(ModelError, match=r'tensors of weights file .* must be the \d+ of the '
                                         rf'network, got {got}: use weights written for'):
        load_weights(path, other, 'ldn_small', CLASSES)
    assert_equal_weights(other, build_model('ldn_small', 3, seed=2))


def test_tensor_of_another_shape_is_named_and_nothing_is_loaded(path):
    tensors = load_file(path)
    tensors['head.conv.bias'] = torch.zeros(4)
    rewrite(path, tensors)
    other = build_model('ldn_small', 3, seed=2)
    with pytest.raises(ModelError, match=r'tensor head.conv.bias of weights file .* must be '
                                         r'\(3,\), got \(4,\): use weights written for'):
        load_weights(path, other, 'ldn_small', CLASSES)
    assert_equal_weights(other, build_model('ldn_small', 3, seed=2))


@pytest.mark.parametrize('dtype', [None, torch.float16])
def test_threshold_is_stored_and_all_else_is_kept(tmp_path, model, dtype):
    path, other = tmp_path / 'weights', tmp_path / 'calibrated'
    save_weights(
        path, model, 'ldn_small', CLASSES, {'mean_iou': 0.5},
        class_colors=((1, 2, 3), (4, 5, 6), (7, 8, 9)), ood_threshold=0.7, dtype=dtype)
    before, original = read_weights_header(path), path.read_bytes()
    store_ood_threshold(path, other, 0.125, {'pixels': 10})
    assert path.read_bytes() == original
    assert read_weights_header(other) == dataclasses.replace(
        before, ood_threshold=0.125,
        summary={'mean_iou': 0.5, 'ood_calibration': {'pixels': 10}})
    tensors, kept = load_file(path), load_file(other)
    assert tensors.keys() == kept.keys()
    for name, value in tensors.items():
        assert value.dtype == kept[name].dtype
        assert torch.equal(value, kept[name]), name


def test_threshold_replaces_the_file_it_was_measured_for(path):
    store_ood_threshold(path, path, 0.25, {'pixels': 1})
    store_ood_threshold(path, path, 0.5, {'pixels': 2})
    header = read_weights_header(path)
    assert header.ood_threshold == 0.5
    assert header.summary['ood_calibration'] == {'pixels': 2}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_threshold_that_is_no_probability_is_refused(path):
    with pytest.raises(ModelError, match=(
            r'foreign threshold must be in \[0, 1\], got nan: calibrate it again')):
        store_ood_threshold(path, path, float('nan'), {})


def averaged(tmp_path, *models, dtype=None, **header):
    """Mean of a network with each of some models' weights; paths of the files and of the mean."""
    sources = []
    for number, model in enumerate(models):
        sources.append(tmp_path / f'{number}.safetensors')
        save_weights(
            sources[-1], model, 'ldn_small', CLASSES, {'seed': number}, dtype=dtype, **header)
    average_weights(sources, tmp_path / 'mean.safetensors')
    return sources, tmp_path / 'mean.safetensors'


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_mean_is_that_of_every_tensor(tmp_path, dtype):
    models = [build_model('ldn_small', 3, seed=seed) for seed in range(3)]
    for counted, model in enumerate(models):
        for name, value in model.state_dict().items():
            if 'num_batches' in name:
                value.fill_(10 + counted)
    sources, mean = averaged(tmp_path, *models, dtype=dtype, ood_threshold=0.25)
    stored, found = [load_file(source) for source in sources], load_file(mean)
    assert found.keys() == stored[0].keys()
    for name, value in found.items():
        assert value.dtype == stored[0][name].dtype
        if 'num_batches' in name:
            assert value == 10
        else:
            wanted = torch.stack([each[name].double() for each in stored]).mean(0)
            torch.testing.assert_close(value.double(), wanted, rtol=1e-3, atol=1e-6)
    header = read_weights_header(mean)
    assert header.summary == {'mean_of': [{'seed': 0}, {'seed': 1}, {'seed': 2}]}
    assert (header.model_name, header.ood_threshold) == ('ldn_small', None)


def test_mean_of_one_file_is_refused(path, tmp_path):
    with pytest.raises(ModelError, match=(
            'weights files to average must be two or more, got 1: name others')):
        average_weights([path], tmp_path / 'mean.safetensors')


@pytest.mark.parametrize(('changes', 'text'), [
    ({'model_name': 'ldn121'}, 'weights file .*other.* must be for model ldn_small, got one'),
    ({'class_names': ('road', 'sky')}, 'classes of weights file .*other.* must be the 3 of'),
    ({'image_mean': (0.1, 0.2, 0.3)}, (
        r'normalisation of weights file .*other.* must be Normalisation\(.*, got Normalisation'
        r'\(mean=\(0\.1, 0\.2, 0\.3\).*: average weights of images normalised alike')),
])
def test_mean_of_what_does_not_fit_is_refused(path, tmp_path, changes, text):
    other = tmp_path / 'other.safetensors'
    rewrite(other, tensors=load_file(path), **changes)
    with pytest.raises(ModelError, match=text):
        average_weights([path, other], tmp_path / 'mean.safetensors')
    assert not (tmp_path / 'mean.safetensors').exists()


def test_mean_of_other_tensors_is_refused(path, tmp_path):
    tensors = load_file(path)
    tensors.pop(next(iter(tensors)))
    rewrite(tmp_path / 'other.safetensors', tensors=tensors)
    with pytest.raises(ModelError, match=r'other\.safetensors'):
        average_weights([path, tmp_path / 'other.safetensors'], tmp_path / 'mean.safetensors')


@pytest.mark.parametrize(('changes', 'text'), [
    ({'image_std': [0.2, 0.0, 0.2]}, r'image_std of weights file .* must be three finite numbers '
                                     r'> 0, got \[0.2, 0.0, 0.2\]: copy or convert'),
    ({'image_std': [0.2, 0.2]}, r'image_std .* must be three finite numbers > 0'),
    ({'image_mean': [0.2, math.nan, 0.2]}, r'image_mean .* must be three finite numbers, got'),
    ({'image_mean': 'abc'}, r"image_mean .* must be three finite numbers, got 'abc'"),
    ({'ood_threshold': math.nan},
     r'ood_threshold .* must be a number in \[0, 1\], or null, got nan'),
    ({'ood_threshold': 1.5}, r'ood_threshold .* must be a number in \[0, 1\], or null, got 1.5'),
    ({'ood_threshold': True}, r'ood_threshold .* got True'),
    ({'model_name': 5}, r'model_name .* must be a text that is not empty, got 5'),
    ({'class_names': 'road'}, r"class_names .* must be a list of texts, got 'road'"),
    ({'class_names': ['road', 3]}, r'class_names .* must be a list of texts'),
    ({'class_colors': [[0, 0, 256]] * 3}, r'class_colors .* three integers in \[0, 255\]'),
    ({'class_colors': [[0, 0, 0]]}, r'class_colors .* one for each of the 3 classes, or none'),
    ({'summary': []}, r'summary of weights file .* must be an object, got \[\]'),
    ({'tensors_sha256': 7}, r'tensors_sha256 of weights file .* must be a text, got 7'),
])
def test_header_entries_out_of_range_are_refused(path, changes, text):
    rewrite(path, **changes)
    with pytest.raises(ModelError, match=text):
        read_weights_header(path)


def test_a_header_out_of_range_is_not_written(tmp_path, model):
    with pytest.raises(ModelError, match=r'ood_threshold .* must be a number in'):
        save_weights(tmp_path / 'w', model, 'ldn_small', CLASSES, ood_threshold=math.nan)
    assert not list(tmp_path.iterdir())


def first_named(tensors, suffix):
    return next(name for name in sorted(tensors) if name.endswith(suffix))


@pytest.mark.parametrize(('suffix', 'change', 'text'), [
    ('weight', lambda value: value.fill_(math.nan), r'must be finite, got NaN or infinity in'),
    ('weight', lambda value: value.half().fill_(math.inf), r'must be finite, got NaN or infinity'),
    ('running_var', lambda value: value.fill_(-0.5), r'must be variances >= 0, got -0.5'),
    ('weight', lambda value: value.long(), r'must be of floating point, got torch.int64'),
    ('weight', lambda value: value.to(torch.float8_e4m3fn),
     r'must be of 16, 32 or 64 bit floating point, got torch.float8_e4m3fn'),
    ('num_batches_tracked', lambda value: value.float(),
     r'must be torch.int64, got torch.float32'),
])
def test_tensors_that_are_no_weights_are_refused_and_nothing_is_loaded(
        path, suffix, change, text):
    tensors = load_file(path)
    name = first_named(tensors, suffix)
    rewrite(path, {**tensors, name: change(tensors[name].clone())})
    other = build_model('ldn_small', 3, seed=2)
    with pytest.raises(ModelError, match=f'tensor {name} of weights file .* {text}'):
        load_weights(path, other, 'ldn_small', CLASSES)
    assert_equal_weights(other, build_model('ldn_small', 3, seed=2))


def test_a_changed_tensor_does_not_fit_the_checksum(path, model):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=(
            r'tensors of weights file .* must be those with the SHA-256 [0-9a-f]{12}\.\.\. of the '
            r'header, got others: .*: copy or convert the file again')):
        load_weights(path, model, 'ldn_small', CLASSES)


def test_a_file_without_a_checksum_loads_with_a_note(path, model, caplog):
    rewrite(path)
    with caplog.at_level('INFO'):
        load_weights(path, model, 'ldn_small', CLASSES)
    records = [entry for entry in caplog.records if 'no checksum' in entry.getMessage()]
    assert [entry.levelname for entry in records] == ['INFO']
