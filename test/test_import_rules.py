# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every room imports only what the architecture lets it import, wherever the import stands."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
import sys
from typing import NamedTuple

import pytest

PACKAGE = 'ldn_perception'
ROOT = Path(__file__).resolve().parents[1]


class Rule(NamedTuple):
    """What a room may import beside the standard library and its own files."""

    inside: str = ''
    outside: str = ''


RULES = {
    'errors': Rule(),
    'frames': Rule('errors', 'numpy torch'),
    'taxonomy': Rule('errors frames', 'numpy torch'),
    'option': Rule('errors'),
    'parameter_file': Rule('errors', 'yaml'),
    'config': Rule('errors option parameter_file models.names'),
    'rectification': Rule('errors frames', 'numpy cv2'),
    'rigs': Rule('errors option parameter_file config', 'yaml'),
    'messages': Rule('errors frames rectification', 'numpy cv2 torch'),
    'message_fields': Rule('frames', 'numpy'),
    'stamp_joining': Rule('messages'),
    'pictures': Rule('errors frames taxonomy', 'numpy cv2 torch'),
    'pages': Rule('', 'jinja2'),
    'row_workers': Rule('', 'numpy'),
    'host_transfers': Rule('', 'numpy torch'),
    'stereo': Rule('errors frames row_workers host_transfers', 'numpy torch cv2'),
    'stereo.bit_count': Rule('', 'numpy numba'),
    'stereo.census_cost': Rule('errors row_workers', 'numpy numba cv2'),
    'stereo.disparity_refinement': Rule('row_workers', 'numpy numba cv2'),
    'stereo.semi_global_aggregation': Rule('errors row_workers', 'numpy numba'),
    'stereo.triton_aggregation': Rule('', 'torch triton'),
    'stereo.triton_costs': Rule('', 'torch triton'),
    'stereo.triton_median': Rule('', 'torch triton'),
    'stereo.triton_winners': Rule('', 'torch triton'),
    'stereo.vector_costs': Rule('errors row_workers', 'numpy numba'),
    'stereo.winner_takes_all': Rule('row_workers', 'numpy numba'),
    'models': Rule('errors frames', 'numpy torch safetensors'),
    'models.names': Rule(),
    'inference': Rule(
        'errors frames host_transfers models.segmentation_model models.normalisation '
        'models.inference_form', 'numpy torch'),
    'inference.compiled_backend': Rule(
        'errors host_transfers inference models.segmentation_model',
        'torch'),
    'inference.onnxruntime_backend': Rule(
        'errors host_transfers inference', 'numpy torch onnxruntime'),
    'inference.openvino_backend': Rule('errors inference', 'torch openvino'),
    'inference.calibration': Rule('errors inference', 'numpy cv2'),
    'inference.resized_engine': Rule('inference', 'numpy torch cv2'),
    'inference.int8_model': Rule('errors', 'numpy nncf'),
    'segmentation': Rule('errors frames taxonomy host_transfers', 'numpy torch cv2'),
    'segmentation.fused_decoder': Rule(
        'errors frames taxonomy row_workers', 'numpy torch numba'),
    'segmentation.bilinear_cells': Rule('', 'numpy'),
    'segmentation.cell_labels': Rule('frames', 'numpy numba'),
    'segmentation.cell_mask': Rule('', 'numpy numba'),
    'segmentation.cell_maxima': Rule('', 'numpy numba'),
    'segmentation.softmax_kernels': Rule('', 'numpy numba'),
    'segmentation.triton_kernels': Rule('frames', 'torch triton'),
    'segmentation.dense_crf': Rule('errors', 'numpy numba'),
    'segmentation.permutohedral_lattice': Rule('errors', 'numpy numba'),
    'segmentation.separable_gaussian': Rule('errors', 'numpy numba'),
    'free_space': Rule('errors frames', 'numpy'),
    'free_space.road_grid': Rule('errors frames', 'numpy numba'),
    'domain_alarm': Rule(),
    'pipeline': Rule(
        'errors frames stereo.matcher inference.engine segmentation.decoder', 'numpy torch'),
    'bags': Rule(
        'errors frames messages message_fields stamp_joining rectification taxonomy.cityscapes',
        'numpy torch cv2 rosbags apsw yaml'),
    'datasets': Rule('errors frames taxonomy models pipeline', 'numpy torch cv2 PIL'),
    'datasets.synthetic_drive': Rule(
        'errors frames taxonomy datasets bags.image_files', 'numpy torch cv2 trimesh embreex'),
    'training': Rule(
        'errors frames option config taxonomy models datasets evaluation stereo.patch_embedding '
        'stereo.census_signs stereo.matcher stereo.vector_costs',
        'numpy torch cv2 yaml matplotlib'),
    'training.build_correspondence': Rule(
        'errors frames config models datasets stereo', 'torch'),
    'evaluation': Rule('errors frames taxonomy models pipeline', 'numpy torch cv2'),
    'evaluation.figures': Rule('errors', 'numpy matplotlib'),
    'replay': Rule(
        'errors frames taxonomy messages message_fields pages pictures pipeline bags evaluation',
        'numpy torch cv2'),
    'replay.ray_fleet': Rule('errors', 'ray'),
    'replay.report_plots': Rule('evaluation.figures', 'numpy matplotlib'),
    'weights': Rule(),
    '__init__': Rule('catalogue errors metrics result segmenter stereo_camera'),
    'data': Rule('errors frames messages bags', 'numpy torch yaml PIL'),
    'data.video_reader': Rule('errors', 'numpy av'),
    'metrics': Rule('errors evaluation', 'numpy'),
    'catalogue': Rule('config models taxonomy weights', 'torch'),
    'stereo_camera': Rule('errors frames messages rectification bags data', 'numpy'),
    'result': Rule('errors frames taxonomy pictures bags.image_files', 'numpy cv2'),
    'segmenter': Rule(
        'errors frames config build data result stereo_camera stereo.external_disparity '
        'inference.resized_engine',
        'numpy'),
    'build_stereo': Rule(
        'errors config stereo weights models.normalisation models.weights inference.device '
        'inference.precision',
        'torch'),
    'build': Rule(
        'errors frames config taxonomy build_stereo stereo.matcher models inference segmentation '
        'free_space domain_alarm pipeline weights',
        'numpy torch'),
    'diagnosis': Rule('errors frames config messages rectification', 'numpy'),
    'nodes': Rule(
        'errors frames taxonomy option config messages message_fields stamp_joining rectification '
        'pictures build pipeline evaluation bags inference.host_memory free_space domain_alarm '
        'diagnosis',
        'numpy torch rclpy message_filters cv_bridge tf2_ros builtin_interfaces rcl_interfaces '
        'ament_index_python *_msgs *_srvs'),
    'cli': Rule(
        'errors frames taxonomy option parameter_file config messages message_fields '
        'stamp_joining pages pictures stereo models inference segmentation pipeline bags datasets '
        'training evaluation replay build build_stereo diagnosis weights segmenter result data '
        'stereo_camera',
        'numpy torch cv2 yaml rich safetensors'),
    'cli.view_video': Rule('errors pictures', 'av'),
}
"""Room, or a part of one with a rule of its own, to what it may import: dotted names are
modules inside the package, stars match any ending. The longest name that fits a file rules it.
"""


