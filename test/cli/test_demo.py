# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: processes, DDS, bags, pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from stereo_frames import shifted_frame

from ldn_perception.build import build_perception
from ldn_perception.cli.demo_score import draw, join
from ldn_perception.cli.main import main
from ldn_perception.cli.recorded_results import RecordedResult, read_last_diagnostics, read_results
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.bag_reader import StereoBagReader
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import EvaluationError
from ldn_perception.taxonomy import CITYSCAPES

pytest.importorskip('rclpy', reason='no ROS 2 here')
pytestmark = pytest.mark.ros


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Four pairs with everything that can be known of them, at 4 Hz."""
    path = tmp_path_factory.mktemp('drive') / 'drive'
    labels = np.full((96, 160), 2, np.uint8)
    labels[:10] = 255
    foreign = np.zeros((96, 160), np.bool_)
    foreign[:10, :50] = True
    with StereoBagWriter(path) as writer:
        for number in range(1, 5):
            frame = shifted_frame(12, stamp_ns=number * 250_000_000)
            writer.write(frame, labels, foreign, np.full((96, 160), 12, np.float32))
    return path


@pytest.fixture(scope='module')
def demo(drive, tmp_path_factory):
    output = tmp_path_factory.mktemp('demo')
    code = run('demo', drive, '--output', output, '--pictures', 2,
               '--set', 'model.name=ldn_small', '--set', 'stereo.max_disparity=64',
               '--set', 'inference.device=cpu')
    log = '\n'.join(path.read_text() for path in output.glob('*.log'))
    assert code == 0, log
    return output


def test_every_pair_comes_back_as_the_pipeline_computes_it(demo, drive):
    config = PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'stereo.max_disparity': 64, 'inference.device': 'cpu'})
    pipeline = build_perception(config).pipeline
    played = {int(old): new for old, new in json.loads((demo / 'played.json').read_text()).items()}
    results = {result.stamp_ns: result for result in read_results(demo / 'results')}
    assert len(results) == 4
    for sample in StereoBagReader(drive):
        expected = pipeline.process(sample.frame)
        images = results[played[sample.frame.stamp_ns]].images
        assert set(images) == {
            'labels', 'ood_mask', 'foreign_probability', 'overlay', 'disparity'}
        np.testing.assert_array_equal(images['labels'], expected.segmentation.labels)
        np.testing.assert_array_equal(images['disparity'], expected.disparity.to_host())


def test_the_report_accounts_for_every_pair(demo):
    report = json.loads((demo / 'report.json').read_text())
    pairs = report['pairs']
    assert pairs['sent'] == pairs['received'] == pairs['processed'] == pairs['recorded'] == 4
    assert pairs['lost_before_the_node'] == pairs['unfinished'] == 0
    assert pairs['dropped'] == {}
    assert 0 < report['latency_ms']['p50'] <= report['latency_ms']['p99']
    assert set(report['stage_ms']) >= {'disparity', 'network', 'decode'}
    assert 0 <= report['mean_iou'] <= 1
    assert 0 < report['ood_average_precision'] < 1
    assert report['d1'] < 0.2
    assert 0.5 < report['disparity_density'] <= 1
    assert report['state'].startswith('UNTRAINED')


def test_the_diagnostics_name_the_model(demo):
    message, values = read_last_diagnostics(demo / 'results')
    assert message.startswith('UNTRAINED')
    assert (values['model'], values['device']) == ('ldn_small', 'cpu')


def test_pictures_show_what_went_in_and_what_came_out(demo):
    pictures = sorted((demo / 'pictures').iterdir())
    assert [path.name for path in pictures] == ['000000.png', '000003.png']
    picture = cv2.imread(str(pictures[0]))[..., ::-1]
    assert picture.shape == (2 * (96 + 22), 320, 3)
    np.testing.assert_array_equal(picture[22:118, :160], shifted_frame(12).left)


def test_missing_parts_of_a_result_stay_black():
    picture = draw(RecordedResult(1, 2), StereoSample(shifted_frame(12)), CITYSCAPES, 64)
    assert not picture[22:118, 160:].any()
    assert not picture[140:].any()


def test_a_result_of_another_replay_is_refused():
    samples = [StereoSample(shifted_frame(12, stamp_ns=5))]
    with pytest.raises(EvaluationError, match=(
        r'stamps of the results must be those of pairs that were played, .*, got 8 ns: record')):
        list(join([RecordedResult(8, 9)], samples, {5: 7}))


def test_images_of_a_folder_can_be_replayed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = shifted_frame(12)
    folder = tmp_path / 'pair'
    folder.mkdir()
    for side in ('left', 'right'):
        cv2.imwrite(str(folder / f'{side}.png'), getattr(frame, side)[..., ::-1])
    rig = frame.geometry
    (folder / 'calib.json').write_text(json.dumps({
        'fx': rig.fx, 'fy': rig.fy, 'cx': rig.cx, 'cy': rig.cy, 'baseline_m': rig.baseline}))
    assert run('demo', folder, '--set', 'stereo.max_disparity=64',
               '--set', 'inference.engine=torch') == 0
    assert json.loads(Path('build/demo/report.json').read_text())['pairs']['processed'] == 1
    assert list(Path('build/demo/pictures').iterdir())


def test_the_demo_makes_its_own_drive(tmp_path, capsys):
    assert run('demo', '--frames', 3, '--output', tmp_path, '--speed', 0.2,
               '--set', 'inference.engine=torch') == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['pairs']['processed'] == 3
    assert report['mean_iou'] > 0.3  # with the weights of the package
    assert report['d1'] < 0.2
    assert 'UNTRAINED' not in capsys.readouterr().out


def test_a_node_that_cannot_start_is_reported(drive, tmp_path, capsys):
    code = run('demo', drive, '--output', tmp_path, '--set', 'model.weights=/none')
    assert code == 1
    error = capsys.readouterr().err
    assert 'ldn: replay must be played to its end, got stereo_seg_node exit code 1' in error
    assert '/none' in (tmp_path / 'stereo_seg_node.log').read_text()
