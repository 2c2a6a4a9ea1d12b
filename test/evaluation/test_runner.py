# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
from pathlib import Path
import shutil
import weakref

import cv2
from evaluation.tiny_drives import (
    PERIOD_NS,
    START_NS,
    pair,
    pipeline,
    replay,
    settings,
    stamps,
    truth,
    write_drive,
)
import numpy as np
import pytest

from ldn_perception.data.bag_messages import RawBag, deserialize
from ldn_perception.data.bag_writers import RawBagWriter, StereoBagWriter
from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.data.messages import pixels_of
from ldn_perception.errors import BagError, EvaluationError, ReplayError
from ldn_perception.evaluation.replay import Watcher
from ldn_perception.metrics.ood import OodScores
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.metrics.stereo import StereoScores
from ldn_perception.taxonomy import UNIVERSAL
from ldn_perception.types import Quantity

STAGES = ['read', 'disparity', 'network', 'decode', 'write']


def lines(folder, name='frames.jsonl'):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def read(folder, name):
    return json.loads((folder / name).read_text())


def driving(labels):
    """(H, W) uint8, 255 where no driving class was published."""
    return np.where(labels < UNIVERSAL.num_driving, labels, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp('drive') / 'drive', stamps(0, 8))


@pytest.fixture(scope='module')
def replayed(drive, tmp_path_factory):
    folder = tmp_path_factory.mktemp('replayed') / 'out'
    assert replay(folder, drive)
    return folder


@pytest.fixture(scope='module')
def results():
    """Results of the pipeline for every pair, without a replay."""
    whole = pipeline()
    return [whole.process(pair(stamp), Quantity.ALL) for stamp in stamps(0, 8)]


def test_every_pair_has_a_line_in_the_order_of_the_stamps(replayed, drive, results):
    found = lines(replayed)
    assert [line['index'] for line in found] == list(range(8))
    assert [line['stamp_ns'] for line in found] == stamps(0, 8)
    for line, result in zip(found, results, strict=True):
        segmentation = result.segmentation
        assert line['bag'] == str(drive)
        assert line['labels_sha256'] == hashlib.sha256(segmentation.labels.tobytes()).hexdigest()
        assert line['mean_foreign_probability'] == pytest.approx(
            segmentation.foreign_probability.mean())
        assert line['ood_share'] == pytest.approx(segmentation.ood_mask.mean())
        assert line['non_finite_pixels'] == 0
        assert line['disparity_density'] == pytest.approx(result.disparity.density)
        assert list(line['seconds']) == STAGES
        assert all(seconds >= 0 for seconds in line['seconds'].values())
    assert len({line['labels_sha256'] for line in found}) == 8


def test_scores_are_those_of_the_plain_accumulators(replayed, results):
    confusion, ood, stereo = ConfusionMatrix(UNIVERSAL.num_driving), OodScores(), StereoScores()
    for line, result in zip(lines(replayed), results, strict=True):
        labels, foreign, disparity = truth(result.frame.stamp_ns)
        own = ConfusionMatrix(UNIVERSAL.num_driving)
        predicted = result.segmentation.labels
        own.accumulate(driving(predicted), labels)
        confusion += own
        assert line['pixel_accuracy'] == own.pixel_accuracy
        assert line['miou'] == own.mean_iou
        own_ood = OodScores()
        own_ood.accumulate(
            result.segmentation.foreign_probability, foreign, foreign | (labels != 255))
        assert line['ood_ap'] == pytest.approx(own_ood.metrics().average_precision, abs=1e-3)
        ood += own_ood
        own_stereo = StereoScores()
        own_stereo.accumulate(result.disparity.to_host(), disparity)
        assert line['d1'] == own_stereo.d1_all
        stereo.accumulate(result.disparity.to_host(), disparity)
    scores = read(replayed, 'scores.json')
    assert scores['segmentation']['confusion'] == confusion.counts.tolist()
    assert scores['segmentation']['mean_iou'] == confusion.mean_iou
    assert scores['segmentation']['iou']['road'] == confusion.iou()[0]
    exact = ood.metrics()
    assert scores['ood']['average_precision'] == pytest.approx(exact.average_precision, abs=1e-3)
    assert scores['ood']['fpr95'] == pytest.approx(exact.fpr95, abs=1e-3)
    assert scores['ood']['foreign_pixels'] == exact.foreign_pixels
    assert scores['disparity']['d1_all'] == stereo.d1_all
    assert 0.3 < stereo.d1_all < 0.7  # the lower half of the truth is wrong on purpose
    assert scores['disparity']['end_point_error_px'] == pytest.approx(
        stereo.end_point_error_px, abs=1e-4)
    assert scores['pairs'] == {
        'pairs': 8, 'processed': 8, 'dropped': {}, 'unpaired_images': 0,
        'bags': [{'bag': scores['pairs']['bags'][0]['bag'], 'pairs': 8, 'unpaired_images': 0}]}
    assert list(scores['latency']) == [*STAGES, 'total']
    assert scores['latency']['network']['count'] == 8
    assert scores['mean_foreign_probability'] == pytest.approx(
        np.mean([line['mean_foreign_probability'] for line in lines(replayed)]))


