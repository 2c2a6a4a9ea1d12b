# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Engines, backends and exporters that do what a test wants."""

import threading
import time

import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.exports import ArtefactCache

LIMIT_S = 30.0


class MadeEngine:
    """Gives the same logits, or what it is told to do, after a while."""

    device = torch.device('cpu')
    uses_disparity = False

    def __init__(self, description, logits=None, seconds=0.0, error=None):
        self.description = description
        self.logits = LOGITS if logits is None else logits
        self.seconds = seconds
        self.error = error
        self.count = 0

    def run(self, image, pixels_per_metre=None):
        self.count += 1
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.logits + 0 * image[0, 0, 0]


LOGITS = torch.randn(1, 5, 20, 50, generator=torch.Generator().manual_seed(0))


def with_wrong_labels(number):
    """LOGITS whose label is another one at some of the 1000 cells."""
    flat = LOGITS.clone().flatten(2)
    flat[..., :number] = flat[..., :number].roll(1, dims=1)
    return flat.reshape(LOGITS.shape)


class MadeBackend:
    """Writes a file and loads the engine it was made with."""

    def __init__(self, name, engine=None, load_error=None, fingerprint='1'):
        self.name = name
        self.engine = engine
        self.load_error = load_error
        self.fingerprint = f'{name} {fingerprint}'
        self.loaded = []

    def export(self, network, size, folder):
        (folder / 'network').write_text(str(size))

    def load(self, network, size, folder):
        if (folder / 'network').read_text() != str(size):
            raise InferenceError('artefact', must_be='of that size', got='another', do='export')
        if self.load_error is not None:
            raise self.load_error
        self.loaded.append(size)
        return self.engine


class MadeExporter:
    """Exports in this process, when it is let."""

    def __init__(self, folder, network, backends, error=None):
        self.cache = ArtefactCache(folder)
        self.network = network
        self.backends = {backend.name: backend for backend in backends}
        self.error = error
        self.asked = []
        self.is_let = threading.Event()
        self.is_let.set()

    def export(self, engine, size):
        self.asked.append((engine, size))
        assert self.is_let.wait(LIMIT_S)
        if self.error is not None:
            raise self.error
        self.cache.ensure(self.backends[engine], self.network, size)

    def stop(self):
        self.is_let.set()


class TwinBackend(MadeBackend):
    """Runs the network itself, as it is exported."""

    def load(self, network, size, folder):
        self.engine = TwinEngine(self.name, network)
        return super().load(network, size, folder)


class TwinEngine:
    """Runs a DeployedNetwork."""

    device = torch.device('cpu')

    def __init__(self, name, network):
        self.description = f'{name}, float32'
        self.uses_disparity = network.uses_disparity
        self._network = network

    def run(self, image, pixels_per_metre=None):
        with torch.inference_mode():
            scales = () if pixels_per_metre is None else (pixels_per_metre[None],)
            return self._network(image[None], *scales)
