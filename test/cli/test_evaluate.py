# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
from evaluation_fixtures import (
    HEIGHT,
    WIDTH,
    logits_of,
    photograph,
    write_rgb,
    write_weights,
)
import numpy as np
import pytest
import sklearn.metrics
import torch

from ldn_perception.cli.main import main
from ldn_perception.taxonomy import CAMVID, CITYSCAPES, UNIVERSAL
from ldn_perception.taxonomy.driving import CAMVID_TO_UNIVERSAL

NUM_DRIVING = 22
"""Driving classes of the universal taxonomy."""


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def evaluate(weights, dataset, root, output, *more):
    code = run('evaluate', '--weights', weights, '--device', 'cpu', '--dataset', dataset,
               '--data', root, '--output', output, *more)
    assert code == 0
    return json.loads((output / 'scores.json').read_text())


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp('weights') / 'universal', UNIVERSAL)


@pytest.fixture(scope='module')
def camvid_weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp('weights') / 'camvid', CAMVID)


@pytest.fixture(scope='module')
def camvid(tmp_path_factory, camvid_weights):
    """Three images; the labels are what the network says, spoilt more and more."""
    root = tmp_path_factory.mktemp('camvid')
    for number in range(3):
        image = photograph(number)
        labels = logits_of(camvid_weights, CAMVID, image).argmax(0).numpy().astype(np.uint8)
        random = np.random.default_rng(number)
        spoilt = random.random(labels.shape) < 0.1 + 0.3 * number
        labels[spoilt] = random.integers(0, 12, spoilt.sum())
        write_rgb(root / 'test' / 'images' / f'{number}.png', image)
        write_rgb(root / 'test' / 'labels' / f'{number}.png', labels)
    return root


@pytest.fixture(scope='module')
def anomalies(tmp_path_factory, weights):
    """Three images; what the network calls foreign half is."""
    root = tmp_path_factory.mktemp('anomalies')
    for number in range(3):
        image = photograph(number + 10)
        probability = logits_of(weights, UNIVERSAL, image).softmax(0)[NUM_DRIVING:].sum(0).numpy()
        mask = (probability > np.median(probability)).astype(np.uint8)
        mask[:, 60:] = 0
        mask[-8:] = 255
        write_rgb(root / 'images' / f'{number}.png', image)
        write_rgb(root / 'masks' / f'{number}.png', mask)
    return root


def truth_of(root, folder, number):
    return cv2.imread(str(root / folder / f'{number}.png'), cv2.IMREAD_UNCHANGED)


def test_scores_of_labels_are_those_of_a_plain_run_and_scikit_learn(
    camvid, camvid_weights, tmp_path, capsys,
):
    scores = evaluate(
        camvid_weights, 'camvid', camvid, tmp_path, '--split', 'test', '--pictures', 2)
    truth = np.stack([truth_of(camvid, 'test/labels', number) for number in range(3)])
    logits = [logits_of(camvid_weights, CAMVID, photograph(number)) for number in range(3)]
    predicted = torch.stack(logits).argmax(1).numpy()
    valid = truth < 11
    segmentation = scores['segmentation']
    present = np.unique(truth[valid])
    assert segmentation['mean_iou'] == pytest.approx(sklearn.metrics.jaccard_score(
        truth[valid], predicted[valid], labels=present, average='macro'))
    assert segmentation['pixel_accuracy'] == pytest.approx((truth == predicted)[valid].mean())
    assert segmentation['labelled_pixels'] == valid.sum()
    assert 'instance_iou' not in segmentation
    assert scores['images'] == 3
    assert scores['ood'] == {}
    assert scores['called_foreign']['by_argmax']['foreign'] is None
    printed = capsys.readouterr().out
    assert 'pedestrian' in printed
    assert f'{100 * segmentation["mean_iou"]:.1f}' in printed


