# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path
import subprocess
import sys

import cv2
from inference.tiny_network import SIZE, build_tiny
import numpy as np
import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference import openvino_backend
from ldn_perception.inference.calibration import CalibrationImages
from ldn_perception.inference.openvino_backend import OpenVinoBackend

pytest.importorskip('nncf', reason='nncf is not installed')

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def calibration(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    random = np.random.default_rng(0)
    for number in range(8):
        image = random.integers(0, 256, (SIZE.height_px, SIZE.width_px, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), image)
    return CalibrationImages(folder)


@pytest.fixture(scope='module')
def artefact(tmp_path_factory, calibration):
    folder = tmp_path_factory.mktemp('artefact')
    OpenVinoBackend(torch.float32, 1, calibration).export(build_tiny(), SIZE, folder)
    return folder


def test_weights_are_stored_in_a_byte_each(artefact):
    layer = build_tiny().model.layer
    stored = (artefact / 'network.bin').read_bytes()
    assert layer.weight.detach().numpy().tobytes() not in stored
    assert '"i8"' in (artefact / 'network.xml').read_text()
    weights = layer.weight.detach().numpy().reshape(3, -1)
    found = [
        np.frombuffer(stored[start:start + weights.size], np.int8).reshape(weights.shape)
        for start in range(len(stored) - weights.size + 1)]
    # up to a step for each channel they are the weights themselves
    assert max(min(map(_likeness, values, weights)) for values in found) > 0.9999


def _likeness(values, weights):
    """Cosine of the angle between two vectors."""
    values = values.astype(np.float64)
    return values @ weights / max(1e-9, np.linalg.norm(values) * np.linalg.norm(weights))


def test_logits_stay_near_and_it_says_what_it_is(artefact, calibration):
    network = build_tiny()
    image, = network.example_inputs(SIZE)
    with torch.no_grad():
        expected = network(image)
    engine = OpenVinoBackend(torch.float32, 1, calibration).load(network, SIZE, artefact)
    assert engine.description == 'openvino, int8'
    error = (engine.run(image[0]) - expected).abs().mean() / expected.abs().mean()
    assert 1e-4 < error < 0.1


def test_images_and_versions_are_in_the_fingerprint(calibration):
    plain = OpenVinoBackend(torch.float32, 1).fingerprint
    int8 = OpenVinoBackend(torch.float32, 1, calibration).fingerprint
    assert int8 == plain.replace(
        'float32',
        f'int8 for images {calibration.digest}, nncf {openvino_backend.NNCF_VERSION}, float32')


def test_the_version_it_asks_for_is_the_pinned_one():
    assert f'\nnncf=={openvino_backend.NNCF_VERSION}\n' in (
        TESTS.parent / 'constraints.txt').read_text()


def test_without_nncf_it_says_what_to_install(calibration, monkeypatch):
    monkeypatch.setattr(openvino_backend, 'find_spec', lambda name: None)
    with pytest.raises(InferenceError, match=(
            r'package nncf must be installed for precision int8, got no such package: pip install '
            rf'nncf=={openvino_backend.NNCF_VERSION}, or choose bfloat16')):
        OpenVinoBackend(torch.float32, 1, calibration)


def test_nothing_is_printed_or_reported_over_the_network(calibration, tmp_path):
    code = ('import pathlib, sys, torch\n'
            'from inference.tiny_network import SIZE, build_tiny\n'
            'from ldn_perception.inference.calibration import CalibrationImages\n'
            'from ldn_perception.inference.openvino_backend import OpenVinoBackend\n'
            'images, folder = map(pathlib.Path, sys.argv[1:])\n'
            'OpenVinoBackend(torch.float32, 1, CalibrationImages(images)).export(\n'
            '    build_tiny(), SIZE, folder)\n'
            'print(sys.modules["nncf"].__name__, sys.modules["openvino_telemetry"])')
    ended = subprocess.run(
        [sys.executable, '-c', code, str(calibration.folder), str(tmp_path)],
        capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, (TESTS.parent, TESTS)))})
    assert (ended.returncode, ended.stdout) == (0, 'nncf None\n'), ended.stderr
