# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where a stereo camera publishes, and the remappings that lead the node there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
import re

from ldn_perception.errors import RigError
from ldn_perception.rigs.checked_yaml import checked_mapping, checked_text

_TOPIC = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


@dataclass(frozen=True, slots=True)
class StereoTopics:
    """Topics of a stereo camera, as image_transport lays them out: camera_info beside the image.

    Attributes:
        left: Namespace of the left camera: <left>/<image> and <left>/camera_info.
        right: Namespace of the right camera.
        image: Name of the images in both; empty means image_rect, or image_raw where the node
            is to rectify.
        external_disparity: Topic of the DisparityImages, where the matcher is external.
    """

    left: str = 'left'
    right: str = 'right'
    image: str = ''
    external_disparity: str = 'external_disparity'

    @classmethod
    def from_tree(cls, tree: object, place: str) -> StereoTopics:
        """Read them from a YAML mapping; what is not in it has its default.

        Raises:
            RigError: An unknown key, or something that is no name of a topic.
        """
        known = [entry.name for entry in fields(cls)]
        given = checked_mapping(tree, place, known)
        topics = cls().replaced({key: checked_text(given, key, place) for key in given})
        for name in known:
            text = getattr(topics, name)
            if text and not _TOPIC.fullmatch(text):
                raise RigError(
                    f'{name} of {place}', must_be='the name of a topic', got=repr(text),
                    do='use letters, digits, underscores and slashes')
        return topics

    def replaced(self, given: Mapping[str, str]) -> StereoTopics:
        """Return the same with others where they are given and not empty.

        Args:
            given: Text by name of the attribute; other names are left alone.
        """
        names = [entry.name for entry in fields(self)]
        return replace(self, **{name: given[name] for name in names if given.get(name)})

    def left_image(self, rectify: bool) -> str:
        """Topic of the left images.

        Args:
            rectify: Whether the node takes raw images and rectifies them.
        """
        return f'{self.left}/{self.image or ("image_raw" if rectify else "image_rect")}'

    def remappings(self) -> list[tuple[str, str]]:
        """Every input of the node and the topic that it is to come from."""
        return [
            *_camera_remappings('left', self.left, self.image),
            *_camera_remappings('right', self.right, self.image),
            ('external_disparity', self.external_disparity),
        ]


def _camera_remappings(side: str, camera: str, image: str) -> list[tuple[str, str]]:
    return [
        *(
            (f'{side}/{name}{transport}', f'{camera}/{image or name}{transport}')
            for name in ('image_rect', 'image_raw') for transport in ('', '/compressed')),
        (f'{side}/camera_info', f'{camera}/camera_info'),
    ]