def test_the_description_says_what_was_replayed(replayed, drive):
    found = read(replayed, 'replay.json')
    assert found['complete'] is True
    assert found['bags'] == [str(drive)]
    assert (found['name'], found['model'], found['weights']) == ('tiny', 'ldn121_64_4', None)
    assert found['settings']['stereo.max_disparity'] == 128
    assert found['taxonomy']['classes'][0] == {
        'name': 'road', 'color': [128, 64, 128], 'domain': 'driving', 'category': 'flat'}
    assert len(found['taxonomy']['classes']) == len(UNIVERSAL)
    assert found['counts']['processed'] == 8
    assert set(found['seconds']) == {*STAGES, 'open', 'score', 'save'}


def test_results_are_a_bag_under_the_names_of_the_node(replayed, results):
    bag = RawBag(replayed / 'bag')
    assert bag.message_counts == dict.fromkeys([
        '/left/camera_info', '/left/image_rect', '/stereo_seg_node/labels',
        '/stereo_seg_node/ood_mask', '/disparity'], 8)
    assert sorted(path.name for path in (replayed / 'bag').iterdir()) == [
        'bag_000000.mcap', 'bag_000001.mcap', 'bag_000002.mcap', 'metadata.yaml']
    seen = {}
    for raw in bag.messages():
        message = deserialize(raw.cdr, raw.msgtype)
        number = (raw.receive_ns - START_NS) // PERIOD_NS
        stamp = message.header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == raw.receive_ns == stamps(0, 8)[number]
        seen[raw.topic, number] = message
    for number, result in enumerate(results):
        labels = seen['/stereo_seg_node/labels', number]
        assert labels.encoding == 'mono8'
        np.testing.assert_array_equal(
            pixels_of(labels, 1, np.uint8)[..., 0], result.segmentation.labels)
        np.testing.assert_array_equal(
            pixels_of(seen['/stereo_seg_node/ood_mask', number], 1, np.uint8)[..., 0],
            np.where(result.segmentation.ood_mask, 255, 0))
        disparity = seen['/disparity', number]
        np.testing.assert_array_equal(
            pixels_of(disparity.image, 1, np.float32)[..., 0], result.disparity.to_host())
        np.testing.assert_array_equal(
            pixels_of(seen['/left/image_rect', number], 3, np.uint8), result.frame.left)
        assert seen['/left/camera_info', number].p[0] == 90.0


def test_the_notable_pairs_are_drawn(replayed):
    found = lines(replayed)
    listed = read(replayed, 'scores.json')['pictures']
    by_accuracy = sorted(found, key=lambda line: line['pixel_accuracy'])
    by_mass = sorted(found, key=lambda line: -line['mean_foreign_probability'])
    expected = {
        'best': [line['index'] for line in by_accuracy[:-4:-1]],
        'worst': [line['index'] for line in by_accuracy[:3]],
        'foreign': [line['index'] for line in by_mass[:3]]}
    for kind, indexes in expected.items():
        assert [entry['index'] for entry in listed if entry['kind'] == kind] == indexes
        for rank, index in enumerate(indexes, start=1):
            drawn = cv2.imread(str(replayed / 'pictures' / f'{kind}_{rank}.jpg'))[..., ::-1]
            difference = drawn.mean((0, 1)) - pair(stamps(0, 8)[index]).left.mean((0, 1))
            assert abs(difference).max() < 3


def test_two_replays_say_the_same(drive, replayed, tmp_path):
    assert replay(tmp_path / 'again', drive, pairs_per_segment=5)
    assert [line['labels_sha256'] for line in lines(tmp_path / 'again')] == [
        line['labels_sha256'] for line in lines(replayed)]


def test_a_finished_replay_is_not_done_again(drive, replayed):
    before = (replayed / 'frames.jsonl').read_text()
    assert replay(replayed, drive, engine={'kills_at': 1})
    assert (replayed / 'frames.jsonl').read_text() == before


