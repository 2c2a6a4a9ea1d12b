# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a replay: complete in one file, and true to the numbers it was made of."""

from base64 import b64decode
from html.parser import HTMLParser
import json
import re
import xml.etree.ElementTree as ElementTree

from chromium_page import ChromiumPage, find_chromium
import cv2
import numpy as np
import pytest

from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.report_folder import ReportFolder
from ldn_perception.evaluation.report_page import MAX_BYTES, write_page
from ldn_perception.evaluation.report_tables import percent
from ldn_perception.taxonomy import TAXONOMIES

CLASSES = TAXONOMIES['universal'].classes
NUM_DRIVING = TAXONOMIES['universal'].num_driving
SECONDS = {'read': 0.004, 'disparity': 0.03, 'network': 0.11, 'decode': 0.005, 'write': 0.003}
START_NS = 1_317_355_556_012_345_678
VOID = {'area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source'}


class PageReader(HTMLParser):
    """Elements of a page in order, and its text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.text = [], [], ''
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, 'elements overlap'

    def handle_data(self, data):
        if self.open and self.open[-1] != 'style':
            self.text += data

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def picture(number, width=960, height=300):
    """What a camera might see: smooth, with some noise."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (6, 12, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(image + random.normal(0, 14, image.shape), 0, 255).astype(np.uint8)


