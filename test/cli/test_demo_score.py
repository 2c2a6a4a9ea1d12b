# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a recording without a node: the messages are written as the node writes them."""

import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame
import torch

from ldn_perception.cli.demo_score import score_recording
from ldn_perception.data.bag_messages import build_header, build_message, serialize
from ldn_perception.data.bag_reader import DISPARITY_IMAGE
from ldn_perception.data.bag_writers import RawBagWriter
from ldn_perception.data.message_fields import disparity_fields
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.taxonomy import CITYSCAPES
from ldn_perception.types import DisparityMap

STAMP_NS = 1_500_000_007
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'


def record(path, disparity, rig, **changes):
    """Write the recording of one pair: its disparity and an empty status."""
    header = build_header(STAMP_NS, 'left_optical')
    status = build_message(STATUS, {
        'level': 0, 'name': '', 'message': 'running', 'hardware_id': '', 'values': []}, header)
    array = build_message(DIAGNOSTICS, {'status': [status]}, header)
    fields = {**disparity_fields(DisparityMap(torch.from_numpy(disparity), 0, 63), rig), **changes}
    message = build_message(DISPARITY_IMAGE, fields, header)
    writer = RawBagWriter(path)
    writer.write('/disparity', DISPARITY_IMAGE, STAMP_NS, serialize(message, DISPARITY_IMAGE))
    writer.write('/diagnostics', DIAGNOSTICS, STAMP_NS, serialize(array, DIAGNOSTICS))
    writer.close()
    return path


@pytest.mark.parametrize('cx_right', [77.0, 70.0, 90.25])
def test_disparity_is_scored_whatever_the_principal_points_are(tmp_path, cx_right):
    rig = geometry(cx_right=cx_right)
    truth = np.full(rig.shape, 20, np.float32)
    sample = StereoSample(shifted_frame(geometry=rig, stamp_ns=STAMP_NS), disparity=truth)
    recording = record(tmp_path / 'results', truth, rig)
    score = score_recording(recording, [sample], {STAMP_NS: STAMP_NS}, CITYSCAPES)
    assert (score.recorded, score.state, score.d1) == (1, 'running', 0)


def test_disparities_outside_their_range_are_unknown(tmp_path):
    rig = geometry(cx_right=70.0)
    truth = np.full(rig.shape, 20, np.float32)
    sample = StereoSample(shifted_frame(geometry=rig, stamp_ns=STAMP_NS), disparity=truth)
    recording = record(tmp_path / 'results', truth, rig, max_disparity=12.0)
    score = score_recording(recording, [sample], {STAMP_NS: STAMP_NS}, CITYSCAPES)
    assert score.d1 == 1
