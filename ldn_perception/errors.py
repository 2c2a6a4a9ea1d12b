# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of the package: one base, one class per room, one shape of sentence.

Every message says what is wrong, what it must be, what it got and what to do about it, because
it ends in the log of a vehicle where nobody has the source open.
"""


class LdnPerceptionError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        what: The thing at fault, named as the user knows it.
        must_be: What it must be.
        got: What it is.
        do: What the user can do.
        reason: Short key under which a node counts the pairs lost to this error.
    """

    def __init__(
        self, what: str, *, must_be: str, got: object, do: str, reason: str = 'error'
    ) -> None:
        super().__init__(f'{what} must be {must_be}, got {got}: {do}')
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as the finished sentence."""
        return _restore, (type(self), str(self), self.reason)


def _restore(kind: type[LdnPerceptionError], sentence: str, reason: str) -> LdnPerceptionError:
    error = kind.__new__(kind, sentence)
    error.reason = reason
    return error


class FrameError(LdnPerceptionError):
    """A frame, geometry or result whose parts do not fit together."""


class MessageError(LdnPerceptionError):
    """A message that cannot become a frame."""


class CalibrationError(LdnPerceptionError):
    """A calibration that raw images cannot be rectified with."""


class ConfigError(LdnPerceptionError):
    """An option with a value that it cannot have."""


class TaxonomyError(LdnPerceptionError):
    """A class list that contradicts itself or its use."""


class StereoError(LdnPerceptionError):
    """A matcher that cannot work on what it was given."""


class ModelError(LdnPerceptionError):
    """A network, or weights for one, that cannot be built or loaded."""


class InferenceError(LdnPerceptionError):
    """An engine or device that cannot run."""


class SegmentationError(LdnPerceptionError):
    """Logits that cannot be decoded."""


class DatasetError(LdnPerceptionError):
    """A dataset that is missing, damaged or wrongly asked for."""


class EvaluationError(LdnPerceptionError):
    """Predictions and ground truth that cannot be compared."""


class BagError(LdnPerceptionError):
    """A bag or image folder that cannot be read or written."""


class ReplayError(LdnPerceptionError):
    """A replay that cannot begin, go on or be merged."""


class VideoError(LdnPerceptionError):
    """A video that cannot be written."""


class OutputError(LdnPerceptionError):
    """A place that results cannot be written to."""


class TrainingError(LdnPerceptionError):
    """A training that cannot begin or go on."""


class RigError(LdnPerceptionError):
    """A preset or rig file that nothing can be started from."""
