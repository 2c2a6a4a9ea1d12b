# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The video of a recording, decoded again."""

from fractions import Fraction
import json
import sys

import cv2
import numpy as np
import pytest
from stereo_frames import shifted_frame, texture

from ldn_perception.cli.main import main
from ldn_perception.cli.view import (
    TILE_WIDTHS_PX,
    VideoClock,
    VideoWriter,
    evenly_spaced,
    usual_rate_hz,
)
from ldn_perception.data.bag_messages import build_header, build_message, serialize
from ldn_perception.data.bag_reader import DISPARITY_IMAGE, IMAGE
from ldn_perception.data.bag_writers import RawBagWriter, StereoBagWriter
from ldn_perception.data.message_fields import disparity_fields, image_fields
from ldn_perception.errors import VideoError
from ldn_perception.taxonomy import CITYSCAPES

av = pytest.importorskip('av', reason='PyAV is not installed')

WIDTH, HEIGHT = 320, 96
BAR = 22
STAMPS_NS = [1_500_000_000_000_000_000 + step for step in (
    0, 100_000_000, 200_000_000, 500_000_000, 60_500_000_000)]
SHOWN_MS = [0, 100, 200, 500, 2500]
NODE = '/stereo_seg_node'


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def flat_image(number):
    return np.full((HEIGHT, WIDTH, 3), (40 * number, 200, 30), np.uint8)


def write_image(writer, topic, stamp, pixels, encoding, receive_ns=None):
    message = build_message(IMAGE, image_fields(pixels, encoding), build_header(stamp, 'left'))
    writer.write(topic, IMAGE, receive_ns or stamp, serialize(message, IMAGE))


def write_results(writer, stamps, node=NODE, mass=None, labels=0):
    """Road, with a square out of distribution whose place tells the pair."""
    for number, stamp in enumerate(stamps):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[40:72, 40 * number:40 * number + 40] = 255
        write_image(writer, f'{node}/labels', stamp, np.full_like(mask, labels), 'mono8')
        write_image(writer, f'{node}/ood_mask', stamp, mask, 'mono8')
        if mass is not None:
            write_image(writer, f'{node}/foreign_probability', stamp,
                        np.full(mask.shape, mass, np.float32), '32FC1')
        fields = disparity_fields(disparity_map(12.0 * number), shifted_frame().geometry)
        message = build_message(DISPARITY_IMAGE, fields, build_header(stamp, 'left'))
        writer.write(f'{node.rpartition("/")[0]}/disparity', DISPARITY_IMAGE, stamp,
                     serialize(message, DISPARITY_IMAGE))


def disparity_map(value):
    import torch

    from ldn_perception.types import DisparityMap
    return DisparityMap(torch.full((HEIGHT, WIDTH), value), 0.0, 128.0)


def write_images(writer, stamps, topic='/left/image_rect'):
    for number, stamp in enumerate(stamps):
        write_image(writer, topic, stamp, flat_image(number), 'rgb8')


@pytest.fixture
def recording(tmp_path):
    """Images and results in one bag, as a replay writes it; the last image has no result."""
    with RawBagWriter(tmp_path / 'bag') as writer:
        write_images(writer, [*STAMPS_NS, STAMPS_NS[-1] + 100_000_000])
        write_results(writer, STAMPS_NS, mass=0.125)
    return tmp_path / 'bag'


def decoded(path):
    """Pictures of a video and when they are shown [ms]."""
    with av.open(str(path)) as container:
        return [(frame.to_ndarray(format='rgb24'), round(1000 * frame.time))
                for frame in container.decode(video=0)]


def tile(frame, row, column):
    """Pixels of a tile, less its border, where colours of neighbours mix."""
    top, left = BAR + row * (HEIGHT + BAR) + BAR, column * WIDTH
    return frame[top + 8:top + HEIGHT - 8, left + 8:left + WIDTH - 8].astype(int)


