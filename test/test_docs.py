# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""README and pages: length, links, anchors, navigation; the site itself where MkDocs is there."""

import importlib.util
from pathlib import Path
import re
import subprocess
import sys

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
CONFIG = ROOT / '.ci' / 'mkdocs.yml'
TEXTS = sorted([*ROOT.glob('*.md'), *DOCS.glob('*.md')])
LONGEST = {'README.md': 220, 'docs/weights.md': 150}

LINK = re.compile(r'\]\(([^)\s]+)\)')
HEADING = re.compile(r'^#+ (.+)$', re.MULTILINE)
FENCE = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """Text of a page without its blocks of code."""
    return FENCE.sub('', path.read_text(encoding='utf-8'))


def links(path: Path) -> list[str]:
    return [link for link in LINK.findall(prose(path)) if '://' not in link]


def anchors(path: Path) -> set[str]:
    """Anchors of the headings, as GitHub and MkDocs both make them."""
    found = set()
    for heading in HEADING.findall(prose(path)):
        text = re.sub(r'[^\w\s-]', '', heading.lower()).strip()
        if re.sub(r'[-\s]+', '-', text) == text.replace(' ', '-'):
            found.add(text.replace(' ', '-'))
    return found


def navigation(entries: list) -> list[str]:
    """Pages of a navigation tree."""
    pages = []
    for entry in entries:
        for value in entry.values():
            pages += navigation(value) if isinstance(value, list) else [value]
    return pages


def settings() -> dict:
    """Settings of the site; tags of Python objects, which only MkDocs knows, are not used."""
    return yaml.safe_load(CONFIG.read_text())


@pytest.mark.parametrize(('name', 'limit'), LONGEST.items())
def test_a_page_is_as_short_as_promised(name, limit):
    assert len((ROOT / name).read_text().splitlines()) <= limit


@pytest.mark.parametrize('page', TEXTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in links(page):
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_links_of_pages_stay_inside_the_site():
    outside = [
        (page.name, link) for page in DOCS.glob('*.md') for link in links(page)
        if link.startswith('..')]
    assert outside == []


def test_every_page_has_one_place_in_the_navigation():
    pages = navigation(settings()['nav'])
    assert len(pages) == len(set(pages))
    assert {DOCS / page for page in pages} == {*DOCS.glob('*.md')}


def test_code_names_files_that_exist():
    named = re.compile(r'\b(?:benchmarks/\w+\.py|config/[\w/]+\.(?:yaml|json|xml)|launch/\w+\.py)')
    missing = {
        (page.name, name) for page in TEXTS for name in named.findall(page.read_text())
        if not (ROOT / name).is_file()}
    assert missing == set()


def test_changelog_has_the_version_of_the_package():
    changelog = (ROOT / 'CHANGELOG.rst').read_text()
    version = re.search(r'<version>(.+)</version>', (ROOT / 'package.xml').read_text())[1]
    assert re.search(rf'^{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$', changelog, re.MULTILINE)
    assert '\nForthcoming\n-----------\n' in changelog


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ('mkdocs', 'material')),
    reason='MkDocs is not installed; make docs builds the site')
def test_the_site_builds_without_a_warning(tmp_path):
    subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--config-file', str(CONFIG),
         '--site-dir', str(tmp_path / 'site')],
        check=True, cwd=ROOT)
    assert (tmp_path / 'site' / 'index.html').is_file()
