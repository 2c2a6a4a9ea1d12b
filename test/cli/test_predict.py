# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import av
import cv2
from evaluation_fixtures import write_weights
import numpy as np
from PIL import Image
import pytest
from stereo_frames import shifted_frame

import ldn_perception as ldn
from ldn_perception.cli.main import main
from ldn_perception.cli.predict import pays_for_export
from ldn_perception.cli.view import VideoWriter
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.images import read_labels
from ldn_perception.data.sources import Source
from ldn_perception.taxonomy import UNIVERSAL

FRAME = shifted_frame(12)
CALIBRATION = {'fx': 90, 'fy': 91, 'cx': 77, 'cy': 50, 'baseline_m': 0.5}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp('weights') / 'tiny.safetensors', UNIVERSAL)


@pytest.fixture
def predict(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(['predict', *map(str, arguments), '--weights', str(weights), '--set',
                  'inference.device=cpu', '--set', 'stereo.max_disparity=32'])
        return ended.value.code

    return run


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


def write_image(path, image=FRAME.left):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def write_video(path, number=3):
    with VideoWriter(path, 10.0) as video:
        for index in range(number):
            video.write(np.roll(FRAME.left, 4 * index, axis=1), index * 100_000_000)
    return path


def pictures_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]


def test_an_image_becomes_labels_mask_overlay_and_json(predict, weights, tmp_path, capsys):
    image = write_image(tmp_path / 'street.jpg')
    assert predict(image, '--output', 'out') == 0
    out = tmp_path / 'out'
    assert files(out) == [
        'json/street.json', 'labels/street.png', 'ood/street.png', 'overlay/street.png']
    expected = ldn.load(weights, device='cpu', engine='torch')(image)
    np.testing.assert_array_equal(read_labels(out / 'labels/street.png'), expected.labels)
    np.testing.assert_array_equal(
        cv2.imread(str(out / 'ood/street.png'), cv2.IMREAD_UNCHANGED) > 0, expected.ood_mask)
    summary = json.loads((out / 'json/street.json').read_text())
    assert summary['ood_share'] == expected.ood_share
    assert summary['made_by'] == expected.made_by
    assert summary['seconds'].keys() == {'network', 'decode'}
    assert '1 images in' in capsys.readouterr().out


def test_a_folder_of_pairs_gives_disparity(predict, tmp_path):
    for side in ('left', 'right'):
        write_image(tmp_path / 'drive' / side / '0.png', getattr(FRAME, side))
    (tmp_path / 'drive/calib.json').write_text(json.dumps(CALIBRATION))
    (tmp_path / 'calib.json').write_text(json.dumps(CALIBRATION))
    assert predict('drive', '--output', 'one', '--save', 'disparity,labels_color') == 0
    assert files(tmp_path / 'one') == ['disparity/0.png', 'labels_color/0.png']
    assert predict('drive/left', '--right', 'drive/right', '--calibration', 'calib.json',
                   '--output', 'two', '--save', 'disparity') == 0
    assert (tmp_path / 'one/disparity/0.png').read_bytes() == (
        tmp_path / 'two/disparity/0.png').read_bytes()


def test_a_video_becomes_a_video(predict, tmp_path):
    video = write_video(tmp_path / 'drive.mp4')
    assert predict(video, '--output', 'out') == 0
    out = tmp_path / 'out'
    assert files(out) == [
        *(f'{kind}/{number:06d}.{suffix}' for kind, suffix in (
            ('json', 'json'), ('labels', 'png'), ('ood', 'png')) for number in range(3)),
        'overlay/drive.mp4']
    overlays = pictures_of(out / 'overlay/drive.mp4')
    assert [picture.shape for picture in overlays] == [(96, 160, 3)] * 3
    assert json.loads((out / 'json/000002.json').read_text())['stamp_ns'] == 200_000_000


def test_a_bag_becomes_a_video_and_results_by_stamp(predict, tmp_path):
    with StereoBagWriter(tmp_path / 'drive') as writer:
        for index in range(2):
            writer.write(shifted_frame(12, stamp_ns=10**9 + index * 10**8))
    assert predict('drive', '--output', 'out', '--save', 'overlay,disparity') == 0
    assert files(tmp_path / 'out') == [
        'disparity/1000000000.png', 'disparity/1100000000.png', 'overlay/drive.mp4']
    assert predict('drive', '--topic', 'right/image_rect', '--output', 'right', '--save', 'labels',
                   '--set', 'inference.engine=torch') == 0
    assert len(files(tmp_path / 'right')) == 2


def test_several_sources_do_not_overwrite_each_other(predict, tmp_path):
    for folder in ('a', 'b'):
        write_image(tmp_path / folder / 'photos' / '1.png')
        write_image(tmp_path / folder / '1.png')
    assert predict('a/photos', 'b/photos', 'a/1.png', 'b/1.png', '--output', 'out',
                   '--save', 'ood', '--size', '128x64') == 0
    assert files(tmp_path / 'out/ood') == [
        '1-2/1.png', '1.png', 'photos-2/1.png', 'photos/1.png']