def test_report_shows_the_best_and_the_worst_images(camvid, camvid_weights, tmp_path):
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'pictures' / 'best_09.png').touch()
    evaluate(camvid_weights, 'camvid', camvid, tmp_path, '--split', 'test', '--pictures', 2)
    names = sorted(path.name for path in (tmp_path / 'pictures').iterdir())
    assert names == ['best_01.png', 'best_02.png', 'confusion.png', 'reliability.png',
                     'worst_01.png', 'worst_02.png']
    best, worst = (cv2.imread(str(tmp_path / 'pictures' / f'{name}_01.png'))[22:, :480, ::-1]
                   for name in ('best', 'worst'))
    assert best.shape == (480 * HEIGHT // WIDTH, 480, 3)
    for picture, number in ((best, 0), (worst, 2)):
        shown = cv2.resize(photograph(number), (480, 320), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(picture, shown)
    page = (tmp_path / 'index.html').read_text()
    assert all(f'pictures/{name}' in page for name in names)
    assert 'mIoU' in page


def test_every_foreign_score_is_compared_on_the_same_logits(
    anomalies, weights, tmp_path, capsys,
):
    scores = evaluate(
        weights, 'anomaly_folder', anomalies, tmp_path, '--track', 'obstacle', '--pictures', 1)
    masks = np.stack([truth_of(anomalies, 'masks', number) for number in range(3)])
    logits = torch.stack([
        logits_of(weights, UNIVERSAL, photograph(number + 10)) for number in range(3)]).double()
    valid, foreign = masks < 255, masks == 1
    expected = {
        'foreign_probability': logits.softmax(1)[:, NUM_DRIVING:].sum(1),
        'max_softmax': 1 - logits[:, :NUM_DRIVING].softmax(1).amax(1),
        'energy': -logits[:, :NUM_DRIVING].logsumexp(1),
    }
    for name, values in expected.items():
        assert scores['ood'][name]['average_precision'] == pytest.approx(
            sklearn.metrics.average_precision_score(foreign[valid], values.numpy()[valid]),
            abs=1e-4)
        assert scores['ood'][name]['auroc'] == pytest.approx(
            sklearn.metrics.roc_auc_score(foreign[valid], values.numpy()[valid]), abs=1e-4)
    assert len(scores['ood']) == 7
    assert scores['ood']['energy']['foreign_pixels'] == foreign.sum()
    assert scores['ood']['foreign_probability']['components']['true_components'] >= 3
    called = logits.argmax(1).numpy() >= NUM_DRIVING
    assert scores['called_foreign']['by_argmax'] == pytest.approx({
        'known': called[valid & ~foreign].mean(), 'foreign': called[foreign].mean(),
        'all': called.mean()})
    assert scores['segmentation'] is None
    names = {path.name for path in (tmp_path / 'pictures').iterdir()}
    assert names == {'ood_curves.png', 'best_01.png', 'worst_01.png'}
    assert 'foreign_probability' in capsys.readouterr().out


def test_smoothing_changes_the_scores_of_later_frames(anomalies, weights, tmp_path):
    plain, smooth = (
        evaluate(weights, 'anomaly_folder', anomalies, tmp_path / text, '--smoothing', text,
                 '--pictures', 0)['ood']['energy']['average_precision']
        for text in ('1', '0.4'))
    assert plain != smooth


def test_network_without_foreign_classes_is_compared_by_the_other_scores(
    anomalies, camvid_weights, tmp_path,
):
    scores = evaluate(camvid_weights, 'anomaly_folder', anomalies, tmp_path)
    assert list(scores['ood']) == [
        'max_softmax', 'max_softmax_all', 'entropy', 'max_logit', 'energy']


def test_labels_of_another_taxonomy_are_scored_by_their_sets(camvid, weights, tmp_path):
    scores = evaluate(weights, 'camvid', camvid, tmp_path, '--split', 'test', '--limit', 1)
    logits = logits_of(weights, UNIVERSAL, photograph(0))
    called = (logits.argmax(0) >= NUM_DRIVING).numpy()
    truth = truth_of(camvid, 'test/labels', 0)
    confusion = np.array(scores['segmentation']['confusion'])
    assert scores['images'] == 1
    assert confusion.shape == (11, 12)
    probability = logits.softmax(0)
    sums = [probability[[UNIVERSAL.class_names.index(name) for name in names]].sum(0)
            for names in CAMVID_TO_UNIVERSAL.sets.values()]
    unknown = (probability[19:NUM_DRIVING].amax(0) > torch.stack(sums).amax(0)).numpy()
    assert unknown.any()
    assert confusion[:, 11].sum() == ((called | unknown) & (truth < 11)).sum()
    assert scores['called_foreign']['by_argmax']['known'] == called[truth < 11].mean()


def test_wholly_foreign_photographs_have_no_labels_to_score(weights, tmp_path):
    for number in range(2):
        write_rgb(tmp_path / 'photographs' / f'{number}.png', photograph(number))
    scores = evaluate(
        weights, 'plain_images', tmp_path / 'photographs', tmp_path / 'out', '--split', 'all',
        '--size', '128x128', '--multi-scale', '--precision', 'bfloat16')
    assert scores['segmentation'] is None
    assert scores['ood'] == {}
    assert 0 < scores['called_foreign']['by_argmax']['foreign'] < 1
    assert scores['input_size'] == '128x128'


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    root = tmp_path_factory.mktemp('drive') / 'drive'
    assert run('synthesize', '--output', root, '--images', '--frames', 2, '--size', '96x64',
               '--seed', 4) == 0
    return root


def test_a_network_that_needs_stereo_gets_it_at_the_size_it_sees(drive, tmp_path):
    weights = write_weights(tmp_path / 'weights', UNIVERSAL, 'scale_invariant_small')
    plain = evaluate(
        weights, 'synthetic_images', drive, tmp_path / 'plain', '--split', 'all')
    larger = evaluate(
        weights, 'synthetic_images', drive, tmp_path / 'larger', '--split', 'all',
        '--size', '144x96')
    assert plain['segmentation']['labelled_pixels'] == larger['segmentation']['labelled_pixels']
    assert plain['segmentation']['confusion'] != larger['segmentation']['confusion']


def test_a_network_that_needs_stereo_refuses_single_images(camvid, tmp_path, capsys):
    weights = write_weights(tmp_path / 'weights', UNIVERSAL, 'scale_invariant_small')
    assert run('evaluate', '--weights', weights, '--device', 'cpu', '--dataset', 'camvid',
               '--data', camvid, '--split', 'test', '--output', tmp_path) == 1
    assert ('dataset must be with stereo, which scale_invariant_small needs, got none: choose '
            'another dataset or network') in capsys.readouterr().err


def write_cityscapes(root):
    """One image with two cars in the layout of Cityscapes."""
    labels, instances = np.full((HEIGHT, WIDTH), 7, np.uint8), np.full((HEIGHT, WIDTH), 7)
    for number, columns in enumerate((slice(5, 40), slice(60, 65))):
        labels[20:50, columns] = 26
        instances[20:50, columns] = 26000 + number
    name = 'aachen_000000_000019'
    write_rgb(root / 'leftImg8bit/val/aachen' / f'{name}_leftImg8bit.png', photograph(0))
    for kind, image in (('labelIds', labels), ('instanceIds', instances.astype(np.uint16))):
        write_rgb(root / 'gtFine/val/aachen' / f'{name}_gtFine_{kind}.png', image)
    return labels


def test_instances_are_scored_where_the_dataset_has_them(tmp_path):
    weights = write_weights(tmp_path / 'weights', CITYSCAPES)
    labels = write_cityscapes(tmp_path / 'data')
    scores = evaluate(
        weights, 'cityscapes', tmp_path / 'data', tmp_path / 'out', '--split', 'val')
    predicted = logits_of(weights, CITYSCAPES, photograph(0)).argmax(0).numpy()
    car = CITYSCAPES.class_names.index('car')
    hit, average = predicted == car, 12794.0202
    found = average * (hit[20:50, 5:40].mean() + hit[20:50, 60:65].mean())
    false_positives = (hit & (labels != 26)).sum()
    assert scores['segmentation']['instance_iou']['car'] == pytest.approx(
        found / (2 * average + false_positives))
    assert scores['segmentation']['instance_iou']['person'] is None


@pytest.mark.parametrize(('changes', 'text'), [
    (('--size', '480'), "--size must be WIDTHxHEIGHT, got '480': write for example 480x360"),
    (('--limit', '0'), '--limit must be at least 1, got 0: leave it out for all of them'),
    (('--split', 'tset'), 'split of CamVid must be one of train, val, test, trainval, got tset'),
    (('--weights', '/no/such/file'),
     'weights must be a weights file (.safetensors) or one of ldn121_road, '),
    (('--smoothing', '0'), 'share of the newest frame must be above 0 and at most 1, got 0.0'),
])
def test_an_error_is_one_sentence(changes, text, camvid, camvid_weights, tmp_path, capsys):
    assert run('evaluate', '--weights', camvid_weights, '--device', 'cpu', '--dataset', 'camvid',
               '--data', camvid, '--split', 'test', '--output', tmp_path, *changes) == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.count('\n') == 1


def test_weights_of_no_known_taxonomy_are_refused(camvid, tmp_path, capsys):
    class Strange:
        class_names = ('a', 'b')

        def __len__(self):
            return 2

    weights = write_weights(tmp_path / 'weights', Strange())
    assert run('evaluate', '--weights', weights, '--device', 'cpu', '--dataset', 'camvid',
               '--data', camvid, '--split', 'test', '--output', tmp_path) == 1
    assert f'classes of weights file {weights} must be those of cityscapes, ' in (
        capsys.readouterr().err)


def test_untrained_networks_are_not_evaluated(camvid, tmp_path, capsys):
    assert run('evaluate', '--dataset', 'camvid', '--data', camvid) == 2
    assert 'the following arguments are required: --weights' in capsys.readouterr().err