def test_every_pair_is_shown_at_its_own_time(recording, tmp_path):
    assert run('view', recording, '--output', tmp_path / 'view') == 0
    frames = decoded(tmp_path / 'view' / 'view.mp4')
    assert [time for _, time in frames] == SHOWN_MS
    assert frames[0][0].shape == (BAR + 2 * (BAR + HEIGHT), 2 * WIDTH, 3)
    for number, (frame, _) in enumerate(frames):
        image = tile(frame, 0, 0)
        assert np.abs(image - flat_image(number)[0, 0]).max() <= 6
        cyan = np.abs(tile(frame, 1, 0) - (15, 190, 190)).max(-1) < 40
        inside = cyan[36:60, max(0, 40 * number - 4):40 * number + 28]
        assert inside.mean() > 0.95
        assert 0.7 * 32 * 40 < cyan.sum() < 1.2 * 32 * 40
        blended = 0.5 * flat_image(number)[0, 0] + 0.5 * np.array(CITYSCAPES.classes[0].color)
        assert np.abs(tile(frame, 0, 1)[10, 280] - blended).max() <= 6


def test_disparity_is_drawn_in_its_colour(recording, tmp_path):
    run('view', recording, '--output', tmp_path / 'view')
    grey = np.full((1, 1), round(48 / 128 * 255), np.uint8)
    expected = cv2.applyColorMap(grey, cv2.COLORMAP_TURBO)[0, 0, ::-1].astype(int)
    frame = decoded(tmp_path / 'view' / 'view.mp4')[4][0]
    assert np.abs(np.median(tile(frame, 1, 1), (0, 1)) - expected).max() <= 6


def test_opencv_reads_the_video_and_browsers_get_what_they_know(recording, tmp_path):
    run('view', recording, '--output', tmp_path / 'view')
    path = tmp_path / 'view' / 'view.mp4'
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (found := capture.read())[0]:
        frames.append(found[1])
    assert len(frames) == len(STAMPS_NS)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == 'h264'
        assert stream.codec_context.pix_fmt == 'yuv420p'
        assert stream.codec_context.colorspace == stream.codec_context.color_range == 1
    head = path.read_bytes()
    assert head.index(b'moov') < head.index(b'mdat')  # plays before it is loaded


def test_pictures_are_frames_of_the_video(recording, tmp_path):
    run('view', recording, '--output', tmp_path / 'view', '--pictures', 2)
    paths = sorted((tmp_path / 'view' / 'pictures').iterdir())
    assert [path.name for path in paths] == ['000000.png', '000004.png']
    frames = decoded(tmp_path / 'view' / 'view.mp4')
    for path, (frame, _) in zip(paths, (frames[0], frames[4]), strict=True):
        picture = cv2.imread(str(path))[..., ::-1].astype(int)
        assert np.abs(picture - frame).mean() < 3


def test_results_of_another_bag_are_joined_by_stamp(recording, tmp_path):
    with RawBagWriter(tmp_path / 'images') as writer:
        write_images(writer, STAMPS_NS)
    with RawBagWriter(tmp_path / 'results') as writer:
        write_results(writer, STAMPS_NS, mass=0.125)
    assert run('view', tmp_path / 'images', '--results', tmp_path / 'results',
               '--output', tmp_path / 'apart') == 0
    run('view', recording, '--output', tmp_path / 'together')
    paths = sorted((tmp_path / 'apart' / 'pictures').iterdir())
    assert len(paths) == len(STAMPS_NS)
    for path in paths:
        assert path.read_bytes() == (tmp_path / 'together' / 'pictures' / path.name).read_bytes()


def test_played_stamps_lead_to_the_images(tmp_path):
    with RawBagWriter(tmp_path / 'images') as writer:
        write_images(writer, STAMPS_NS)
    played = {stamp: stamp + 10**15 for stamp in STAMPS_NS}
    with RawBagWriter(tmp_path / 'results') as writer:
        write_results(writer, list(played.values()))
    (tmp_path / 'played.json').write_text(json.dumps(played))
    arguments = ('view', tmp_path / 'images', '--results', tmp_path / 'results', '--output',
                 tmp_path / 'view')
    assert run(*arguments) == 1
    assert run(*arguments, '--played', tmp_path / 'played.json') == 0
    assert len(decoded(tmp_path / 'view' / 'view.mp4')) == len(STAMPS_NS)


