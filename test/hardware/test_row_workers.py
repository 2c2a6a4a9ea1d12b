# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of a range are worked on once each, by several threads, and errors come out."""

import threading

import pytest

from ldn_perception.hardware import RowWorkers


@pytest.mark.parametrize('num_threads', [1, 2, 5])
@pytest.mark.parametrize('size', [0, 1, 3, 100])
def test_every_row_is_worked_on_once(num_threads, size):
    done = []
    RowWorkers(num_threads).share(lambda first, last: done.extend(range(first, last)), size)
    assert sorted(done) == list(range(size))


def test_threads_work_at_the_same_time():
    both = threading.Barrier(2, timeout=20)
    met = []

    def work(first, last):
        both.wait()
        met.append(threading.get_ident())

    RowWorkers(2).share(work, 2)
    assert len(set(met)) == 2


def test_error_of_a_thread_reaches_the_caller():
    def work(first, last):
        raise ValueError('broken part')

    with pytest.raises(ValueError, match='broken part'):
        RowWorkers(2).share(work, 8)


def test_error_of_another_thread_reaches_the_caller_too():
    failed = threading.Event()

    def work(first, last):
        if threading.current_thread() is threading.main_thread():
            assert failed.wait(10)
        else:
            failed.set()
            raise ValueError('broken part')

    with pytest.raises(ValueError, match='broken part'):
        RowWorkers(2).share(work, 8)
