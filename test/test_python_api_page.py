# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The blocks of docs/python_api.md, run from top to bottom."""

from pathlib import Path
import re

PAGE = Path(__file__).resolve().parents[1] / 'docs/python_api.md'


def test_the_page_runs_as_it_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    names = {}
    for block in re.finditer(r'```python\n(.*?)```', text, re.DOTALL):
        line = text.count('\n', 0, block.start(1))
        code = compile('\n' * line + block[1], str(PAGE), 'exec')
        exec(code, names)
    shown = capsys.readouterr().out
    assert 'labels/street.png' in shown
    assert '12.5 m (192, 320, 3)' in shown
    assert 'must be an image with its right image or its disparity, got one image' in shown
    assert shown.count('must be a path, a PIL image, or an (H, W, 3) uint8 RGB') == 2
    assert 'must be at least ' in shown
