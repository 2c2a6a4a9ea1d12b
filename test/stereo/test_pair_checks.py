# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of pairs in which nothing can be matched, and that it costs no threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from ldn_perception.stereo.matcher import unknown_disparity

THREADS = Path('/proc/self/task')


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('gives_confidence', [False, True])
def test_nothing_is_known(gives_confidence):
    found = unknown_disparity(
        (5, 7), 1, 9, 0.5, 'the right image has a single colour',
        gives_confidence=gives_confidence)
    assert found.values.shape == (5, 7)
    assert found.values.isnan().all()
    assert found.problem == 'the right image has a single colour'
    assert (found.min_disparity, found.max_disparity, found.step) == (1, 9, 0.5)
    assert (found.confidence is not None) == gives_confidence
    assert found.confidence is None or not found.confidence.any()


@pytest.mark.skipif(not THREADS.is_dir(), reason='threads are counted by Linux')
def test_a_matchers_thread_gets_no_openmp_team(two_threads):
    with ThreadPoolExecutor(1) as matcher:
        matcher.submit(int).result()
        before = len(list(THREADS.iterdir()))
        matcher.submit(
            unknown_disparity, (400, 1200), 0, 64, 1 / 16, '', gives_confidence=True).result()
        after = len(list(THREADS.iterdir()))
        matcher.submit(torch.full, (400, 1200), 0.0).result()  # what does get one
        assert (after, len(list(THREADS.iterdir()))) == (before, before + 1)
