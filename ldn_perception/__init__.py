# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stereo semantic segmentation with out-of-distribution masks, for Python and ROS 2.

import ldn_perception as ldn

segmenter = ldn.load()
result = segmenter('street.jpg')
result.labels, result.ood_mask, result.overlay()
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ldn_perception import metrics
    from ldn_perception.errors import LdnPerceptionError
    from ldn_perception.result import Result
    from ldn_perception.segmenter import (
        ModelInfo,
        Segmenter,
        WeightsInfo,
        list_models,
        list_weights,
        load,
    )
    from ldn_perception.stereo_camera import StereoCamera

# Lazy: the nodes and the command line import the package too and need none of these.
_MODULES = {
    'LdnPerceptionError': 'errors',
    'ModelInfo': 'segmenter',
    'Result': 'result',
    'Segmenter': 'segmenter',
    'StereoCamera': 'stereo_camera',
    'WeightsInfo': 'segmenter',
    'list_models': 'segmenter',
    'list_weights': 'segmenter',
    'load': 'segmenter',
    'metrics': '',
}

__all__ = [
    'LdnPerceptionError', 'ModelInfo', 'Result', 'Segmenter', 'StereoCamera', 'WeightsInfo',
    'list_models', 'list_weights', 'load', 'metrics',
]


def __getattr__(name: str) -> Any:
    if name == '__version__':
        return version(__name__)
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module = _MODULES[name]
    value = getattr(import_module(f'{__name__}.{module}'), name) if module else (
        import_module(f'{__name__}.{name}'))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
