# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Engine that starts with eager torch and switches to a faster backend when it is ready."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
import platform

import torch
from torch import Tensor

from ldn_perception.errors import InferenceError, LdnPerceptionError
from ldn_perception.inference.backends import EngineChoice
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import Backend, Engine
from ldn_perception.inference.engine_trial import DecisionStore, EngineDecision, EngineTrial
from ldn_perception.inference.exports import (
    ArtefactCache,
    BackgroundExports,
    Exporter,
    network_digest,
)

LEAST_AGREEMENT = {'float32': 0.99, 'bfloat16': 0.97, 'int8': 0.93}
"""Minimum share of labels equal to torch's, by precision. Torch computes in the same precision;
for int8, in the default one of the device."""

_NUM_SIZES = 2  # number of image sizes whose engines are kept loaded

_ANY_SIZE = ImageSize(0, 0)

_LOGGER = logging.getLogger(__name__)


class PreparedEngine:
    """Runs eager torch until a faster engine is exported, loaded and verified.

    Missing artefacts for an image size are exported in the background. Backends are then loaded
    and tried on the thread that runs the images, since OpenMP keeps a team per thread and CUDA
    graphs must not be captured while another thread uses the GPU. The decision is stored on disk
    beside the artefacts. Every failure is logged once, and torch continues.

    Args:
        reference: Eager torch engine.
        network: The same network in its export form.
        choice: Candidate backends in order of preference.
        precision: Precision of the backends, a key of LEAST_AGREEMENT.
        cache: Cache of artefacts and decisions.
        exporter: Exports missing artefacts.
        waits: True if the first image of a size waits for the decision, so that all images use
            the same engine; False if the reference runs in the meantime.
    """

    def __init__(
        self, reference: Engine, network: DeployedNetwork, choice: EngineChoice,
        precision: str, cache: ArtefactCache, exporter: Exporter, *, waits: bool,
    ) -> None:
        self.reference = reference
        self._network = network
        self._choice = choice
        self._precision = precision
        self._cache = cache
        self._decisions = DecisionStore(cache.folder)
        self._exporter = exporter
        self._waits = waits
        self._broken: set[str] = set()
        self._work: _Work | None = None
        self._decided: OrderedDict[ImageSize, _Decided] = OrderedDict()
        self._newest: _Decided | None = None

    @property
    def description(self) -> str:
        """Current engine and precision, and a pending export."""
        work, newest = self._work, self._newest
        if newest is not None:
            return newest.report
        exporting = '' if work is None else work.exports.describe()
        return self.reference.description + (f', until {exporting}' if exporting else '')

    @property
    def device(self) -> torch.device:
        """Device of the logits."""
        return self.reference.device

    @property
    def uses_disparity(self) -> bool:
        """True if the network needs pixels_per_metre."""
        return self.reference.uses_disparity

    def close(self) -> None:
        """Terminate a running export."""
        self._exporter.stop()

    def load_decided(self) -> None:
        """Load engines of earlier decisions, so that the first image is not late; never export.

        The most recent decisions are loaded, one per image size up to the number kept.
        """
        known = self._decisions.find_sizes(self._facts(_ANY_SIZE))[:_NUM_SIZES]
        for size in map(ImageSize.from_text, reversed(known)):
            work = self._look_up(size)
            if not work.exports.names:
                self._load(work)

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Compute the logits of one image; see Engine."""
        size = ImageSize(width_px=image.shape[1], height_px=image.shape[0])
        while size not in self._decided:
            trial = self._advance(size)
            if trial is not None:
                logits = self._try(trial, size, image, pixels_per_metre)
                if not self._waits:
                    return logits
            elif size not in self._decided:
                self._newest = None
                return self.reference.run(image, pixels_per_metre)
        self._decided.move_to_end(size)
        self._newest = self._decided[size]
        return self._answer(size, image, pixels_per_metre)

    def _advance(self, size: ImageSize) -> EngineTrial | None:
        """Advance towards the engine for a size: to its trial or its decision.

        Returns:
            The trial; None during an export, or if there is nothing to try.
        """
        work = self._work
        if work is None or (work.size != size and work.exports.is_done):
            self._work = work = self._begin(size)
        if self._waits:
            work.exports.wait()
        if work.size != size or not work.exports.is_done:
            return None
        if work.trial is None:
            work.trial = self._load(work)
        return work.trial

    def _try(
        self, trial: EngineTrial, size: ImageSize, image: Tensor,
        pixels_per_metre: Tensor | None,
    ) -> Tensor:
        """Try the candidates on an image, decide after the last one; return reference logits."""
        self._newest = None
        logits = trial.run(image, pixels_per_metre)
        if trial.is_over:
            self._decide(
                size, self._decisions.settle(self._facts(size), trial.decide()), trial)
        return logits

    def _begin(self, size: ImageSize) -> _Work:
        """Look up earlier decisions and artefacts, and start missing exports."""
        work = self._look_up(size)
        if work.exports.names:
            # A waiting caller may not have configured logging: warnings are shown anyway.
            _LOGGER.log(
                logging.WARNING if self._waits else logging.INFO,
                'exporting the network for %s and images of %s, once; %s',
                ' and '.join(work.exports.names), size,
                'that may take minutes' if self._waits else
                f'{self.reference.description} answers meanwhile')
            work.exports.start()
        return work

    def _look_up(self, size: ImageSize) -> _Work:
        decision = self._decisions.find(self._facts(size))
        backends = [
            backend for backend in self._choice.backends
            if backend.name not in self._broken
            and (decision is None or backend.name == decision.engine)]
        missing = [backend.name for backend in backends if self._find(backend, size) is None]
        return _Work(size, decision, backends, BackgroundExports(self._exporter, missing, size))

    def _find(self, backend: Backend, size: ImageSize) -> Path | None:
        """Find an artefact in the cache; None also if the cache cannot be read."""
        try:
            return self._cache.find(backend, self._network, size)
        except OSError:
            return None

    def _load(self, work: _Work) -> EngineTrial | None:
        """Load exported engines; None if there is nothing to try and the decision is made."""
        engines: dict[str, Engine] = {}
        for backend in work.backends:
            try:
                engines[backend.name] = self._load_one(backend, work)
            except Exception as error:  # noqa: BLE001 - a library may raise anything
                _LOGGER.warning(
                    'engine %s for %s cannot be used, %s runs instead: %s', backend.name,
                    work.size, self.reference.description, _text(error))
        trial = EngineTrial(
            self.reference, engines, LEAST_AGREEMENT[self._precision],
            takes_fastest=not self._choice.is_named)
        if engines and work.decision is None:
            return trial
        known = work.decision
        self._decide(
            work.size, known if known and known.engine in ('', *engines) else None, trial)
        return None

    def _load_one(self, backend: Backend, work: _Work) -> Engine:
        if backend.name in work.exports.failures:
            raise work.exports.failures[backend.name]
        folder = self._find(backend, work.size)
        if folder is None:
            raise InferenceError(
                f'artefact of {backend.name} for {work.size}', must_be='there after its export',
                got=f'none in {self._cache.folder}',
                do='check that the same package and weights are seen by this process and by ldn')
        return backend.load(self._network, work.size, folder)

    def _decide(
        self, size: ImageSize, decision: EngineDecision | None, trial: EngineTrial,
    ) -> None:
        if decision is None:
            decision = EngineDecision('', self.reference.description)
        for reason in decision.refused:
            _LOGGER.warning('%s: %s', size, reason)
        _LOGGER.info('engine for %s: %s', size, decision.report)
        self._decided[size] = _Decided(
            decision.engine, trial.candidates.get(decision.engine), decision.report)
        self._newest = self._decided[size]
        if len(self._decided) > _NUM_SIZES:
            self._decided.popitem(last=False)
        self._work = None

    def _answer(
        self, size: ImageSize, image: Tensor, pixels_per_metre: Tensor | None,
    ) -> Tensor:
        decided = self._decided[size]
        if decided.engine is not None:
            try:
                return decided.engine.run(image, pixels_per_metre).to(self.device)
            except LdnPerceptionError:
                raise
            except Exception as error:  # noqa: BLE001 - a library may raise anything
                self._give_up(decided.name, size, error)
        return self.reference.run(image, pixels_per_metre)

    def _give_up(self, name: str, size: ImageSize, error: Exception) -> None:
        _LOGGER.warning(
            'engine %s failed on an image of %s, %s runs from now on: %s', name, size,
            self.reference.description, _text(error))
        self._broken.add(name)
        report = f'{self.reference.description}, since {name} failed'
        self._newest = _Decided('', None, report)
        for other, decided in self._decided.items():
            if decided.name == name:
                self._decided[other] = self._newest

    def _facts(self, size: ImageSize) -> dict[str, str]:
        """Everything a decision depends on."""
        return {
            'network': network_digest(self._network),
            'size': str(size),
            'engines': ', '.join(backend.fingerprint for backend in self._choice.backends),
            'is_named': str(self._choice.is_named),
            'reference': f'{self.reference.description}, torch {torch.__version__}',
            'device': _device_name(self.device),
            'num_threads': str(torch.get_num_threads()),
        }


@dataclass(frozen=True, slots=True)
class _Decided:
    name: str
    engine: Engine | None
    report: str


@dataclass(slots=True)
class _Work:
    """Pending work for one image size."""

    size: ImageSize
    decision: EngineDecision | None
    backends: Sequence[Backend]
    exports: BackgroundExports
    trial: EngineTrial | None = None


def _device_name(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{platform.machine()} {torch.backends.cpu.get_cpu_capability()}'


def _text(error: Exception) -> str:
    kind = '' if isinstance(error, LdnPerceptionError) else f'{type(error).__name__}: '
    return f'{kind}{error}'
