# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Import rules: every package imports only what the architecture lets it import."""

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
    """Imports allowed to a package beside the standard library and its own modules."""

    inside: str = ''
    outside: str = ''


RULES = {
    '__init__': Rule('errors metrics result segmenter stereo_camera'),
    'errors': Rule(),
    'types': Rule('errors', 'numpy torch'),
    'config': Rule('errors models.names', 'yaml'),
    'hardware': Rule('errors', 'numpy torch'),
    'taxonomy': Rule('errors types', 'numpy'),
    'pictures': Rule('types taxonomy', 'numpy cv2'),
    'models': Rule('errors', 'torch safetensors'),
    'models.names': Rule(),
    'models.resnet': Rule('errors', 'torch torchvision'),
    'weights': Rule(),
    'stereo': Rule('errors types hardware', 'numpy torch cv2'),
    'stereo.disparity_refinement': Rule('hardware', 'numpy numba cv2'),
    'stereo.matching_costs': Rule('errors hardware', 'numpy numba cv2'),
    'stereo.semi_global_aggregation': Rule('errors hardware', 'numpy numba'),
    'stereo.triton_kernels': Rule('', 'torch triton'),
    'inference': Rule(
        'errors hardware models.segmentation_model models.inference_form', 'torch'),
    'inference.calibration': Rule('errors', 'numpy cv2'),
    'inference.onnxruntime_backend': Rule('errors hardware', 'numpy torch onnxruntime'),
    'inference.openvino_backend': Rule('errors hardware', 'numpy torch openvino nncf'),
    'inference.torch_engine': Rule(
        'errors hardware models.segmentation_model', 'numpy torch cv2'),
    'decoding': Rule('errors types hardware taxonomy', 'numpy torch numba'),
    'decoding.domain_alarm': Rule(),
    'decoding.triton_decoder': Rule('types hardware taxonomy', 'numpy torch triton'),
    'free_road': Rule('errors types', 'numpy numba'),
    'pipeline': Rule(
        'errors types stereo.matcher inference.engine decoding.decoder', 'numpy torch'),
    'segmenter': Rule(
        'errors types config taxonomy models data stereo.matcher inference.torch_engine build '
        'result stereo_camera weights',
        'numpy torch'),
    'result': Rule('errors types taxonomy pictures data.images', 'numpy cv2'),
    'stereo_camera': Rule('errors types data stereo.rectification', 'numpy'),
    'build_stereo': Rule(
        'errors config hardware models.segmentation_model models.weights stereo weights', 'torch'),
    'build': Rule(
        'errors types config hardware taxonomy models inference decoding free_road pipeline '
        'build_stereo weights',
        'numpy torch'),
    'data': Rule('errors types taxonomy', 'numpy cv2'),
    'data.augmentation': Rule('models.segmentation_model', 'numpy cv2'),
    'data.bag_messages': Rule('errors', 'apsw rosbags'),
    'data.bag_reader': Rule('errors stereo.rectification', 'numpy'),
    'data.bag_writers': Rule('errors types', 'numpy torch rosbags yaml'),
    'data.calibration_files': Rule('errors types', 'numpy yaml'),
    'data.dataset_files': Rule('errors', 'numpy cv2 PIL'),
    'data.images': Rule('errors types taxonomy', 'numpy torch cv2 PIL'),
    'data.messages': Rule('errors types stereo.rectification', 'numpy torch cv2 cv_bridge'),
    'data.sources': Rule('errors types', 'numpy av'),
    'synthetic_drive': Rule('errors types taxonomy data.images', 'numpy cv2 trimesh embreex'),
    'metrics': Rule('errors types taxonomy', 'numpy cv2 torch'),
    'training': Rule(
        'errors types config taxonomy models data metrics stereo.matcher stereo.matching_costs',
        'numpy torch cv2 yaml'),
    'training.correspondence_trainer': Rule('errors models.weights data stereo', 'torch'),
    'training.curves': Rule('', 'numpy matplotlib'),
    'evaluation': Rule('errors types taxonomy pictures pipeline data metrics', 'numpy cv2'),
    'evaluation.figures': Rule('metrics', 'numpy matplotlib'),
    'evaluation.pages': Rule('errors', 'numpy cv2 jinja2'),
    'evaluation.ray_fleet': Rule('errors', 'ray'),
    'doctor': Rule('errors config data.messages', 'numpy'),
    'ros': Rule('errors config', 'yaml'),
    'ros.nodes': Rule(
        'errors types config hardware taxonomy pictures stereo.rectification free_road pipeline '
        'decoding.domain_alarm build data metrics.pair_scorer evaluation doctor',
        'numpy rclpy message_filters tf2_ros builtin_interfaces rcl_interfaces *_msgs *_srvs'),
    'cli': Rule(
        'errors types config hardware taxonomy pictures models stereo inference build '
        'build_stereo weights data synthetic_drive metrics training evaluation doctor segmenter '
        'result stereo_camera',
        'numpy torch cv2 yaml rich safetensors'),
    'cli.view': Rule(
        'errors types config taxonomy pictures evaluation.report_folder', 'numpy cv2 rich av'),
}
"""Package, or a module with a rule of its own, to what it may import: dotted names are modules
inside the package, stars match any ending. The longest name that fits a file rules it.
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
    own_package = module.split('.')[0]
    return any(is_within(inner, name) for name in (own_package, *rule.inside.split()))


def is_within(name: str, ancestor: str) -> bool:
    """Whether a dotted name is another one, or below it."""
    return name == ancestor or name.startswith(f'{ancestor}.')


def ruled_imports(root: Path) -> Iterator[tuple[Path, str, str, list[tuple[int, str]]]]:
    """File, module, name of its rule ('' if there is none) and imports, for every file."""
    for path in sorted((root / PACKAGE).rglob('*.py')):
        parts = path.relative_to(root).with_suffix('').parts
        module = '.'.join(parts[1:]).removesuffix('__init__').rstrip('.') or '__init__'
        rule = max((name for name in RULES if is_within(module, name)), key=len, default='')
        tree = ast.parse(path.read_text())
        yield path, module, rule, list(imported_modules(tree, '.'.join(parts[:-1])))


def violations(root: Path) -> list[str]:
    """All forbidden imports of the package under a directory, as 'file:line imports name'."""
    found = []
    for path, module, name, imports in ruled_imports(root):
        file = path.relative_to(root)
        if not name and module != '__init__':
            found.append(f'{file}:1 is in a package without a rule')
            continue
        rule = RULES.get(name, Rule())
        found += [f'{file}:{line} imports {imported}' for line, imported in imports
                  if not may_import(module, imported, rule)]
    return found


def unused_rules(root: Path) -> list[str]:
    """Names that a rule allows and no file under it imports, as 'rule allows name'."""
    used: dict[str, set[str]] = {name: set() for name in RULES}
    for _, _, name, imports in ruled_imports(root):
        used.setdefault(name, set()).update(imported for _, imported in imports)
    found = []
    for name, rule in RULES.items():
        tops = {imported.partition('.')[0] for imported in used[name]}
        inner = {imported.removeprefix(f'{PACKAGE}.') for imported in used[name]
                 if imported.startswith(f'{PACKAGE}.')}
        found += [f'{name} allows {allowed}' for allowed in rule.inside.split()
                  if not any(is_within(imported, allowed) for imported in inner)]
        found += [f'{name} allows {pattern}' for pattern in rule.outside.split()
                  if not any(fnmatchcase(top, pattern) for top in tops)]
    return found


def test_every_import_of_the_package_follows_the_table() -> None:
    assert violations(ROOT) == []


def test_every_rule_is_used() -> None:
    assert unused_rules(ROOT) == []


def test_an_unused_rule_is_found(tmp_path: Path) -> None:
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / 'config.py').write_text('import ldn_perception.errors')
    unused = unused_rules(tmp_path)
    assert 'config allows yaml' in unused
    assert 'config allows errors' not in unused


def test_only_nodes_may_import_ros() -> None:
    ros = {'rclpy', 'message_filters', 'tf2_ros', '*_msgs', '*_srvs'}
    assert [name for name, rule in RULES.items() if ros & set(rule.outside.split())] == [
        'ros.nodes']


def test_no_rule_is_left_over_from_a_package_that_is_gone() -> None:
    places = (ROOT / PACKAGE / name.replace('.', '/') for name in RULES)
    assert [str(place) for place in places if not place.is_dir() and not place.with_suffix(
        '.py').is_file()] == []


@pytest.mark.parametrize(('file', 'source', 'forbidden'), [
    ('models/net.py', 'import rclpy', 'rclpy'),
    ('models/net.py', 'import torch, cv2', 'cv2'),
    ('models/net.py', 'def load():\n    from std_msgs.msg import Header', 'std_msgs.msg.Header'),
    ('models/net.py', 'import importlib\nimportlib.import_module("rclpy")', 'rclpy'),
    ('models/net.py', 'from ldn_perception import taxonomy', 'ldn_perception.taxonomy'),
    ('models/net.py', 'from ..taxonomy import TAXONOMIES', 'ldn_perception.taxonomy.TAXONOMIES'),
    ('models/net.py', 'from .. import ros', 'ldn_perception.ros'),
    ('types.py', 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rich', 'rich'),
    ('pipeline.py', 'from ldn_perception.stereo.sgbm import Sgbm',
     'ldn_perception.stereo.sgbm.Sgbm'),
    ('data/kitti.py', 'import embreex', 'embreex'),
    ('inference/engine.py', 'import numba', 'numba'),
    ('cli/main.py', 'from ldn_perception.ros.nodes import outputs',
     'ldn_perception.ros.nodes.outputs'),
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
    ('ros/nodes/node.py', 'import rclpy\nfrom sensor_msgs.msg import Image\nfrom . import slot'),
    ('pipeline.py', 'from ldn_perception.stereo.matcher import Matcher'),
    ('synthetic_drive/scene.py', 'import embreex\nfrom . import camera'),
    ('models/net.py', 'from .ladder import Ladder\nimport torch.nn.functional as F'),
])
def test_allowed_import_is_let_through(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert violations(tmp_path) == []


def test_file_in_an_unknown_package_is_found(tmp_path: Path) -> None:
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / 'utils.py').write_text('')
    assert violations(tmp_path) == [f'{PACKAGE}/utils.py:1 is in a package without a rule']
