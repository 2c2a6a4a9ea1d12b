# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest
from stereo_frames import shifted_frame

from ldn_perception.cli.evaluate_stereo import build_matchers
from ldn_perception.cli.main import main
from ldn_perception.data.kitti import KittiStereo, KittiStereoFolder
from ldn_perception.data.middlebury import Middlebury
from ldn_perception.data.registry import open_stereo_folder
from ldn_perception.data.synthetic_sets import SyntheticPairs
from ldn_perception.errors import ConfigError
from ldn_perception.stereo.matcher import ReducedMatcher
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher

CALIBRATION = {'fx': 90.0, 'fy': 90.0, 'cx': 80.0, 'cy': 48.0, 'baseline_m': 0.5}


def write_pair(folder, true_px=12.0):
    """A wall at 12 px whose ground truth says something else in the upper half, perhaps."""
    frame = shifted_frame(12)
    truth = np.full((96, 160), 12 * 256, np.uint16)
    truth[:48] = round(true_px * 256)
    truth[:, :24] = 0
    folder.mkdir()
    for name, image in (('left', frame.left), ('right', frame.right)):
        cv2.imwrite(str(folder / f'{name}.png'), image[..., ::-1])
    cv2.imwrite(str(folder / 'disp_occ.png'), truth)
    (folder / 'calib.json').write_text(json.dumps(CALIBRATION))
    return folder


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['evaluate-stereo', *map(str, arguments), '--set', 'stereo.max_disparity=32'])
    return ended.value.code


def test_sets_and_matchers_become_scores_a_table_and_a_page(tmp_path, capsys):
    right, wrong = write_pair(tmp_path / 'right'), write_pair(tmp_path / 'wrong', 16.0)
    output = tmp_path / 'out'
    assert run(right, wrong, '--matchers', 'sgbm,census:fills_holes=true',
               '--output', output) == 0
    sets = json.loads((output / 'scores.json').read_text())['sets']
    assert list(sets) == ['right', 'wrong']
    for scores in sets['right'].values():
        assert scores['d1_all'] < 0.05
        assert scores['density'] > 0.95
        assert scores['end_point_error_px'] < 0.2
        assert scores['median_seconds'] > 0
        assert (scores['pairs'], scores['valid_pixels']) == (1, 96 * 136)
    assert sets['right']['census:fills_holes=true']['density'] == 1
    for scores in sets['wrong'].values():  # 4 px off in half of the pixels
        assert scores['d1_all'] == pytest.approx(0.5, abs=0.05)
        assert scores['bad_3_all'] == pytest.approx(0.5, abs=0.05)
        assert scores['end_point_error_px'] == pytest.approx(2, abs=0.2)
    text = capsys.readouterr().out
    page = (output / 'index.html').read_text()
    for words in ('bad-3 matched', 'census:fills_holes=true', 'wrong'):
        assert words in text
        assert words in page
    pictures = sorted((output / 'pictures').glob('*.png'))
    assert len(pictures) == 4
    assert all(f'pictures/{path.name}' in page for path in pictures)
    drawn = cv2.imread(str(pictures[-1]))[..., ::-1]  # wrong, sgbm: left | disparity | error
    assert drawn.shape == (22 + 288, 3 * 480, 3)
    error = drawn[22:, 960:]
    assert tuple(error[72, 240]) == (244, 109, 67)  # between 3 and 6 px
    assert tuple(error[216, 240]) == (49, 104, 196)  # below 1 px


def test_matchers_have_options_of_their_own():
    found = build_matchers(
        'sgbm,census:num_paths=8:resolution_divisor=2', {'stereo.max_disparity': 32})
    assert list(found) == ['sgbm', 'census:num_paths=8:resolution_divisor=2']
    assert isinstance(found['census:num_paths=8:resolution_divisor=2'], ReducedMatcher)
    assert isinstance(build_matchers('census', {})['census'], SemiGlobalMatcher)


def test_an_option_of_a_matcher_may_be_empty():
    assert isinstance(build_matchers('census:weights=', {})['census:weights='], SemiGlobalMatcher)


@pytest.mark.parametrize(('names', 'text'), [
    ('sgbm,best', "stereo.matcher must be one of sgbm, .*, got 'best': choose one"),
    ('census:paths=8', "option must be one of .*, got 'stereo.paths': correct the name"),
    ('census:8', "option of a matcher must be NAME=VALUE, got '8': write for example census:num"),
    ('external', '--matchers must be matchers of pairs, got external: leave it out'),
])
def test_wrong_matchers_are_refused(names, text):
    with pytest.raises(ConfigError, match=text):
        build_matchers(names, {})


def test_a_limit_below_one_is_refused(tmp_path, capsys):
    assert run(write_pair(tmp_path / 'right'), '--limit', '0') == 1
    assert '--limit must be at least 1, got 0' in capsys.readouterr().err


def test_a_folder_without_pairs_is_refused(tmp_path, capsys):
    assert run(tmp_path) == 1
    assert 'ldn: dataset folder' in capsys.readouterr().err


def test_folders_are_known_by_what_is_in_them(tmp_path):
    assert isinstance(open_stereo_folder(write_pair(tmp_path / 'pair')), KittiStereoFolder)
    image = np.zeros((12, 20, 3), np.uint8)
    for name in ('drive/left', 'drive/right', 'drive/disparity', 'kitti/training/image_2',
                 'kitti/training/image_3', 'kitti/training/disp_occ_0',
                 'kitti/training/disp_noc_0', 'scenes/cones'):
        (tmp_path / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / name / '000000_10.png'), image)
    (tmp_path / 'drive/calib.json').write_text(json.dumps(CALIBRATION))
    (tmp_path / 'kitti/training/calib_cam_to_cam').mkdir()
    (tmp_path / 'kitti/training/calib_cam_to_cam/000000.txt').write_text('')
    cv2.imwrite(str(tmp_path / 'scenes/cones/im2.png'), image)
    for name, kind in (('drive', SyntheticPairs), ('kitti', KittiStereo), ('scenes', Middlebury)):
        assert isinstance(open_stereo_folder(tmp_path / name), kind)
