# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Sources that cannot be opened or read; `cli/test_predict.py` reads good ones."""

import numpy as np
from PIL import Image
import pytest
from stereo_frames import shifted_frame

from ldn_perception.cli.view import VideoWriter
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.sources import VideoReader, open_source
from ldn_perception.errors import BagError, VideoError

FRAME = shifted_frame(12)


def write(path):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(FRAME.left).save(path)
    return path


def test_what_is_no_source_is_refused(tmp_path):
    accepted = 'must be an image, a folder of images or pairs, a video or a bag, got '
    with pytest.raises(BagError, match=accepted + 'nothing: check the path'):
        open_source(tmp_path / 'gone')
    with pytest.raises(BagError, match=accepted + 'a folder without images: check the path'):
        open_source(tmp_path)
    (tmp_path / 'note.txt').write_text('')
    with pytest.raises(BagError, match=accepted + 'another file'):
        open_source(tmp_path / 'note.txt')


def test_pairs_without_calibration_say_so(tmp_path):
    write(tmp_path / 'left/1.png')
    write(tmp_path / 'right/1.png')
    with pytest.raises(BagError, match=r'^calibration in .* must be calib\.json'):
        open_source(tmp_path)
    assert open_source(tmp_path, has_camera=True).length == 1


def test_right_images_need_the_names_of_the_left_ones(tmp_path):
    write(tmp_path / 'left/1.png')
    write(tmp_path / 'right/2.png')
    with pytest.raises(BagError, match=(
            r'^right images in .*right must be named as the left images, got none for 1\.png')):
        open_source(tmp_path / 'left', right=tmp_path / 'right')
    with VideoWriter(tmp_path / 'a.mp4', 10.0) as video:
        video.write(FRAME.left, 0)
    with pytest.raises(BagError, match='must be an image or a folder beside right images, got a'):
        open_source(tmp_path / 'a.mp4', right=tmp_path / 'right')


def test_a_topic_must_be_one_of_images(tmp_path):
    with StereoBagWriter(tmp_path / 'drive') as writer:
        writer.write(FRAME)
    source = open_source(tmp_path / 'drive', topic='/left/image_rect')
    assert (source.length, source.name, source.has_one_size) == (1, 'drive', True)
    for topic, got in (('left/camera_info', 'sensor_msgs/msg/CameraInfo'), ('x', 'missing among')):
        with pytest.raises(BagError, match=f'^topic /{topic} of .* must be sensor_msgs.*{got}'):
            open_source(tmp_path / 'drive', topic=topic)
    (tmp_path / 'broken.mcap').write_text('none')
    with pytest.raises(BagError, match=r'^bag .*broken\.mcap must be a finished ROS 2 bag'):
        open_source(tmp_path / 'broken.mcap')


def test_a_recording_without_its_end_is_no_folder_of_images(tmp_path):
    (tmp_path / 'drive_0.mcap').write_text('none')
    with pytest.raises(BagError, match=r'^bag .* must be a finished ROS 2 bag'):
        open_source(tmp_path)


class TestVideo:
    def test_frames_come_with_their_time(self, tmp_path):
        path = tmp_path / 'a.mp4'
        with VideoWriter(path, 10.0) as video:
            for time_ns in (0, 100_000_000, 350_000_000):
                video.write(FRAME.left, time_ns)
        reader = VideoReader(path)
        frames = list(reader)
        assert [time_ns for time_ns, _ in frames] == [0, 100_000_000, 350_000_000]
        assert len(reader) == 3
        assert all(image.shape == (96, 160, 3) for _, image in frames)
        difference = frames[0][1].astype(int) - FRAME.left
        assert np.abs(difference).mean() < 30

    def test_what_is_no_video_is_refused(self, tmp_path):
        (tmp_path / 'a.mp4').write_text('none')
        with pytest.raises(VideoError, match=(
                r'^video .*a\.mp4 must be a video that FFmpeg reads, got .*: check the path')):
            VideoReader(tmp_path / 'a.mp4')

    def test_a_damaged_one_says_after_which_frame(self, tmp_path, monkeypatch):
        path = tmp_path / 'a.mp4'
        with VideoWriter(path, 10.0) as video:
            video.write(FRAME.left, 0)
        reader = VideoReader(path)
        path.unlink()
        with pytest.raises(VideoError, match=r'must be undamaged, got .* after frame 0: copy or'):
            list(reader)

    def test_without_pyav_it_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__('sys').modules, 'av', None)
        with pytest.raises(VideoError, match='package av must be installed to read videos, got'):
            VideoReader(tmp_path / 'a.mp4')
