# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What an option is: its value, and what is to be known of it.

A section of options is a dataclass whose fields `option_field` makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, cast, get_type_hints

from ldn_perception.errors import ConfigError

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Option:
    """What is to be known of one option.

    Attributes:
        name: Full name, section and field: 'stereo.max_disparity'.
        type: bool, int, float or str.
        default: Value when nobody says otherwise.
        doc: One sentence for people.
        unit: Unit of the value; empty where it has none.
        minimum: Smallest value, for numbers.
        maximum: Largest value, for numbers.
        choices: The possible values, for strings.
        live: Whether a running node takes a new value.
        see: Document that explains the choices, where they are many.
    """

    name: str
    type: type
    default: Value
    doc: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    see: str = ''

    def check(self, value: Any) -> Value:
        """Return the value if this option can have it.

        Raises:
            ConfigError: It has the wrong type, is out of range or not a choice.
        """
        if self.type is float and type(value) is int:
            value = float(value)
        if not self._has_type(value):
            raise ConfigError(
                self.name, must_be=f'a {self.type.__name__}',
                got=f'{value!r}', do='correct its type in the parameters',
            )
        if self.choices and value not in self.choices:
            raise ConfigError(
                self.name, must_be=f'one of {", ".join(self.choices)}', got=repr(value),
                do='choose one of them',
            )
        if self.minimum is not None and not self.minimum <= value <= self._upper:
            raise ConfigError(
                self.name, must_be=f'in [{self.minimum:g}, {self._upper:g}]', got=value,
                do='choose a value in the range',
            )
        return cast('Value', value)

    def _has_type(self, value: Any) -> bool:
        return type(value) is self.type  # a bool is an int to isinstance

    @property
    def _upper(self) -> float:
        return float('inf') if self.maximum is None else self.maximum


def option_field(default: Value, doc: str, **known: Any) -> Any:
    """Field of a section of options; what is known of it beside, see `Option`."""
    return field(default=default, metadata={'doc': doc, **known})


def section_options(section: type, prefix: str = '') -> Iterator[Option]:
    """Options of a section and those below it, by full name."""
    types = get_type_hints(section)
    for entry in fields(section):
        if is_dataclass(types[entry.name]):
            yield from section_options(types[entry.name], f'{prefix}{entry.name}.')
        elif entry.default is not MISSING:
            yield Option(
                prefix + entry.name, types[entry.name], entry.default, **entry.metadata)
