# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn doctor`: what is wrong with this machine and the system that runs on it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
import os
from pathlib import Path
import subprocess
import tempfile

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ldn_perception.cli.machine_facts import read_machine
from ldn_perception.cli.node_process import NodeProcess
from ldn_perception.config import PerceptionConfig
from ldn_perception.diagnosis.checkup import check_live, check_machine, config_of_the_node
from ldn_perception.diagnosis.finding import Finding, State, error, skipped
from ldn_perception.diagnosis.machine import Machine
from ldn_perception.diagnosis.observations import Observations, observations_from_json
from ldn_perception.errors import ConfigError

_START_AND_END_S = 300.0  # a machine that has no time left takes minutes to start Python
_WIDE = 140
_STYLES = {
    State.OK: 'green', State.WARNING: 'yellow', State.ERROR: 'bold red', State.SKIPPED: 'dim'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument('--namespace', default='', help='namespace of the node and its topics')
    parser.add_argument(
        '--left', default='', help='namespace of the left camera; what the node listens to, or '
        'left, unless given')
    parser.add_argument('--right', default='', help='namespace of the right camera')
    parser.add_argument(
        '--image', default='', help='name of the images in them; image_rect or image_raw unless '
        'given')
    parser.add_argument('--node', default='stereo_seg_node', help='name of the node')
    parser.add_argument(
        '--params-file', type=Path, help='parameters of a node that does not run yet')
    parser.add_argument('--seconds', type=float, default=5.0, help='how long to listen')
    parser.add_argument(
        '--json', type=Path, help='file for the findings and all that they were made from')


def run(options: argparse.Namespace) -> int:
    """Listen, check, print; 0 unless there is an error.

    Raises:
        ConfigError: The parameter file is missing or wrong.
    """
    console = Console()
    config = (
        PerceptionConfig.from_yaml(options.params_file) if options.params_file
        else PerceptionConfig())
    machine = read_machine(config.model)
    with console.status(f'listening for {options.seconds:g} s'):
        observations, problem = (
            observe(options) if machine.packages['rclpy']
            else (None, skipped('live system', 'nobody can listen without rclpy')))
    try:
        running = config_of_the_node(observations)
    except ConfigError:
        running = None  # a finding of its own
    if running is not None:
        config, machine = running, read_machine(running.model)
    findings = [*check_machine(machine, observations, config)]
    if problem is not None:
        findings.append(problem)
    if observations is not None:
        findings += check_live(observations, config)
    console.print(finding_table(findings, console.width))
    if options.json:
        options.json.write_text(to_json(findings, machine, observations))
    return int(any(finding.state is State.ERROR for finding in findings))


def observe(options: argparse.Namespace) -> tuple[Observations | None, Finding | None]:
    """Let a node of its own process listen.

    Returns:
        What it heard, or why it could not.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / 'observations.json', Path(folder) / 'log'
        arguments = [str(output), '--seconds', str(options.seconds), '--node', options.node]
        for name in ('namespace', 'left', 'right', 'image'):
            arguments += [f'--{name}', getattr(options, name)]
        with NodeProcess('system_probe', arguments, log, dict(os.environ)) as probe:
            try:
                code = probe.process.wait(options.seconds + _START_AND_END_S)
            except subprocess.TimeoutExpired:
                return None, error(
                    'live system', 'the process that listens did not end',
                    'look at the load of this machine, and run ldn doctor again')
        if code or not output.is_file():
            lines = log.read_text().strip().splitlines() or ['it said nothing']
            return None, error(
                'live system', f'the process that listens ended with code {code}: {lines[-1]}',
                'make the other rows right first; then python -m '
                'ldn_perception.nodes.system_probe out.json tells more')
        return observations_from_json(output.read_text()), None


def finding_table(findings: Sequence[Finding], width: int) -> Table:
    """Findings as a table for people.

    Args:
        findings: Its rows.
        width: Of the terminal [letters]; on a narrow one the advice stands below what was found.
    """
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    table = Table(
        title='ldn doctor', title_justify='left', caption_justify='left',
        caption=', '.join(f'{count} {state.value}' for state, count in counts.items() if count))
    is_wide = width >= _WIDE
    for title in ('check', 'state', *(
            ('found', 'what to do') if is_wide else ('found → what to do',))):
        table.add_column(title, overflow='fold')
    for finding in findings:
        style = _STYLES[finding.state]
        found, advice = escape(finding.found), escape(finding.advice)
        table.add_row(escape(finding.check), f'[{style}]{finding.state.value}[/]', *(
            (found, advice) if is_wide else (f'{found}\n→ {advice}' if advice else found,)))
    return table


def to_json(
    findings: Sequence[Finding], machine: Machine, observations: Observations | None,
) -> str:
    """Findings and what they were made from, for a report to somebody far away."""
    return json.dumps({
        'findings': [
            {**asdict(finding), 'state': finding.state.value} for finding in findings],
        'machine': asdict(machine),
        'observations': None if observations is None else asdict(observations),
    }, indent=2) + '\n'
