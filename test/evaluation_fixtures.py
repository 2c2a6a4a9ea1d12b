# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small datasets and weights on the disk, for verbs that score."""

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import normalise
from ldn_perception.models.weights import load_weights, save_weights

HEIGHT, WIDTH = 64, 96


def write_weights(path, taxonomy, name='ldn_small', seed=3):
    """Untrained weights, spread so that every class wins somewhere."""
    model = build_model(name, len(taxonomy), seed)
    head = [value for value in model.parameters() if value.shape[:1] == (len(taxonomy),)]
    image = normalise(torch.from_numpy(photograph(0)))
    with torch.no_grad():
        sizes = torch.full((1, HEIGHT, WIDTH), 20.0)
        head[0].mul_(2 / model.eval()(image, sizes).logits.std())
    save_weights(path, model, name, taxonomy.class_names, {'note': 'untrained'})
    return path


def logits_of(path, taxonomy, image, name='ldn_small'):
    """(C, H, W) logits as a plain run of the network gives them."""
    model = build_model(name, len(taxonomy)).eval()
    load_weights(path, model, name, taxonomy.class_names)
    with torch.inference_mode():
        logits = model(normalise(torch.from_numpy(image))).logits
        return F.interpolate(logits, image.shape[:2], mode='bilinear', align_corners=False)[0]


def photograph(seed):
    """(64, 96, 3) uint8 RGB with areas of different colours."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def write_rgb(path, image):
    """Write a PNG and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1])
