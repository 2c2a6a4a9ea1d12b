# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn doctor`: check this machine and the live system, with advice for every problem.

--config names the parameters of a node that is not running yet. OUTPUT becomes a JSON file with
the findings and the facts they are based on.
"""

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

from ldn_perception.cli import options
from ldn_perception.cli.options import check_output_file
from ldn_perception.cli.processes import NodeProcess
from ldn_perception.config import ModelConfig, PerceptionConfig
from ldn_perception.doctor.machine_checks import Machine
from ldn_perception.doctor.observations import (
    Finding,
    Observations,
    State,
    error,
    observations_from_json,
    skipped,
)
from ldn_perception.errors import ConfigError

EXAMPLE = 'ldn doctor --namespace front --output report.json'

_START_AND_END_S = 300.0  # on an overloaded machine, Python takes minutes to start
_WIDE = 140
_STYLES = {
    State.OK: 'green', State.WARNING: 'yellow', State.ERROR: 'bold red', State.SKIPPED: 'dim'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    options.add_config(parser)
    options.add_output(parser, required=False)
    options.add_overwrite(parser)
    parser.add_argument(
        '--namespace', default='', metavar='NAME', help='namespace of the node and its topics')
    parser.add_argument(
        '--left-camera', default='', metavar='NAME',
        help='namespace of the left camera; that of the node, or left, unless given')
    parser.add_argument(
        '--right-camera', default='', metavar='NAME',
        help='namespace of the right camera; that of the node, or right, unless given')
    parser.add_argument(
        '--image-name', default='', metavar='NAME',
        help='name of the images in them; image_rect or image_raw unless given')
    parser.add_argument(
        '--node', default='stereo_seg_node', metavar='NAME', help='name of the node')
    parser.add_argument(
        '--seconds', type=float, default=5.0, metavar='S', help='time to listen [s]')


def run(given: argparse.Namespace) -> int:
    """Observe, check and print; exit code 0 unless there is an error.

    Raises:
        ConfigError: The parameter file is missing or invalid.
    """
    if given.output:
        check_output_file(given.output, overwrite=given.overwrite)
    # Imports torch and OpenCV, which the help does not need.
    from ldn_perception.doctor.checkup import check_live, check_machine, config_of_the_node

    console = Console()
    config = (
        PerceptionConfig.from_yaml(given.config) if given.config
        else PerceptionConfig())
    machine = read_machine(config.model)
    with console.status(f'listening for {given.seconds:g} s'):
        observations, problem = (
            observe(given) if machine.packages['rclpy']
            else (None, skipped('live system', 'nobody can listen without rclpy')))
    try:
        running = config_of_the_node(observations)
    except ConfigError:
        running = None  # reported as a finding
    if running is not None:
        config, machine = running, read_machine(running.model)
    findings = [*check_machine(machine, observations, config)]
    if problem is not None:
        findings.append(problem)
    if observations is not None:
        findings += check_live(observations, config)
    console.print(finding_table(findings, console.width))
    if given.output:
        given.output.write_text(to_json(findings, machine, observations))
    return int(any(finding.state is State.ERROR for finding in findings))


def read_machine(config: ModelConfig) -> Machine:
    """Read the facts of this machine.

    Args:
        config: Network and weights to look for.
    """
    from ldn_perception.cli import machine_facts

    return machine_facts.read_machine(config)


def observe(given: argparse.Namespace) -> tuple[Observations | None, Finding | None]:
    """Run the system probe in its own process.

    Returns:
        The observations, or a finding that explains why there are none.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder) / 'observations.json', Path(folder) / 'log'
        arguments = [str(output), '--seconds', str(given.seconds), '--node', given.node]
        for name, value in {
            'namespace': given.namespace, 'left': given.left_camera,
            'right': given.right_camera, 'image': given.image_name,
        }.items():
            arguments += [f'--{name}', value]
        with NodeProcess('system_probe', arguments, log, dict(os.environ)) as probe:
            try:
                code = probe.process.wait(given.seconds + _START_AND_END_S)
            except subprocess.TimeoutExpired:
                return None, error(
                    'live system', 'the process that listens did not end',
                    'look at the load of this machine, and run ldn doctor again')
        if code or not output.is_file():
            lines = log.read_text().strip().splitlines() or ['it said nothing']
            return None, error(
                'live system', f'the process that listens ended with code {code}: {lines[-1]}',
                'make the other rows right first; then python -m '
                'ldn_perception.ros.nodes.system_probe out.json tells more')
        return observations_from_json(output.read_text()), None


def finding_table(findings: Sequence[Finding], width: int) -> Table:
    """Table of findings for the terminal.

    Args:
        findings: Rows of the table.
        width: Width of the terminal [characters]; on a narrow one the advice is below the finding.
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
    """Findings and the facts they are based on as JSON, for a report to support."""
    return json.dumps({
        'findings': [
            {**asdict(finding), 'state': finding.state.value} for finding in findings],
        'machine': asdict(machine),
        'observations': None if observations is None else asdict(observations),
    }, indent=2) + '\n'