def frame_lines(num_pairs, truth, num_bags=1, seed=0):
    random = np.random.default_rng(seed)
    mass = 0.08 + 0.05 * np.sin(np.arange(num_pairs) / 40) + 0.01 * random.random(num_pairs)
    mass[num_pairs // 2:num_pairs // 2 + 9] += 0.6
    for index in range(num_pairs):
        line = {
            'index': index, 'stamp_ns': START_NS + index * 100_000_000,
            'bag': f'/drives/drive_{index * num_bags // num_pairs}',
            'labels_sha256': f'{index:064x}', 'mean_foreign_probability': mass[index],
            'ood_share': 0.8 * mass[index], 'disparity_density': 0.9,
            'seconds': {
                name: time * (1 + 0.2 * random.random()) for name, time in SECONDS.items()},
        }
        if index == 0:
            line['seconds']['network'] *= 9
        if truth:
            line |= {'pixel_accuracy': 0.9 - mass[index], 'miou': 0.6 - mass[index] / 2,
                     'd1': 0.07 + 0.02 * random.random(), 'ood_ap': 0.5}
        yield line


def write_configuration(
    folder, *, num_pairs=12, truth=True, complete=True, weights='/weights/ldn121.safetensors',
    num_bags=1, seed=0, dropped=None, picture_width=960,
):
    """Write a folder as a replay leaves it, from numbers made up for the test."""
    (folder / 'pictures').mkdir(parents=True)
    counts = {
        'pairs': num_pairs + 5 * (not complete) + sum((dropped or {}).values()),
        'processed': num_pairs, 'dropped': dropped or {}, 'unpaired_images': 0,
        'bags': [{'bag': f'/drives/drive_{number}', 'pairs': 1, 'unpaired_images': 0}
                 for number in range(num_bags)],
    }
    write_json(folder / 'replay.json', {
        'name': folder.name, 'bags': [f'/drives/drive_{number}' for number in range(num_bags)],
        'settings': {'model.name': 'ldn121_64_4', 'stereo.matcher': 'sgbm'},
        'model': 'ldn121_64_4', 'weights': weights,
        'taxonomy': {'name': 'universal', 'num_driving': NUM_DRIVING, 'classes': [
            {'name': info.name, 'color': list(info.color), 'domain': info.domain.value,
             'category': info.category} for info in CLASSES]},
        'counts': counts, 'complete': complete,
        'seconds': {**{name: num_pairs * time for name, time in SECONDS.items()}, 'score': 0.5},
    })
    lines = list(frame_lines(num_pairs, truth, num_bags, seed))
    (folder / 'frames.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    scores = {'pairs': counts, 'segmentation': None, 'ood': None, 'disparity': None}
    kinds = ['foreign']
    if truth:
        kinds = ['best', 'worst', 'foreign']
        scores |= truth_scores(seed)
    scores['pictures'] = [
        {'file': f'{kind}_{rank}.jpg', 'kind': kind, 'value': 0.9 - 0.1 * rank, 'index': rank}
        for kind in kinds for rank in (1, 2, 3)]
    for number, entry in enumerate(scores['pictures']):
        image = picture(number, picture_width, picture_width // 3)
        cv2.imwrite(str(folder / 'pictures' / entry['file']), image,
                    [cv2.IMWRITE_JPEG_QUALITY, 85])
    write_json(folder / 'scores.json', scores)


def truth_scores(seed):
    random = np.random.default_rng(seed)
    names = [info.name for info in CLASSES[:NUM_DRIVING]]
    confusion = random.integers(0, 40, (NUM_DRIVING, NUM_DRIVING + 1))
    confusion[np.arange(NUM_DRIVING), np.arange(NUM_DRIVING)] = random.integers(
        200, 5000, NUM_DRIVING)
    confusion[3] = 0
    iou = (0.2 + 0.7 * random.random(NUM_DRIVING)).tolist()
    iou[3] = None
    return {
        'segmentation': {
            'mean_iou': 0.554 + 0.01 * seed, 'pixel_accuracy': 0.87, 'mean_category_iou': 0.7,
            'iou': dict(zip(names, iou, strict=True)), 'confusion': confusion.tolist()},
        'ood': {'average_precision': 0.431, 'fpr95': 0.214},
        'disparity': {'d1_all': 0.0789},
    }


def write_json(path, value):
    path.write_text(json.dumps(value))


def write_replay(folder, **configurations):
    folder.mkdir(exist_ok=True)
    for name, options in configurations.items():
        write_configuration(folder / name, **options)
    write_json(folder / 'comparison.json', {'configurations': list(configurations)})
    return folder


def read_page(folder):
    path = write_page(folder)
    assert path == folder / 'index.html'
    return PageReader(path.read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
    """Two configurations over a thousand pairs with large, noisy pictures."""
    return write_replay(
        tmp_path_factory.mktemp('replay') / 'replay',
        ldn121_road={'num_pairs': 1000, 'num_bags': 3, 'picture_width': 2400,
                     'dropped': {'flat_image': 2}},
        small={'num_pairs': 1000, 'num_bags': 3, 'seed': 1, 'truth': False, 'complete': False,
               'weights': None, 'picture_width': 2400})


@pytest.fixture(scope='module')
def page(compared):
    return read_page(compared)


def images(page):
    """Type and bytes of every image."""
    for element in page.of('img'):
        kind, _, code = element['src'].partition(';base64,')
        yield kind, b64decode(code, validate=True)


def test_the_page_needs_nothing_but_itself(page, compared):
    assert all(element['src'].startswith('data:image/') for element in page.of('img'))
    assert not page.of('script') + page.of('link') + page.of('iframe') + page.of('object')
    (ids, addresses) = ([attributes[name] for _, attributes in page.elements if name in attributes]
                        for name in ('id', 'href'))
    assert len(set(ids)) == len(ids)
    assert {f'#{name}' for name in ids} == set(addresses)
    text = (compared / 'index.html').read_text()
    style = text[text.index('<style>'):text.index('</style>')]
    assert not re.search(r'url\(|@import', style)
    assert not re.search(r'(src|href|srcset)="(?!data:|#)', text)


def test_a_thousand_pairs_with_pictures_stay_within_five_megabytes(compared, page):
    pictures = sum(path.stat().st_size for path in compared.glob('*/pictures/*.jpg'))
    assert pictures * 4 / 3 > MAX_BYTES
    assert 0.5 * MAX_BYTES < (compared / 'index.html').stat().st_size <= MAX_BYTES == 5_000_000
    widths = [cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_COLOR).shape[1]
              for kind, code in images(page) if kind == 'data:image/jpeg']
    assert len(widths) == 9 + 3
    assert min(widths) >= 800


def test_plots_are_whole_drawings_that_say_what_they_show(page):
    drawn = [code for kind, code in images(page) if kind == 'data:image/svg+xml']
    assert len(drawn) == 1 + 5 + 2
    for code in drawn:
        root = ElementTree.fromstring(code)
        assert root.tag == '{http://www.w3.org/2000/svg}svg'
        addresses = [value for element in root.iter() for name, value in element.attrib.items()
                     if name.endswith('href')]
        assert all(value.startswith(('#', 'data:')) for value in addresses)
    assert all(len(element['alt']) > 20 for element in page.of('img'))


def test_numbers_of_the_page_are_those_of_the_files(page):
    for text in ('55.4 %', '43.1 %', '21.4 %', '7.9 %', 'Replay of drive_0, drive_1, drive_2'):
        assert text in page.text
    assert 'Pair 1 · stamp 1317355556.112 s · pixel accuracy 80.0 %' in page.text
    assert 'Pair 2 · stamp 1317355556.212 s · mean foreign probability 70.0 %' in page.text
    assert 'Not in the ground truth: wall.' in page.text


def test_the_alternative_text_of_foreign_probability_names_its_peak(page):
    (text,) = [element['alt'] for element in page.of('img')
               if 'Mean foreign probability and OOD' in element['alt']][:1]
    mass = [line['mean_foreign_probability'] for line in frame_lines(1000, True, 3)]
    assert f'largest {100 * max(mass):.1f} % at pair {np.argmax(mass)}' in text
    assert f'mean foreign probability {100 * np.mean(mass):.1f} %' in text


def test_what_limits_the_numbers_is_said(page):
    for text in (
        'Pairs without a result: 2 flat_image.',
        'Incomplete: 1000 pairs of 1005 in 3 of 3 bags have a result so far.',
        'Untrained: the weights are random', 'No ground truth: nothing here says how right',
    ):
        assert page.text.count(text) == 1


def test_part_of_the_ground_truth_is_named_as_missing(tmp_path):
    write_replay(tmp_path, one={})
    scores = json.loads((tmp_path / 'one' / 'scores.json').read_text())
    write_json(tmp_path / 'one' / 'scores.json', {**scores, 'ood': None, 'disparity': None})
    assert 'No ground truth of foreign objects and disparity: not scored.' in read_page(
        tmp_path).text


def test_best_values_are_bold_and_equal_ones_are_not(tmp_path):
    write_replay(tmp_path, one={}, other={'seed': 1}, blind={'truth': False})
    read_page(tmp_path)
    html = (tmp_path / 'index.html').read_text()
    row = re.search(r'mean IoU</th>(.*?)</tr>', html)[1]
    assert row == ('<td>55.4 %</td><td class="best">56.4 %</td><td class="none">none</td>')
    assert 'class="best"' not in re.search(r'average precision</th>(.*?)</tr>', html)[1]


def test_a_long_timeline_is_thinned_and_keeps_its_extremes():
    from ldn_perception.evaluation.figures import MAX_POINTS, _thinned
    values = np.zeros(10_001)
    values[[17, 5_000]] = 1.0, -1.0
    values[9_000:9_100] = np.nan
    mean, low, high = _thinned(values)
    assert mean.size == low.size == high.size == MAX_POINTS
    assert np.nanmax(high) == 1.0
    assert np.nanmin(low) == -1.0
    assert np.isnan(mean).sum() in (2, 3)
    np.testing.assert_array_equal(_thinned(values[:MAX_POINTS])[0], values[:MAX_POINTS])


def test_a_single_pair_and_a_single_configuration_have_a_page(tmp_path):
    page = read_page(write_replay(tmp_path, only={'num_pairs': 1}))
    assert page.text.count('Configurations compared') == 0
    assert len(page.of('img')) == 5 + 9


def test_a_replay_that_has_only_begun_has_a_page_that_says_so(tmp_path):
    write_replay(tmp_path, begun={'num_pairs': 0, 'complete': False})
    (tmp_path / 'begun' / 'scores.json').unlink()
    (tmp_path / 'begun' / 'frames.jsonl').unlink()
    page = read_page(tmp_path)
    assert 'There is no result yet, so there is nothing to show.' in page.text
    assert page.of('img') == []


def test_a_line_torn_by_a_crash_is_left_out(tmp_path):
    write_replay(tmp_path, one={})
    lines = tmp_path / 'one' / 'frames.jsonl'
    lines.write_text(lines.read_text()[:-20])
    assert len(ReportFolder.read(tmp_path).configurations[0].frames) == 11


@pytest.mark.parametrize(('share', 'text'), [
    (0.5541, '55.4 %'), (1.0, '100.0 %'), (0.0004455, '0.04 %'), (0.0, '0.0 %'),
])
def test_small_percentages_have_one_more_digit(share, text):
    assert percent(share) == text


def test_names_cannot_become_elements_of_the_page(tmp_path):
    write_replay(tmp_path, **{'<script>alert(1)<': {}})
    page = read_page(tmp_path)
    assert page.of('script') == []
    assert '<script>alert(1)<' in page.text


@pytest.mark.parametrize(('file', 'content', 'message'), [
    ('comparison.json', '{"configurations": []}',
     r'configurations of .*comparison.json must be one name or more, got \[\]: replay a bag'),
    ('comparison.json', '{', 'comparison.json must be a readable JSON file, got Expecting'),
    ('one/replay.json', '[1]', 'replay.json must be a JSON object, got list: replay into another'),
    ('one/frames.jsonl', '{"index": 0}\n',
     r"lines of .* must be one JSON object a pair, .* got KeyError: 'seconds': replay into"),
    ('one/pictures/best_1.jpg', 'no picture', 'best_1.jpg must be a JPEG, got 10 other bytes: '),
])
def test_damaged_files_are_named(tmp_path, file, content, message):
    write_replay(tmp_path, one={})
    (tmp_path / file).write_text(content)
    with pytest.raises(ReplayError, match=message):
        write_page(tmp_path)


def test_no_replay_is_an_error(tmp_path):
    with pytest.raises(ReplayError, match=r'comparison.json must be a readable JSON file, got'):
        write_page(tmp_path)


def test_too_little_room_is_an_error(compared, monkeypatch):
    monkeypatch.setattr('ldn_perception.evaluation.report_page.MAX_BYTES', 100_000)
    with pytest.raises(ReplayError, match=r'must be at most 100000 bytes, got .* compare fewer'):
        write_page(compared)


def test_chromium_shows_the_page_offline_without_overlaps(compared, page):
    program = find_chromium()
    if program is None:
        pytest.skip('no Chromium here; CHROMIUM may name one')
    path = compared / 'index.html'
    for width in (1366, 800):
        with ChromiumPage(program, path, width, 900) as browser:
            assert browser.requests == [path.resolve().as_uri()]
            assert browser.complaints == []
            assert browser.evaluate('document.scrollingElement.scrollWidth') <= width
            assert browser.evaluate(
                '[...document.images].filter(image => !image.naturalWidth).length') == 0
            assert browser.evaluate(OVERLAPS) == []


OVERLAPS = """
[...document.querySelector('main').children].map(element => element.getBoundingClientRect())
  .filter((box, number, boxes) => number && box.top < boxes[number - 1].bottom - 0.5)
  .map(box => box.top)
"""
