# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
import tempfile

import numpy as np
import pytest
from scipy import ndimage
import sklearn.metrics

from ldn_perception.metrics.label_space import PixelTruth
from ldn_perception.metrics.ood_report import ComponentTrack, ScoreFiles, report_scores


def images(count=4):
    random = np.random.default_rng(0)
    for _ in range(count):
        smooth = ndimage.gaussian_filter(random.normal(size=(40, 60)), 3)
        foreign = smooth > np.quantile(smooth, 0.9)
        valid = random.random(foreign.shape) < 0.95
        noise = random.normal(size=foreign.shape)
        scores = {
            'good': (foreign + 0.4 * noise).astype(np.float32),
            'useless': noise.astype(np.float32)}
        yield scores, PixelTruth.from_masks(foreign, valid)


def test_maps_come_back_as_they_were_and_leave_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    given = list(images())
    with ScoreFiles() as files:
        for scores, truth in given:
            files.add(scores, truth)
        assert len(files) == 4
        assert len(list(Path(tmp_path).iterdir())) == 1
        for (scores, truth), (values, foreign, valid) in zip(
                given, files.maps('useless'), strict=True):
            np.testing.assert_array_equal(values, scores['useless'])
            np.testing.assert_array_equal(foreign, truth.foreign)
            np.testing.assert_array_equal(valid, truth.foreign | truth.known)
    assert list(Path(tmp_path).iterdir()) == []


def test_every_score_is_pooled_over_the_set_and_cut_at_its_own_best_f1():
    given = list(images())
    with ScoreFiles() as files:
        for scores, truth in given:
            files.add(scores, truth)
        reports = dict(report_scores(files, ('good', 'useless'), ComponentTrack(5, 5)))
    valid = np.concatenate([truth.foreign | truth.known for _, truth in given])
    foreign = np.concatenate([truth.foreign for _, truth in given])[valid]
    for name, report in reports.items():
        pooled = np.concatenate([scores[name] for scores, _ in given])[valid]
        assert report.pixels.average_precision == pytest.approx(
            sklearn.metrics.average_precision_score(foreign, pooled))
        precision, recall, thresholds = sklearn.metrics.precision_recall_curve(foreign, pooled)
        best = thresholds[np.argmax((2 * precision * recall / (precision + recall + 1e-12))[:-1])]
        assert report.pixels.best_f1_threshold == pytest.approx(best)
        assert report.curve.recall[-1] == 1
    assert list(reports) == ['good', 'useless']
    assert reports['good'].components.mean_f1 > reports['useless'].components.mean_f1
    assert reports['good'].components.true_components > 4
