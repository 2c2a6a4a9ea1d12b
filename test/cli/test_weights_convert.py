# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import hashlib

import pytest
from safetensors.torch import load_file
import torch

from ldn_perception.build import build_perception
from ldn_perception.cli.main import main
from ldn_perception.config import PerceptionConfig
from ldn_perception.models.registry import (
    LADDER_DESIGNS,
    build_ladder_network,
    build_model,
    initialise,
)
from ldn_perception.models.released_ldn import released_names
from ldn_perception.models.weights import load_weights, read_weights_header
from ldn_perception.taxonomy import CITYSCAPES


def convert(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['weights', 'convert', *map(str, arguments)])
    return ended.value.code


def build(name='ldn121_released', num_classes=19, **changes):
    model = build_ladder_network(replace(LADDER_DESIGNS[name], **changes), num_classes)
    initialise(model, 5)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_mean, -0.1, 0.1)
    return model.eval()


def save_as_the_authors(model, path):
    tensors = model.state_dict()
    torch.save({theirs: tensors[ours] for theirs, ours in released_names(model)}, path)
    return path


@pytest.fixture(scope='module')
def network():
    return build()


@pytest.fixture(scope='module')
def source(network, tmp_path_factory):
    return save_as_the_authors(network, tmp_path_factory.mktemp('theirs') / 'ldn121.pt')


@pytest.fixture
def output(tmp_path):
    return tmp_path / 'ldn121.safetensors'


def logits_of(path, name='ldn121_released', image=None):
    model = build_model(name, 19)
    load_weights(path, model, name, CITYSCAPES.class_names)
    with torch.inference_mode():
        return model.eval()(image).logits


def test_a_converted_network_gives_the_logits_of_the_checkpoint(network, source, output, capsys):
    image = torch.randn(1, 3, 65, 97)
    assert convert(source, '--output', output) == 0
    with torch.inference_mode():
        assert torch.equal(logits_of(output, image=image), network(image).logits)
    text = capsys.readouterr().out
    assert text.startswith(f'{output}: ldn121_released, 19 classes of cityscapes, 4')
    assert f'model.weights: {output}' in text


def test_the_file_says_what_the_checkpoint_does_not(source, output):
    assert convert(source, '--output', output, '--note', 'Cityscapes val 79.0') == 0
    header = read_weights_header(output)
    assert header.model_name == 'ldn121_released'
    assert header.class_names == CITYSCAPES.class_names
    assert header.class_colors[0] == (128, 64, 128)
    assert len(header.class_colors) == 19
    assert header.normalisation.mean == pytest.approx((0.28805, 0.32632, 0.28541), abs=1e-5)
    assert header.normalisation.std == pytest.approx((0.17725, 0.18183, 0.17837), abs=1e-5)
    assert header.ood_threshold is None
    assert header.summary == {
        'converted_from': 'https://github.com/ivankreso/LDN', 'source': 'ldn121.pt',
        'source_sha256': hashlib.sha256(source.read_bytes()).hexdigest(),
        'note': 'Cityscapes val 79.0',
    }


def test_the_node_takes_a_converted_file(source, output):
    assert convert(source, '--output', output) == 0
    assert build_perception(PerceptionConfig.from_values({
        'model.name': 'ldn121_released', 'model.taxonomy': 'cityscapes',
        'model.weights': str(output), 'inference.device': 'cpu',
    })).is_trained


def test_half_precision_takes_half_the_bytes(source, output):
    assert convert(source, '--output', output, '--half') == 0
    assert output.stat().st_size < 0.52 * source.stat().st_size
    assert {value.dtype for value in load_file(output).values()} == {torch.float16, torch.int64}


def test_heads_that_only_training_uses_are_left_out(tmp_path, output):
    model = build(auxiliary_heads=True)
    assert model.auxiliary_heads is not None
    assert convert(save_as_the_authors(model, tmp_path / 'aux.pt'), '--output', output) == 0
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(logits_of(output, image=image), model(image).logits)


def test_other_networks_and_classes_are_named(tmp_path, output):
    model = build('ldn121_released_32_4', 39)
    source = save_as_the_authors(model, tmp_path / 'w.pt')
    assert convert(source, '--output', output, '--model', 'ldn121_released_32_4',
                   '--taxonomy', 'rob2018') == 0
    header = read_weights_header(output)
    assert (header.model_name, len(header.class_names)) == ('ldn121_released_32_4', 39)


@pytest.mark.parametrize(('options', 'text'), [
    (('--model', 'ldn121_released_32_4'),
     "got 5 missing ['upsample_layers.upsample_1.skip_bt.norm.weight'"),
    (('--model', 'ldn169_released'),
     "got 240 missing ['features.denseblock3.denselayer25.norm1.weight'"),
    (('--taxonomy', 'rob2018'),
     'released tensor logits.conv.weight must be (39, 128, 1, 1), got (19, 128, 1, 1): build'),
])
def test_a_checkpoint_of_something_else_is_refused(source, output, options, text, capsys):
    assert convert(source, '--output', output, *options) == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.startswith('ldn: ')
    assert error.count('\n') == 1
    assert not output.exists()


@pytest.mark.parametrize(('content', 'text'), [
    (None, 'must be a file of tensors that torch.save has written, got [Errno 2] No such file'),
    (b'no weights', 'got a damaged file, or one that holds more than tensors: check the path'),
    ([torch.ones(1)], 'released weights must be a state dict of tensors, got list: pass what'),
    ({'network': torch.nn.Linear(1, 1)},
     'got a damaged file, or one that holds more than tensors: check the path'),
])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, output, content, text, capsys):
    source = tmp_path / 'weights.pt'
    if isinstance(content, bytes):
        source.write_bytes(content)
    elif content is not None:
        torch.save(content, source)
    assert convert(source, '--output', output) == 1
    assert text in capsys.readouterr().err
    assert not output.exists()


def test_a_file_that_exists_is_not_replaced(source, output, capsys):
    output.write_text('something dear')
    assert convert(source, '--output', output) == 1
    assert (f'ldn: output {output} must be a new file, got one that exists: choose '
            'another --output, or add --overwrite') in capsys.readouterr().err
    assert output.read_text() == 'something dear'
    assert convert(source, '--output', output, '--overwrite') == 0
    assert read_weights_header(output).model_name == 'ldn121_released'


def test_an_output_in_a_folder_that_is_not_there_is_refused(source, tmp_path, capsys):
    assert convert(source, '--output', tmp_path / 'absent' / 'w.safetensors') == 1
    assert 'must be in a folder that can be written, got no such folder: make the' in (
        capsys.readouterr().err)