def test_without_ground_truth_there_are_labels_and_latency(tmp_path):
    drive = write_drive(tmp_path / 'drive', stamps(0, 2), with_truth=False)
    assert replay(tmp_path / 'out', drive, writes_bag=False)
    scores = read(tmp_path / 'out', 'scores.json')
    assert (scores['segmentation'], scores['ood'], scores['disparity']) == (None, None, None)
    assert scores['mean_disparity_density'] is None  # nothing asks for disparity
    assert scores['mean_foreign_probability'] > 0
    assert {entry['kind'] for entry in scores['pictures']} == {'foreign'}
    assert not (tmp_path / 'out' / 'bag').exists()
    for line in lines(tmp_path / 'out'):
        assert not {'pixel_accuracy', 'miou', 'd1', 'ood_ap'} & line.keys()


def test_left_images_can_be_left_out(tmp_path):
    drive = write_drive(tmp_path / 'drive', stamps(0, 1))
    assert replay(tmp_path / 'out', drive, writes_images=False)
    assert '/left/image_rect' not in RawBag(tmp_path / 'out' / 'bag').topics


def test_bags_follow_each_other_and_their_pairs_are_numbered_through(tmp_path):
    drives = [write_drive(tmp_path / 'a', stamps(0, 3)), write_drive(tmp_path / 'b', stamps(3, 5))]
    assert replay(tmp_path / 'out', *drives)
    found = lines(tmp_path / 'out')
    assert [line['index'] for line in found] == [0, 1, 2, 3, 4]
    assert [line['bag'] for line in found] == [str(drives[0])] * 3 + [str(drives[1])] * 2
    assert len(list(RawBag(tmp_path / 'out' / 'bag').messages(['/disparity']))) == 5


def broken_drive(tmp_path):
    """Four pairs: the second with a cut image, the last left image without a partner."""
    source = write_drive(tmp_path / 'source', stamps(0, 4))
    with RawBagWriter(tmp_path / 'drive') as writer:
        for message in RawBag(source).messages():
            number = (message.receive_ns - START_NS) // PERIOD_NS
            if number == 3 and message.topic.startswith('/right'):
                continue
            if number == 1 and message.topic == '/left/image_rect':
                cdr = bytearray(message.cdr)
                where = cdr.index(b'rgb8')
                cdr[where:where + 4] = b'what'
                message = message._replace(cdr=bytes(cdr))
            writer.write(message.topic, message.msgtype, message.receive_ns, message.cdr)
    return tmp_path / 'drive'


def test_a_bad_pair_is_dropped_with_its_reason(tmp_path):
    drive = broken_drive(tmp_path)
    assert replay(tmp_path / 'out', drive)
    assert [line['index'] for line in lines(tmp_path / 'out')] == [0, 2]
    (dropped,) = lines(tmp_path / 'out', 'dropped.jsonl')
    assert (dropped['index'], dropped['stamp_ns']) == (1, stamps(0, 4)[1])
    assert dropped['reason'] == 'unknown_encoding'
    assert 'image encoding must be one of' in dropped['error']
    pairs = read(tmp_path / 'out', 'scores.json')['pairs']
    assert (pairs['pairs'], pairs['processed'], pairs['unpaired_images']) == (3, 2, 1)
    assert pairs['dropped'] == {'unknown_encoding': 1}


def test_a_pair_the_pipeline_refuses_is_dropped(tmp_path):
    drive = write_drive(tmp_path / 'drive', stamps(0, 3))
    count = iter(range(3))

    def refuse_second(_):
        if next(count) == 1:
            raise BagError('it', must_be='a', got='b', do='c', reason='test')

    assert replay(tmp_path / 'out', drive, engine={'seen': refuse_second})
    assert [line['index'] for line in lines(tmp_path / 'out')] == [0, 2]
    assert lines(tmp_path / 'out', 'dropped.jsonl')[0]['reason'] == 'test'


def test_memory_holds_as_many_frames_of_a_long_bag_as_of_a_short_one(tmp_path):
    most = {}
    for length in (6, 30):
        drive = write_drive(tmp_path / f'drive_{length}', stamps(0, length), with_truth=False)
        alive, counts = weakref.WeakSet(), []

        def note(image, alive=alive, counts=counts):
            alive.add(image)
            counts.append(len(alive))

        assert replay(tmp_path / f'out_{length}', drive, engine={'seen': note})
        assert len(counts) == length
        most[length] = max(counts)
    assert most[30] == most[6] <= 3


def test_labels_of_another_class_list_are_refused(tmp_path):
    drive = tmp_path / 'drive'
    folder = tmp_path / 'truth' / 'labels'
    folder.mkdir(parents=True)
    write_drive(drive, stamps(0, 1))
    cv2.imwrite(str(folder / '0.png'), np.full((96, 160), 24, np.uint8))
    with pytest.raises(EvaluationError, match='ground-truth ids must be 0 to 21 or 255, got 24'):
        replay(tmp_path / 'out', drive, ground_truth=tmp_path / 'truth')


