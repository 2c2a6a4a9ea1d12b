# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""TritonDecoder on the CPU, in a process of its own.

The interpreter of Triton has to be chosen before Triton is imported, and would stay chosen.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
import multiprocessing
import os


class InterpretedDecoder:
    """A Decoder whose kernel runs in Triton's interpreter.

    Args:
        taxonomy: Classes of the logits' channels.
    """

    def __init__(self, taxonomy):
        self._taxonomy = taxonomy

    def decode(self, logits, image, rule, quantities):
        return _interpreter().submit(
            _decode, self._taxonomy, logits, image.shape, rule, quantities).result(timeout=250)


@lru_cache(maxsize=1)
def _interpreter():
    return ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), _choose_interpreter)


def _choose_interpreter():
    os.environ['TRITON_INTERPRET'] = '1'


def _decode(taxonomy, logits, shape, rule, quantities):
    import numpy as np
    import torch

    from ldn_perception.decoding.triton_decoder import TritonDecoder
    return TritonDecoder(taxonomy, torch.device('cpu')).decode(
        logits, np.zeros(shape, np.uint8), rule, quantities)
