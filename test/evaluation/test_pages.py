# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from ldn_perception.evaluation.pages import render_page, write_gallery


def test_a_gallery_escapes_everything_it_shows(tmp_path):
    path = tmp_path / 'index.html'
    write_gallery(path, '<a>', '1 < 2', [('<h>', ['x"y.png'])], lead='<p>', note='a & b')
    html = path.read_text()
    for text in ('<title>&lt;a&gt;</title>', '<pre>1 &lt; 2</pre>', '<h2>&lt;h&gt;</h2>',
                 'src="pictures/x&#34;y.png"', '<p>&lt;p&gt;</p>', '<p>a &amp; b</p>'):
        assert text in html


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(Exception, match="'title' is undefined"):
        render_page('gallery.html.j2')