def imported_modules(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a file imports, at any depth and by any means."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split('.')[:-(node.level - 1) or None] if node.level else []
            base = '.'.join([*parents, *filter(None, [node.module])])
            yield from ((node.lineno, f'{base}.{alias.name}') for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition('.')[2]
            name = node.args[0]
            if called in ('import_module', '__import__') and isinstance(name, ast.Constant):
                yield node.lineno, str(name.value)


def may_import(module: str, imported: str, rule: Rule) -> bool:
    """Whether a module of the package may import a full name."""
    top, _, inner = imported.partition('.')
    if top != PACKAGE:
        allowed = any(fnmatchcase(top, pattern) for pattern in rule.outside.split())
        return top in sys.stdlib_module_names or allowed
    own_room = module.split('.')[0]
    return any(is_within(inner, room) for room in (own_room, *rule.inside.split()))


def is_within(name: str, ancestor: str) -> bool:
    """Whether a dotted name is another one, or below it."""
    return name == ancestor or name.startswith(f'{ancestor}.')


def violations(root: Path) -> list[str]:
    """All forbidden imports of the package under a directory, as 'file:line imports name'."""
    found = []
    for path in sorted((root / PACKAGE).rglob('*.py')):
        parts = path.relative_to(root).with_suffix('').parts
        package = '.'.join(parts[:-1])
        module = '.'.join(parts[1:]).removesuffix('__init__').rstrip('.')
        if not module:
            module = '__init__'
        rooms = [room for room in RULES if is_within(module, room)]
        if not rooms and module != '__init__':
            found.append(f'{path.relative_to(root)}:1 is in a room without a rule')
            continue
        rule = RULES[max(rooms, key=len)] if rooms else Rule()
        found += [
            f'{path.relative_to(root)}:{line} imports {name}'
            for line, name in imported_modules(ast.parse(path.read_text()), package)
            if not may_import(module, name, rule)
        ]
    return found


def test_every_import_of_the_package_follows_the_table() -> None:
    assert violations(ROOT) == []


def test_only_nodes_may_import_ros() -> None:
    ros = {'rclpy', 'message_filters', 'cv_bridge', '*_msgs', '*_srvs'}
    assert [room for room, rule in RULES.items() if ros & set(rule.outside.split())] == ['nodes']


def test_no_rule_is_left_over_from_a_room_that_is_gone() -> None:
    rooms = (ROOT / PACKAGE / room.replace('.', '/') for room in RULES)
    assert [str(room) for room in rooms if not room.is_dir() and not room.with_suffix(
        '.py').is_file()] == []


@pytest.mark.parametrize(('file', 'source', 'forbidden'), [
    ('models/net.py', 'import rclpy', 'rclpy'),
    ('models/net.py', 'import numpy, cv2', 'cv2'),
    ('models/net.py', 'def load():\n    from std_msgs.msg import Header', 'std_msgs.msg.Header'),
    ('models/net.py', 'import importlib\nimportlib.import_module("rclpy")', 'rclpy'),
    ('models/net.py', 'from ldn_perception import taxonomy', 'ldn_perception.taxonomy'),
    ('models/net.py', 'from ..taxonomy import TAXONOMIES', 'ldn_perception.taxonomy.TAXONOMIES'),
    ('models/net.py', 'from .. import nodes', 'ldn_perception.nodes'),
    ('frames.py', 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rich', 'rich'),
    ('pipeline.py', 'from ldn_perception.stereo.sgbm import Sgbm',
     'ldn_perception.stereo.sgbm.Sgbm'),
    ('datasets/kitti.py', 'import embreex', 'embreex'),
    ('segmentation/decoder.py', 'import numba', 'numba'),
    ('cli/main.py', 'from ldn_perception.nodes import latest_slot',
     'ldn_perception.nodes.latest_slot'),
    ('__init__.py', 'import torch', 'torch'),
])
def test_forbidden_import_is_found(
    tmp_path: Path, file: str, source: str, forbidden: str
) -> None:
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    line = len(source.splitlines())
    assert violations(tmp_path) == [f'{PACKAGE}/{file}:{line} imports {forbidden}']


@pytest.mark.parametrize(('file', 'source'), [
    ('nodes/node.py', 'import rclpy\nfrom sensor_msgs.msg import Image\nfrom . import slot'),
    ('pipeline.py', 'from ldn_perception.stereo.matcher import Matcher'),
    ('datasets/synthetic_drive/scene.py', 'import embreex\nfrom .. import camera'),
    ('models/net.py', 'from .ladder import Ladder\nimport torch.nn.functional as F'),
])
def test_allowed_import_is_let_through(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert violations(tmp_path) == []


def test_file_in_an_unknown_room_is_found(tmp_path: Path) -> None:
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / 'utils.py').write_text('')
    assert violations(tmp_path) == [f'{PACKAGE}/utils.py:1 is in a room without a rule']
