# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data():
    """Folder with the real datasets; a test that needs it is skipped without it."""
    beside = Path(__file__).resolve().parents[3] / 'shared' / 'data'
    folder = Path(os.environ.get('LDN_DATA', beside))
    if not folder.is_dir():
        pytest.skip(f'no real data in {folder}; set LDN_DATA to the folder that holds it')
    return folder
