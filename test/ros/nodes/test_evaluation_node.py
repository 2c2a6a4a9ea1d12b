# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Live evaluation over real DDS: player, perception node and evaluation node as processes."""

import json
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import pytest
import rclpy
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String, UInt32
from stereo_frames import shifted_frame
from stereo_msgs.msg import DisparityImage
import torch

from ldn_perception.build import build_perception
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.bag_reader import StereoBagReader
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.message_fields import disparity_fields, image_fields
from ldn_perception.errors import ConfigError, EvaluationError, MessageError
from ldn_perception.evaluation.live_matching import (
    LapBegan,
    LapEnded,
    PairSent,
    PlaybackEnded,
    PlaybackPlanned,
    event_from_text,
)
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.metrics.stereo import StereoScores
from ldn_perception.ros.nodes.bag_player import EVENTS_QOS, LATCHED_QOS
from ldn_perception.ros.nodes.evaluation_node import EvaluationNode, decode_pixels
from ldn_perception.ros.nodes.outputs import fill
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.types import DisparityMap

LIMIT_S = 240.0
NUM_PAIRS = 3
PERCEPTION = {'model.name': 'ldn_small', 'stereo.max_disparity': 64, 'inference.device': 'cpu'}

pytestmark = pytest.mark.timeout(900)