def test_ground_truth_of_a_folder_goes_before_that_of_the_bag(tmp_path, results):
    drive = write_drive(tmp_path / 'drive', stamps(0, 2))
    folder = tmp_path / 'truth' / 'labels'
    folder.mkdir(parents=True)
    road = driving(results[1].segmentation.labels)
    cv2.imwrite(str(folder / f'{stamps(0, 2)[1]}.png'), road)
    assert replay(tmp_path / 'out', drive, ground_truth=tmp_path / 'truth')
    first, second = lines(tmp_path / 'out')
    assert second['pixel_accuracy'] == 1
    assert first['pixel_accuracy'] < 0.5


def test_kitti_with_its_ground_truth_in_a_folder(tmp_path):
    beside = Path(__file__).resolve().parents[3] / 'shared' / 'data'
    source = Path(os.environ.get('LDN_DATA', beside)) / 'kitti2015_000046'
    if not source.is_dir():
        pytest.skip(f'no {source}; set LDN_DATA to the folder of the real pairs')
    (sample,) = ImageFolder(source)
    with StereoBagWriter(tmp_path / 'drive') as writer:
        writer.write(sample.frame)
    for folder, name in (('disp_occ_0', 'disp_occ'), ('semantic', 'semantic_labelIds')):
        (tmp_path / 'truth' / folder).mkdir(parents=True)
        shutil.copy(source / f'{name}.png', tmp_path / 'truth' / folder / '000000_10.png')
    assert replay(tmp_path / 'out', tmp_path / 'drive', ground_truth=tmp_path / 'truth',
                  engine={'max_disparity': 128})
    scores = read(tmp_path / 'out', 'scores.json')
    assert scores['disparity']['valid_pixels'] == np.isfinite(sample.disparity).sum()
    assert 0.055 < scores['disparity']['d1_all'] < 0.075  # SGBM, as `ldn evaluate-stereo` says
    assert scores['segmentation']['labelled_pixels'] == (sample.labels != 255).sum()


def test_ground_truth_of_several_bags_is_in_folders_of_their_names(tmp_path):
    drives = [write_drive(tmp_path / name, stamps(0, 1)) for name in 'ab']
    found = settings(*drives, ground_truth=tmp_path / 'truth')
    assert [found.truth_path(drive) for drive in drives] == [
        tmp_path / 'truth' / 'a', tmp_path / 'truth' / 'b']
    with pytest.raises(BagError, match=r'ground truth folder .*truth/a must be with images in one '
                       r'of labels/, .*, got nothing there: check --ground-truth'):
        replay(tmp_path / 'out', *drives, ground_truth=tmp_path / 'truth')


def test_a_bag_that_comes_twice_is_refused(tmp_path):
    drive = tmp_path / 'drive'
    with pytest.raises(ReplayError, match=r'bags of a replay must be one or more, each once, got '
                       r'.*drive again: name every bag once'):
        settings(drive, tmp_path / 'x' / '..' / 'drive')
    with pytest.raises(ReplayError, match=r'each once, got none: name'):
        settings()


def test_a_bag_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReplayError, match=r'bag .*nowhere must be an existing file or folder, got '
                       r'nothing there: check the path'):
        settings(tmp_path / 'nowhere')


def test_other_files_are_not_overwritten(drive, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'thesis.txt').write_text('')
    with pytest.raises(ReplayError, match=r'output .*out must be a new or empty folder, or one of '
                       r'a replay, got a folder with other files: choose another --output'):
        replay(tmp_path / 'out', drive)
    with pytest.raises(ReplayError, match=r'got a file: choose another'):
        replay(tmp_path / 'out' / 'thesis.txt', drive)


def test_a_stop_takes_effect_after_the_pair_in_work(drive, replayed, tmp_path):
    told = []
    watcher = Watcher(lambda done, total: told.append((done, total)), lambda: len(told) == 4)
    assert not replay(tmp_path / 'out', drive, watcher=watcher)
    assert told == [(1, 8), (2, 8), (3, 8), (4, 8)]
    assert read(tmp_path / 'out', 'replay.json')['complete'] is False
    assert read(tmp_path / 'out', 'scores.json')['pairs']['processed'] == 4
    assert replay(tmp_path / 'out', drive)
    scores, expected = (read(folder, 'scores.json') for folder in (tmp_path / 'out', replayed))
    for name in ('segmentation', 'ood', 'disparity', 'pairs', 'pictures'):
        assert scores[name] == expected[name]