def test_a_replay_beside_the_bag_tells_classes_and_foreign_probability(tmp_path, monkeypatch):
    with RawBagWriter(tmp_path / 'bag') as writer:
        write_images(writer, STAMPS_NS)
        write_results(writer, STAMPS_NS)
    (tmp_path / 'replay.json').write_text(json.dumps({
        'taxonomy': {'name': 'camvid'}, 'settings': {'stereo.max_disparity': 48}}))
    (tmp_path / 'frames.jsonl').write_text(''.join(
        json.dumps({'index': index, 'stamp_ns': stamp, 'bag': 'b', 'seconds': {},
                    'mean_foreign_probability': index / 10}) + '\n'
        for index, stamp in enumerate(STAMPS_NS)))
    seen = []

    def draw(image, result, text, style):
        seen.append((text, style.taxonomy.name, style.max_disparity))
        return np.zeros((64, 64, 3), np.uint8)

    monkeypatch.setattr('ldn_perception.cli.view.draw_frame', draw)
    run('view', tmp_path / 'bag', '--output', tmp_path / 'view')
    assert seen[3] == (
        'pair 4 of 5   stamp 1500000000.500 s   mean foreign probability 30.0 %', 'camvid', 48.0)


def test_foreign_probability_is_the_mean_of_that_in_the_bag(recording, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'ldn_perception.cli.view.draw_frame',
        lambda *arguments: seen.append(arguments[2]) or np.zeros((64, 64, 3), np.uint8))
    run('view', recording, '--output', tmp_path / 'view')
    assert seen[0] == 'pair 1 of 5   stamp 1500000000.000 s   mean foreign probability 12.5 %'


def test_wide_images_are_reduced_and_small_ones_enlarged(tmp_path):
    for width, height in ((1242, 375), (101, 33)):
        bag = tmp_path / f'bag_{width}'
        with RawBagWriter(bag) as writer:
            write_image(writer, '/left/image_rect', STAMPS_NS[0],
                        texture(width + width % 2, height + 1)[:height, :width].copy(), 'rgb8')
            write_image(writer, f'{NODE}/labels', STAMPS_NS[0],
                        np.zeros((height, width), np.uint8), 'mono8')
        assert run('view', bag, '--output', bag / 'view') == 0
        frame = decoded(bag / 'view' / 'view.mp4')[0][0]
        assert frame.shape[1] == 2 * np.clip(width, *TILE_WIDTHS_PX)
        assert frame.shape[0] % 2 == 0


def drive_without_results(path):
    with StereoBagWriter(path) as writer:
        frame = shifted_frame()
        writer.write(frame, np.zeros(frame.left.shape[:2], np.uint8))


def results_without_images(path):
    with RawBagWriter(path) as writer:
        write_results(writer, STAMPS_NS)


def two_nodes(path):
    with RawBagWriter(path) as writer:
        write_images(writer, STAMPS_NS)
        for name in ('/front', '/rear'):
            write_results(writer, STAMPS_NS, node=name + NODE)


def two_cameras(path):
    with RawBagWriter(path) as writer:
        for name in ('/front', '/rear'):
            write_images(writer, STAMPS_NS, f'{name}/left/image_rect')
        write_results(writer, STAMPS_NS)


def other_stamps(path):
    with RawBagWriter(path) as writer:
        write_images(writer, STAMPS_NS)
        write_results(writer, [stamp + 1 for stamp in STAMPS_NS])


def other_size(path):
    with RawBagWriter(path) as writer:
        write_results(writer, STAMPS_NS)
        for stamp in STAMPS_NS:
            write_image(writer, '/left/image_rect', stamp, np.zeros((10, 20), np.uint8), 'mono8')


def other_classes(path):
    with RawBagWriter(path) as writer:
        write_images(writer, STAMPS_NS)
        write_results(writer, STAMPS_NS, labels=77)


@pytest.mark.parametrize(('write', 'message'), [
    (drive_without_results, 'must be labels of a stereo_seg_node, got /ground_truth/labels, '
     '/left/camera_info, /left/image_rect, /right/camera_info, /right/image_rect: run `ldn '
     'replay` on it first, and give the bag that it writes'),
    (results_without_images, 'must be one topic of images, got no images: name the topic with '
     '--topic, or the bag with the images first and that of the results with --results'),
    (two_nodes, 'must be of one node, got /front/stereo_seg_node, /rear/stereo_seg_node: record '
     'each node into a bag of its own'),
    (two_cameras, 'must be one topic of images, got /front/left/image_rect, '
     '/rear/left/image_rect: name the topic with --topic'),
    (other_stamps, 'got none of 5 the same: name the bag that was replayed'),
    (other_size, 'must be 320x96 as the labels, got 20x10: name the bag that was replayed'),
    (other_classes, 'labels to view must be below 29, ids of universal, got 77: name the class '
     'list they were predicted with by --taxonomy'),
])
def test_what_cannot_be_viewed_is_one_sentence(tmp_path, capsys, write, message):
    write(tmp_path / 'bag')
    assert run('view', tmp_path / 'bag', '--output', tmp_path / 'view') == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


