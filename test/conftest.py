# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real data, and a cache of exported networks for the tests and the processes they start."""

import os
from pathlib import Path
import tempfile

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix='ldn_cache_')  # removed when the process ends
os.environ['XDG_CACHE_HOME'] = _FOLDER.name


@pytest.fixture(scope='session')
def real_data():
    """Folder with the real datasets; a test that needs it is skipped without it."""
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    folder = Path(os.environ.get('LDN_DATA', beside))
    if not folder.is_dir():
        pytest.skip(f'no real data in {folder}; set LDN_DATA to the folder that holds it')
    return folder
