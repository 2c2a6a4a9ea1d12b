# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages from the templates of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader('ldn_perception'), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    undefined=StrictUndefined)


def render_page(template: str, **values: Any) -> str:
    """Render a template of the folder `templates`; every value is escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)


def write_gallery(
    path: Path, title: str, table: str, sections: list[tuple[str, list[str]]], lead: str = '',
    note: str = '',
) -> None:
    """Write a page of scores above pictures; it needs the folder of pictures and nothing else.

    Args:
        path: File to write.
        title: Heading.
        table: Scores as plain text.
        sections: Heading and names of files in the folder `pictures` beside the page.
        lead: Paragraph before the table.
        note: Paragraph after it.
    """
    path.write_text(render_page(
        'gallery.html.j2', title=title, table=table, sections=sections, lead=lead, note=note),
        encoding='utf-8')