def test_networks_are_exported_for_many_images_of_one_size(tmp_path):
    def source(length, has_one_size=True):
        return Source(tmp_path, length, None, has_one_size, lambda _: iter(()))

    assert pays_for_export([source(64)], has_size=False)
    assert pays_for_export([source(40), source(24)], has_size=False)
    assert pays_for_export([source(0)], has_size=False)  # a video that does not tell its length
    assert pays_for_export([source(64, has_one_size=False)], has_size=True)
    assert not pays_for_export([source(64, has_one_size=False)], has_size=False)
    assert not pays_for_export([source(63)], has_size=True)


def test_damaged_inputs_are_named_and_the_others_are_done(predict, tmp_path, capsys):
    write_image(tmp_path / 'photos/good.png')
    (tmp_path / 'photos/bad.png').write_text('none')
    write_image(tmp_path / 'photos/small.png', FRAME.left[:16, :16])
    assert predict('gone', 'photos', '--output', 'out', '--save', 'json') == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert [line.partition(' must be')[0] for line in lines] == [
        'ldn: left out gone: source gone',
        'ldn: left out photos: bad: image photos/bad.png',
        'ldn: left out photos: small: image']
    assert '1 images in' in printed.out
    assert '3 left out: out' in printed.out
    assert files(tmp_path / 'out') == ['json/good.json']


def test_a_damaged_video_keeps_what_came_before(predict, tmp_path, capsys):
    video = write_video(tmp_path / 'drive.mp4')
    video.write_bytes(video.read_bytes()[:200])
    write_image(tmp_path / '1.png')
    assert predict(video, '1.png', '--output', 'out', '--save', 'labels') == 1
    assert 'must be a video that FFmpeg reads, got ' in capsys.readouterr().err
    assert files(tmp_path / 'out') == ['labels/1.png']


def test_a_folder_with_files_is_not_overwritten_by_accident(predict, tmp_path, capsys):
    image = write_image(tmp_path / 'a.png')
    out = tmp_path / 'out'
    (out / 'labels').mkdir(parents=True)
    (out / 'labels/a.png').write_text('mine')
    (out / 'note.txt').write_text('mine')
    assert predict(image, '--output', out, '--save', 'labels') == 1
    assert capsys.readouterr().err == (
        f'ldn: output {out} must be a new or empty folder, got a folder with files: choose '
        'another --output, or add --overwrite\n')
    assert (out / 'labels/a.png').read_text() == 'mine'
    assert predict(image, '--output', out, '--save', 'labels', '--overwrite') == 0
    assert read_labels(out / 'labels/a.png').shape == (96, 160)
    assert (out / 'note.txt').read_text() == 'mine'


@pytest.mark.parametrize(('arguments', 'text'), [
    (['--output', 'a.png'], 'output a.png must be a folder that can be written, got File exists'),
    (['--output', 'a.png/out'], 'output a.png/out must be a folder that can be written, got Not'),
    (['--output', '/proc/out'], 'output /proc/out must be a folder that can be written, got No'),
    (['--save', 'png'], 'artefact to save must be one of labels, labels_color, ood, '),
    (['--size', '12'], "--size must be WIDTHxHEIGHT, got '12': write for example 480x360"),
    (['--right', 'a.png'], '--right must be beside --calibration, got none: name the'),
    (['b.png', '--right', 'a.png'], '--right must be beside one SOURCE, got 2 of them'),
    (['--calibration', 'a', 'b', 'c'], '--calibration must be one file or two, got 3'),
    (['--calibration', 'gone.txt'], 'calibration gone.txt must be an existing file, got nothing'),
    (['--config', 'gone.yaml'], 'parameter file must be an existing YAML file, got gone.yaml'),
    (['--set', 'x'], "--set must be NAME=VALUE, got 'x'"),
])
def test_errors_are_one_sentence(predict, tmp_path, capsys, arguments, text):
    write_image(tmp_path / 'a.png')
    arguments = [*arguments, *([] if '--output' in arguments else ['--output', 'out'])]
    assert predict('a.png', *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'ldn: {text}')
    assert error.count('\n') == 1


def test_options_win_over_weights_and_these_over_the_file(predict, tmp_path):
    write_image(tmp_path / 'a.png')
    (tmp_path / 'node.yaml').write_text(
        'node:\n  ros__parameters:\n    model: {name: ldn121, taxonomy: camvid}\n'
        '    segmentation: {ood_threshold: 0.9}\n')
    shares = []
    for number, more in enumerate(([], ['--set', 'segmentation.ood_threshold=0.0'])):
        out = tmp_path / f'out{number}'
        assert predict('a.png', '--output', out, '--config', 'node.yaml', '--save', 'json',
                       *more) == 0
        summary = json.loads((out / 'json/a.json').read_text())
        assert (summary['made_by']['model'], summary['made_by']['taxonomy']) == (
            'ldn_small', 'universal')
        shares.append(summary['ood_share'])
    assert shares[0] < shares[1] == 1
