# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real data, a cache of exported networks for the tests, and an order that ends early."""

import os
from pathlib import Path
import tempfile

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix='ldn_cache_')  # removed when the process ends
os.environ['XDG_CACHE_HOME'] = _FOLDER.name

_SLOW = (
    'contracts/test_models.py', 'contracts/test_engines.py', 'inference/test_compiled_backend.py',
    'cli/test_train.py', 'cli/test_train_correspondence.py', 'cli/test_models.py',
    'ros/nodes/test_evaluation_node.py', 'cli/test_demo.py', 'ros/nodes/test_processes.py',
    'contracts/test_decoders.py', 'contracts/test_matchers.py', 'cli/test_replay.py',
    'cli/test_evaluate.py', 'cli/test_export.py', 'cli/test_verbs.py',
    'inference/test_int8_model.py', 'hardware/test_host_memory.py',
    'inference/test_network_digest.py',
    'inference/test_onnxruntime_backend.py', 'inference/test_openvino_backend.py',
    'launch/test_launch_run.py', 'launch/test_replay_eval.py', 'models/test_checkpointing.py',
    'models/test_imagenet_weights.py', 'models/test_ladder.py', 'models/test_weights.py',
    'evaluation/test_report_page.py', 'decoding/test_fused_decoder.py', 'test_package.py',
)
"""Files that take longest: `make check` leaves them out, and `make test` begins with them.

Begun last, one of them would keep a single worker busy at the end.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(_SLOW)}
    for item in items:
        if item.path in places:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope='session')
def real_data():
    """Folder with the real datasets; a test that needs it is skipped without it."""
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    folder = Path(os.environ.get('LDN_DATA', beside))
    if not folder.is_dir():
        pytest.skip(f'no real data in {folder}; set LDN_DATA to the folder that holds it')
    return folder
