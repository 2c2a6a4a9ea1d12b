# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Writes small real datasets: roads of CamVid and things of COCO to paste on them."""

import numpy as np
from PIL import Image

ROAD, SKY, CAR = 3, 0, 8
DOG, SKY_OF_COCO, WOODEN_FLOOR, GRASS = 18, 187, 118, 193


def write_roads(root, split='train', count=4, size=(96, 128)):
    """CamVid: a road under the sky with a car, its colours those of nothing else."""
    for number in range(count):
        labels = np.full(size, SKY, np.uint8)
        labels[size[0] // 2:] = ROAD
        labels[size[0] // 2:size[0] // 2 + 20, 10 * number:10 * number + 30] = CAR
        colours = np.zeros((256, 3), np.uint8)
        colours[[SKY, ROAD, CAR]] = (90, 150, 250), (80, 80, 80), (200, 20, 20)
        _save(root / split / 'images' / f'{number}.png', colours[labels])
        _save(root / split / 'labels' / f'{number}.png', labels)


def write_things(root, count=5, behind=SKY_OF_COCO):
    """A folder of photographs with category ids of COCO: a dog before the sky or what is said."""
    for number in range(count):
        rows, columns = np.mgrid[:100, :120]
        dog = (rows - 50)**2 + (columns - 50 - number)**2 < 30**2
        image = np.where(dog[..., None], (40, 120, 40), (230, 230, 255)).astype(np.uint8)
        _save(root / 'images' / f'{number:012d}.png', image)
        _save(root / 'labels' / f'{number:012d}.png',
              np.where(dog, DOG, behind).astype(np.uint8))


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
