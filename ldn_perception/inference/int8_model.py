# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of OpenVINO in int8, by NNCF. The only file that imports it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import redirect_stdout
from importlib.util import find_spec
import io
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import InferenceError

VERSION = '3.4.0'
"""What the package is tested with."""


def check_int8() -> None:
    """Check that `quantised` can be called, without importing what takes seconds.

    Raises:
        InferenceError: NNCF is not installed.
    """
    if find_spec('nncf') is None:
        raise InferenceError(
            'package nncf', must_be='installed for precision int8', got='no such package',
            do=f'pip install nncf=={VERSION}, or choose bfloat16')


def quantised(model: Any, images: Iterable[NDArray[np.uint8]]) -> Any:
    """Put convolutions into int8: one scale a channel of weights, one a tensor for what they take.

    Args:
        model: openvino.Model with one input, (1, H, W, 3) uint8.
        images: What it will see, each as the input; ranges are from these.

    Returns:
        A new openvino.Model that ends as the old one does.
    """
    with redirect_stdout(io.StringIO()):  # a bar for every step
        import nncf
        logging.getLogger('nncf').setLevel(logging.ERROR)
        samples = list(images)
        return nncf.quantize(
            model, nncf.Dataset(samples), subset_size=len(samples),
            preset=nncf.QuantizationPreset.MIXED)