def test_a_topic_can_be_named_among_several(tmp_path):
    two_cameras(tmp_path / 'bag')
    assert run('view', tmp_path / 'bag', '--topic', 'rear/left/image_rect',
               '--output', tmp_path / 'view') == 0


def test_damaged_played_stamps_are_an_error(recording, tmp_path, capsys):
    (tmp_path / 'played.json').write_text('[1]')
    assert run('view', recording, '--played', tmp_path / 'played.json') == 1
    assert 'must be JSON of stamps in the bag and as they were played' in capsys.readouterr().err


def test_results_far_from_their_images_do_not_fill_the_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('ldn_perception.cli.recorded_results.MAX_WAITING_PAIRS', 3)
    with RawBagWriter(tmp_path / 'bag') as writer:
        write_images(writer, STAMPS_NS)
        for number, stamp in enumerate(reversed(STAMPS_NS), start=1):
            write_image(writer, f'{NODE}/labels', stamp, np.zeros((HEIGHT, WIDTH), np.uint8),
                        'mono8', receive_ns=number)
    assert run('view', tmp_path / 'bag', '--output', tmp_path / 'view') == 1
    assert 'must be that of its images within 3 pairs' in capsys.readouterr().err


def test_a_build_without_the_encoder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(av, 'codecs_available', {'mpeg4'})
    with pytest.raises(VideoError, match=(
            r'H\.264 encoder of PyAV must be libx264, got a build of FFmpeg without it: '
            r'install av from PyPI')):
        VideoWriter(tmp_path / 'view.mp4', 10.0)


def test_a_missing_pyav_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(VideoError, match=r'package av must be installed, .*make environment'):
        VideoWriter(tmp_path / 'view.mp4', 10.0)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(VideoError, match=r'must be a file that can be written, got .*another'):
        VideoWriter(tmp_path / 'none' / 'view.mp4', 10.0)


def test_a_picture_of_another_size_is_refused_and_the_video_stays_whole(tmp_path):
    with VideoWriter(tmp_path / 'view.mp4', 10.0) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8), 0)
        with pytest.raises(VideoError, match='got 32x64 after 64x64'):
            writer.write(np.zeros((64, 32, 3), np.uint8), 1)
    assert len(decoded(tmp_path / 'view.mp4')) == 1


@pytest.mark.parametrize('rate_hz', [1e-4, 1e6])
def test_any_rate_and_pictures_at_once_make_a_video(tmp_path, rate_hz):
    with VideoWriter(tmp_path / 'view.mp4', rate_hz) as writer:
        for time_ns in (0, 1, 2):
            writer.write(np.zeros((64, 64, 3), np.uint8), time_ns)
    assert len(decoded(tmp_path / 'view.mp4')) == 3


def test_the_clock_shortens_pauses_and_steps_back():
    clock = VideoClock()
    second = 10**9
    stamps = (5 * second, 6 * second, 90 * second, 3 * second, 4 * second)
    assert [clock.time_of(stamp) // second for stamp in stamps] == [0, 1, 3, 5, 6]


def test_the_rate_is_that_of_most_pairs():
    assert usual_rate_hz([0, 50_000_000, 100_000_000, 10**10]) == pytest.approx(20)
    assert usual_rate_hz([7]) == 10
    assert Fraction(usual_rate_hz([0, 33_333_333])).limit_denominator(1000) == 30


@pytest.mark.parametrize(('total', 'number', 'expected'), [
    (100, 3, {0, 50, 99}), (2, 6, {0, 1}), (5, 1, {0}), (5, 0, set()),
])
def test_pictures_are_spread_over_the_drive(total, number, expected):
    assert evenly_spaced(total, number) == expected
