# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A cache of exported networks of their own for the tests and the processes they start."""

import os
import tempfile

_FOLDER = tempfile.TemporaryDirectory(prefix='ldn_cache_')  # removed when the process ends
os.environ['XDG_CACHE_HOME'] = _FOLDER.name
