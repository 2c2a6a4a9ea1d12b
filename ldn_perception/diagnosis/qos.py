# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a publisher and a subscriber meet."""

from __future__ import annotations

from ldn_perception.diagnosis.observations import Endpoint


def qos_mismatch(publisher: Endpoint, subscriber: Endpoint) -> str:
    """Say what a publisher offers less than a subscriber asks for; empty if they meet.

    Source: ROS 2 documentation, Quality of Service settings: compatibilities.
    """
    if subscriber.reliability == 'reliable' and publisher.reliability == 'best_effort':
        return 'best effort offered, reliable asked for'
    if subscriber.durability == 'transient_local' and publisher.durability == 'volatile':
        return 'volatile offered, transient local asked for'
    asked, offered = subscriber.deadline_ns, publisher.deadline_ns
    if asked and (not offered or offered > asked):
        return (f'a deadline of {asked / 1e6:g} ms asked for, '
                f'{f"{offered / 1e6:g} ms" if offered else "none"} offered')
    return ''