def start(module, *arguments):
    return subprocess.Popen(
        [sys.executable, '-m', f'ldn_perception.ros.nodes.{module}', *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def parameters(**values):
    return ['--ros-args', *(
        part for name, value in values.items() for part in ('-p', f'{name}:={value}'))]


def spin_until(node, condition, what):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f'waited {LIMIT_S} s for {what}'
        rclpy.spin_once(node, timeout_sec=0.05)


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """A rendered drive with all ground truth, at 4 Hz."""
    path = tmp_path_factory.mktemp('drive') / 'drive'
    with StereoBagWriter(path) as writer:
        for sample in SyntheticDrive(1, NUM_PAIRS, 160, 96, 4.0):
            writer.write(sample.frame, sample.labels, sample.foreign, sample.disparity)
    return path


def evaluate(drive, folder, player, simulated, **given):
    """Play a drive to a node that is evaluated; what evaluation and player print, and codes."""
    processes = [
        start('stereo_seg_node', *parameters(
            **PERCEPTION, use_sim_time=str(simulated).lower())),
        start('bag_player', drive, '--wait-s', LIMIT_S, '--paced-by', 'evaluation_node/ready',
              *player),
        start('evaluation_node', *parameters(output=folder, wait_s=LIMIT_S, **given)),
    ]
    try:
        logs = [process.communicate(timeout=2 * LIMIT_S)[0] for process in processes[:0:-1]]
        processes[0].send_signal(signal.SIGINT)
        logs.append(processes[0].communicate(timeout=LIMIT_S)[0])
    finally:
        for process in processes:
            process.kill()
    return logs, [process.returncode for process in processes[::-1]]


def read_lines(folder):
    return [json.loads(line) for line in (folder / 'evaluation.jsonl').read_text().splitlines()]


@pytest.fixture(scope='module')
def simulated(drive, tmp_path_factory):
    """A looping bag at two rates in simulated time: logs, report and lines."""
    folder = tmp_path_factory.mktemp('simulated')
    logs, codes = evaluate(drive, folder, [
        '--ground-truth', '--clock', '--rate', '1,2', '--laps', 2], True)
    assert codes == [0, 0, 0], '\n'.join(logs)
    return logs, json.loads((folder / 'evaluation.json').read_text()), read_lines(folder)


def test_every_pair_of_every_lap_is_accounted_for_once(simulated, drive):
    _, report, lines = simulated
    stamps = [sample.frame.stamp_ns for sample in StereoBagReader(drive)]
    assert [(line['rate'], line['lap'], line['stamp_ns']) for line in lines] == [
        (rate, lap, stamp) for rate in (1, 2) for lap in (0, 1) for stamp in stamps]
    for scores in report['passes']:
        pairs = scores['pairs']
        assert (scores['laps'], pairs['sent']) == (2, 2 * NUM_PAIRS)
        assert scores['outcomes']['scored'] == pairs['heard'] >= 1
        assert sum(scores['outcomes'].values()) == 2 * NUM_PAIRS
        assert scores['strays'] == {}
        assert scores['stamp_jumps'] >= 1
        assert set(pairs['dropped']) <= {'stale'}
        lost = pairs['lost_before_node'] + pairs['lost_after_node']
        assert pairs['heard'] + sum(pairs['dropped'].values()) + lost == 2 * NUM_PAIRS
    assert report['complete']
    assert report['plan']['keeps_stamps']


def test_scores_are_those_of_the_pipeline_itself(simulated, drive):
    _, report, lines = simulated
    pipeline = build_perception(PerceptionConfig.from_values(PERCEPTION)).pipeline
    expected = {}
    for sample in StereoBagReader(drive):
        result = pipeline.process(sample.frame)
        confusion, stereo = ConfusionMatrix(19), StereoScores()
        labels = result.segmentation.labels
        confusion.accumulate(
            np.where(labels < 19, labels, 255).astype(np.uint8), sample.labels)
        stereo.accumulate(result.disparity.to_host(), sample.disparity)
        expected[sample.frame.stamp_ns] = confusion, stereo
    for scores in report['passes']:
        scored = [
            line for line in lines if line['rate'] == scores['rate']
            and line['outcome'] == 'scored']
        total = sum(expected[line['stamp_ns']][0].counts for line in scored)
        np.testing.assert_array_equal(scores['confusion'], total)
        for line in scored:
            assert line['d1'] == expected[line['stamp_ns']][1].d1_all
        assert 0 < scores['ood']['average_precision'] < 1
        assert scores['ood']['foreign_pixels'] > 0


def test_latency_is_real_time_since_the_pair_was_sent(simulated):
    # at 1970 as the recording has it, a latency by stamps would be half a century
    _, report, lines = simulated
    for line in lines:
        if line['outcome'] == 'scored':
            assert abs(line['sent_ns'] - time.time_ns()) < 3600e9
            assert line['latency_ms'] == (line['heard_ns'] - line['sent_ns']) / 1e6
            assert 0 < line['latency_ms'] < LIMIT_S * 1e3
    for scores in report['passes']:
        assert 0 < scores['latency']['p50_ms'] <= scores['latency']['p99_ms']
        processing = sum(
            value for name, value in scores['stage_ms'].items() if name != 'wait')
        assert scores['age_bound_ms'] == pytest.approx(2 * processing + 50)


def test_the_log_has_the_table(simulated):
    (log, *_), _, _ = simulated
    assert 'stamps of the recording\n' in log
    assert [line.split() for line in log.splitlines() if line.startswith('rate')] == [
        ['rate', '1x', '2x']]
    assert 'mIoU [%]' in log
    assert 'Traceback' not in log


def test_in_present_time_the_mask_is_scored_too(drive, tmp_path):
    logs, codes = evaluate(drive, tmp_path, ['--ground-truth'], False, ood_output='ood_mask')
    assert codes == [0, 0, 0], '\n'.join(logs)
    report = json.loads((tmp_path / 'evaluation.json').read_text())
    scores, = report['passes']
    assert scores['outcomes']['scored'] == scores['pairs']['heard'] >= 1
    assert scores['strays'] == {}
    assert scores['ood']['foreign_pixels'] > 0
    for line in read_lines(tmp_path):
        assert line['stamp_ns'] == line['sent_ns']


def test_a_bag_without_ground_truth_ends_with_code_1_and_the_reason(tmp_path):
    with StereoBagWriter(tmp_path / 'drive') as writer:
        writer.write(shifted_frame(12))
    logs, codes = evaluate(tmp_path / 'drive', tmp_path / 'out', ['--ground-truth'], False)
    assert codes == [1, 0, 0], '\n'.join(logs)
    assert (
        'evaluation_node: live evaluation must be of at least one pair with a result and ground '
        'truth, got 1 pairs sent, 1 results heard, none scored: play a bag with ground_truth/'
    ) in logs[0]
    report = json.loads((tmp_path / 'out' / 'evaluation.json').read_text())
    assert report['passes'][0]['latency']['count'] == 1


@pytest.fixture
def heard(ros):
    """A tester that hears everything a player sends."""
    tester = rclpy.create_node('tester')
    received = {}
    for topic, kind in {
        'left/image_rect': Image, 'right/image_rect': Image, 'left/camera_info': CameraInfo,
        'right/camera_info': CameraInfo, 'ground_truth/labels': Image,
        'ground_truth/foreign': Image, 'ground_truth/disparity': DisparityImage, '/clock': Clock,
    }.items():
        received[topic] = []
        tester.create_subscription(kind, topic, received[topic].append, QoSProfile(depth=1000))
    received['events'] = events = []
    tester.create_subscription(
        String, 'bag_player/events', lambda message: events.append(
            event_from_text(message.data)), EVENTS_QOS)
    yield tester, received
    tester.destroy_node()


def test_the_player_leaves_stamps_alone_under_a_clock(heard, drive):
    tester, received = heard
    player = start('bag_player', drive, '--ground-truth', '--clock', '--laps', 2, '--rate', 2)
    try:
        spin_until(tester, lambda: PlaybackEnded() in received['events'], 'the end')
        assert player.wait(LIMIT_S) == 0
        spin_until(tester, lambda: len(received['left/image_rect']) == 2 * NUM_PAIRS, 'images')
    finally:
        player.kill()
    samples = list(StereoBagReader(drive)) * 2
    stamps = [sample.frame.stamp_ns for sample in samples]
    for topic in ('left/image_rect', 'ground_truth/labels', 'ground_truth/disparity'):
        assert [nanoseconds(message.header.stamp) for message in received[topic]] == stamps
    for sample, labels, foreign, disparity in zip(
        samples, received['ground_truth/labels'], received['ground_truth/foreign'],
        received['ground_truth/disparity'], strict=True,
    ):
        assert bytes(labels.data) == sample.labels.tobytes()
        np.testing.assert_array_equal(
            np.frombuffer(foreign.data, np.uint8) > 0, sample.foreign.ravel())
        np.testing.assert_array_equal(
            np.frombuffer(disparity.image.data, np.float32), sample.disparity.ravel())
    plan, *told = received['events']
    assert plan == PlaybackPlanned(
        str(drive), NUM_PAIRS, (2.0,), 2, ('labels', 'foreign', 'disparity'), True)
    assert [type(event) for event in told] == [
        *[LapBegan, *[PairSent] * NUM_PAIRS, LapEnded] * 2, PlaybackEnded]
    sent = [event for event in told if isinstance(event, PairSent)]
    assert [event.stamp_ns for event in sent] == stamps
    times = [event.sent_ns for event in sent]
    assert times == sorted(times)
    clock = [nanoseconds(message.clock) for message in received['/clock']]
    assert min(clock) == stamps[0]
    assert max(clock) == stamps[-1]
    # back once, when the second lap begins, and finer than the pairs in between
    assert (np.diff(clock) < 0).sum() == 1
    assert len(set(clock)) > 2 * NUM_PAIRS


def nanoseconds(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


def test_a_paced_player_begins_each_lap_when_it_may(heard, drive):
    tester, received = heard
    pace = tester.create_publisher(UInt32, 'pace', LATCHED_QOS)
    player = start('bag_player', drive, '--ground-truth', '--laps', 2, '--paced-by', 'pace')
    try:
        pace.publish(UInt32(data=0))
        spin_until(tester, lambda: LapEnded() in received['events'], 'the first lap')
        for _ in range(20):
            rclpy.spin_once(tester, timeout_sec=0.05)
        assert LapBegan(1, 0) not in received['events']
        pace.publish(UInt32(data=1))
        spin_until(tester, lambda: PlaybackEnded() in received['events'], 'the end')
        assert player.wait(LIMIT_S) == 0
    finally:
        player.kill()
    sent = [event for event in received['events'] if isinstance(event, PairSent)]
    assert len(sent) == 2 * NUM_PAIRS
    assert all(event.stamp_ns == event.sent_ns for event in sent)
    assert len({event.stamp_ns for event in sent}) == 2 * NUM_PAIRS


def test_a_rate_that_is_none_is_refused(drive, play):
    code, log = play(drive, '--rate', '1,fast')
    assert code == 2
    assert "--rate: must be numbers above 0, got '1,fast': say for example 1, or 1,2,4" in log


def initialised(folder, **values):
    rclpy.init(args=parameters(output=folder, **values))
    return EvaluationNode()


@pytest.fixture
def context():
    yield
    rclpy.try_shutdown()


def test_an_evaluation_that_nobody_feeds_says_who_is_missing(context, tmp_path):
    node = initialised(tmp_path, wait_s=1.0)
    rclpy.spin_until_future_complete(node, node.finished, timeout_sec=LIMIT_S)
    with pytest.raises(EvaluationError, match=(
            r'live evaluation must be begun within 1 s, got nothing from a player on '
            r'bag_player/events and stereo_seg_node on /diagnostics: start them')):
        node.finished.result()
    node.close()
    assert json.loads((tmp_path / 'evaluation.json').read_text())['passes'] == []
    node.destroy_node()


def test_the_state_of_another_node_is_not_taken_for_that_of_ours(context, tmp_path):
    node = initialised(tmp_path, node='front/stereo_seg_node')
    publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def status(name, taxonomy):
        return DiagnosticStatus(name=name, message='running', values=[
            KeyValue(key='taxonomy', value=taxonomy)])

    def heard():
        publisher.publish(DiagnosticArray(status=[
            status('rear/stereo_seg_node: pipeline', 'camvid'),
            status('front/stereo_seg_node: pipeline', 'universal')]))
        return node.session.node

    spin_until(node, heard, 'the node')
    assert node.session.node.facts == {'taxonomy': 'universal'}
    node.close()
    node.destroy_node()


def test_a_wrong_parameter_is_refused(context, tmp_path):
    with pytest.raises(ConfigError, match=r'ood_output must be one of foreign_probability, ood_'):
        initialised(tmp_path, ood_output='confidence')


def test_a_folder_that_cannot_be_made_is_refused(context, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(EvaluationError, match=r'output must be a folder that can be written to'):
        initialised(tmp_path / 'file')


def test_pixels_come_out_of_messages_as_they_went_in():
    probability = np.random.default_rng(0).random((4, 6)).astype(np.float32)
    message = fill(Image(), image_fields(probability, '32FC1'))
    decoded = decode_pixels('foreign_probability', serialize_message(message))
    np.testing.assert_array_equal(decoded, probability)
    mask = fill(Image(), image_fields(np.eye(4, 6, dtype=np.uint8) * np.uint8(255), 'mono8'))
    np.testing.assert_array_equal(
        decode_pixels('ground_truth/foreign', serialize_message(mask)), np.eye(4, 6) > 0)
    disparity = np.array([[1, 5, np.nan], [9, 2, 3]], np.float32)
    image = fill(DisparityImage(), disparity_fields(
        DisparityMap(torch.from_numpy(disparity), 0, 16), shifted_frame(12).geometry))
    image.max_disparity = 8.0
    expected = np.where(disparity > 8, np.nan, disparity)
    np.testing.assert_array_equal(
        decode_pixels('disparity', serialize_message(image)), expected)
    message.encoding = 'rgb16'
    with pytest.raises(MessageError, match=r"encoding of labels must be one of mono8, .* 'rgb16'"):
        decode_pixels('labels', serialize_message(message))
