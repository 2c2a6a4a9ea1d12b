# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exceptions of the package: one base class and one class per subject.

Every message has the same form: what is wrong, what it must be, what it is and what to do. It
must make sense in the log of a vehicle, without the source code at hand.
"""


class LdnPerceptionError(Exception):
    """Base of all errors that this package raises deliberately.

    Args:
        what: Name of the faulty thing in the user's terms.
        must_be: Requirement that is not met.
        got: Actual value.
        do: Advice to the user.
        reason: Short key under which a node counts the pairs dropped because of this error.
    """

    def __init__(
        self, what: str, *, must_be: str, got: object, do: str, reason: str = 'error'
    ) -> None:
        super().__init__(f'{what} must be {must_be}, got {got}: {do}')
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the finished message, so that errors can cross process boundaries."""
        return _restore, (type(self), str(self), self.reason)


def _restore(kind: type[LdnPerceptionError], sentence: str, reason: str) -> LdnPerceptionError:
    error = kind.__new__(kind, sentence)
    error.reason = reason
    return error


class FrameError(LdnPerceptionError):
    """Parts of a frame, geometry or result that do not fit together."""


class MessageError(LdnPerceptionError):
    """A message that cannot be converted to a frame."""


class CalibrationError(LdnPerceptionError):
    """A calibration that cannot rectify raw images."""


class ConfigError(LdnPerceptionError):
    """An invalid value of an option."""


class TaxonomyError(LdnPerceptionError):
    """A class list that contradicts itself or its use."""


class StereoError(LdnPerceptionError):
    """Input that a matcher cannot work on."""


class ModelError(LdnPerceptionError):
    """A network or weights file that cannot be built or loaded."""


class InferenceError(LdnPerceptionError):
    """An engine or device that cannot run."""


class SegmentationError(LdnPerceptionError):
    """Logits that cannot be decoded."""


class DatasetError(LdnPerceptionError):
    """A dataset that is missing or damaged, or an invalid request to a dataset."""


class EvaluationError(LdnPerceptionError):
    """Predictions and ground truth that cannot be compared."""


class BagError(LdnPerceptionError):
    """A bag or image folder that cannot be read or written."""


class ReplayError(LdnPerceptionError):
    """A replay that cannot start, continue or be merged."""


class VideoError(LdnPerceptionError):
    """A video that cannot be written."""


class OutputError(LdnPerceptionError):
    """An output path that cannot be written to."""


class TrainingError(LdnPerceptionError):
    """A training run that cannot start or continue."""


class RigError(LdnPerceptionError):
    """A preset or rig file that cannot be used to start nodes."""
