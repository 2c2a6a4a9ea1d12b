# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real data, a cache of exported networks for the tests, and an order that ends early."""

import os
from pathlib import Path
import tempfile

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix='ldn_cache_')  # removed when the process ends
os.environ['XDG_CACHE_HOME'] = _FOLDER.name


_SLOW_FIRST = (
    'contracts/test_models.py', 'contracts/test_engines.py', 'inference/test_compiled_backend.py',
    'cli/test_train.py', 'cli/test_models.py', 'ros/test_evaluation_node.py',
    'cli/test_demo.py', 'ros/test_processes.py',
)
"""Files that take longest: begun last, one of them would keep a single worker busy at the end."""


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(_SLOW_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope='session')
def real_data():
    """Folder with the real datasets; a test that needs it is skipped without it."""
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    folder = Path(os.environ.get('LDN_DATA', beside))
    if not folder.is_dir():
        pytest.skip(f'no real data in {folder}; set LDN_DATA to the folder that holds it')
    return folder
