# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Argument parser of the command line: defaults in its help, corrections in its errors."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """Parser of the command or of a verb; options are not abbreviated.

    Args:
        settings: Those of `argparse.ArgumentParser`.

    Attributes:
        declared: Arguments in the order in which they were declared.
    """

    def __init__(self, *names: Any, **settings: Any) -> None:
        self.declared: list[argparse.Action] = []
        settings.setdefault('formatter_class', HelpWithDefaults)
        settings.setdefault('allow_abbrev', False)
        super().__init__(*names, **settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Declare an argument."""
        action = super().add_argument(*names, **settings)
        self.declared.append(action)
        return action

    def check_options(self, given: Iterable[str]) -> None:
        """Leave with exit code 2 where an option is unknown, before a missing one is named.

        Args:
            given: Arguments of the verb.
        """
        known = [name for action in self.declared for name in action.option_strings]
        for text in given:
            name = text.partition('=')[0]
            if name == '--':
                return
            if name.startswith('--') and name not in known:
                self.error(f'unknown option {name}: {advise(name, known, self.prog)}')


class HelpWithDefaults(argparse.RawDescriptionHelpFormatter):
    """Help that keeps the lines of descriptions and names every default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, '', argparse.SUPPRESS) or isinstance(
                action.default, list):
            return action.help
        return f'{action.help} (default: %(default)s)'


def advise(name: str, known: Sequence[str], program: str) -> str:
    """Advice on an unknown name: the most similar one, and the help that lists all.

    Args:
        name: What was given.
        known: Names that there are.
        program: Command with the help.
    """
    similar = get_close_matches(name, known, 1)
    question = f'did you mean {similar[0]}? ' if similar else ''
    return f'{question}`{program} --help` lists them'
