# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a Fast DDS profile gives a participant."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

_BUILTIN_SEGMENT_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class TransportProfile:
    """Transports of the default participant profile.

    Attributes:
        segment_bytes: Shared memory of a participant; 0 for none.
        problem: Why the file gives none; empty if it does.
    """

    segment_bytes: int = 0
    problem: str = ''


def read_profile(text: str) -> TransportProfile:
    """Read the XML of a profile file.

    Source: eProsima Fast DDS, XML profiles: transport descriptors and participant profiles.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return TransportProfile(problem=f'is not XML ({error})')
    for element in root.iter():
        element.tag = element.tag.rpartition('}')[2]
    participant = next((
        entry for entry in root.iter('participant')
        if entry.get('is_default_profile') in ('true', '1')), None)
    if participant is None:
        return TransportProfile(
            problem='has no participant with is_default_profile="true", so ROS 2 ignores it')
    named = participant.findall('.//userTransports/transport_id')
    used = {(entry.text or '').strip() for entry in named}
    segments = [
        int(_text(entry, 'segment_size', str(_BUILTIN_SEGMENT_BYTES)))
        for entry in root.iter('transport_descriptor')
        if _text(entry, 'transport_id') in used and _text(entry, 'type') == 'SHM']
    if segments:
        return TransportProfile(max(segments))
    rtps = participant.find('rtps')
    builtin = 'true' if rtps is None else _text(rtps, 'useBuiltinTransports', 'true')
    if builtin in ('false', '0'):
        return TransportProfile(problem='gives its participants no shared memory')
    return TransportProfile(_BUILTIN_SEGMENT_BYTES)


def _text(element: ElementTree.Element, name: str, default: str = '') -> str:
    return (element.findtext(name) or default).strip()
