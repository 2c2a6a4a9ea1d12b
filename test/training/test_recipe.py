# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from ldn_perception.config import Option, section_options
from ldn_perception.data.registry import DATASETS
from ldn_perception.errors import ConfigError
from ldn_perception.models.checkpointing import CHECKPOINT_PLANS
from ldn_perception.models.registry import MODELS
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.training.recipe import (
    FREE_OPTIONS,
    DomainRecipe,
    TrainingRecipe,
    ValidationRecipe,
)

RECIPES = sorted(
    path for path in (Path(__file__).parents[2] / 'config' / 'training').glob('*.yaml')
    if path.stem != 'correspondence')  # of another verb, see test_correspondence.py
DOMAIN = {'dataset': 'camvid', 'root': 'camvid'}


def _recipe(**values):
    return TrainingRecipe.from_values({'domains': [DOMAIN], **values})


def test_what_is_not_said_is_as_in_the_thesis():
    recipe = _recipe()
    assert (recipe.epochs, recipe.batch_size) == (300, 16)
    assert (recipe.learning_rate, recipe.smallest_learning_rate) == (4e-4, 1e-7)
    assert recipe.backbone_divisor == 4
    assert recipe.auxiliary_weight == 0.4
    assert (recipe.smallest_scale, recipe.largest_scale) == (0.5, 2.0)
    assert recipe.class_balancing == 0
    assert not recipe.validation
    assert not recipe.tensorboard


def test_values_make_the_same_recipe_again_also_through_json_and_yaml():
    recipe = _recipe(
        model='ldn_small', epochs=7, learning_rate=1e-3, average_decay=0.9,
        domains=[DOMAIN, {**DOMAIN, 'repeat': 2, 'is_cutout_source': True}],
        validation=[{**DOMAIN, 'split': 'test'}])
    assert recipe.domains[1] == DomainRecipe(
        'camvid', 'camvid', repeat=2.0, is_cutout_source=True)
    assert recipe.validation == (ValidationRecipe('camvid', 'camvid', 'test'),)
    values = recipe.to_values()
    assert TrainingRecipe.from_values(values) == recipe
    assert TrainingRecipe.from_values(json.loads(json.dumps(values))) == recipe
    assert TrainingRecipe.from_values(yaml.safe_load(yaml.safe_dump(values))) == recipe


def test_file_is_read_and_overrides_win(tmp_path):
    path = tmp_path / 'recipe.yaml'
    path.write_text('domains:\n- {dataset: camvid, root: a}\nepochs: 3\nbatch_size: 2\n')
    recipe = TrainingRecipe.from_yaml(path, {'epochs': 5})
    assert (recipe.epochs, recipe.batch_size, recipe.domains[0].root) == (5, 2, 'a')


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_package_can_be_built(path):
    recipe = TrainingRecipe.from_yaml(path)
    assert recipe.model in MODELS
    assert recipe.taxonomy in TAXONOMIES
    assert recipe.checkpointing in CHECKPOINT_PLANS
    assert {entry.dataset for entry in (*recipe.domains, *recipe.validation)} <= set(DATASETS)


def test_the_package_has_recipes():
    assert RECIPES


def test_differences_are_named_but_for_free_options():
    one = _recipe(epochs=3, snapshot_steps=5)
    other = _recipe(epochs=4, snapshot_steps=6, grey_share=0.5, domains=[DOMAIN, DOMAIN])
    assert one.differences(one) == []
    assert one.differences(other) == ['domains', 'epochs', 'grey_share']
    assert set(FREE_OPTIONS) <= {entry.name for entry in dataclasses.fields(TrainingRecipe)}


@pytest.mark.parametrize('section', [TrainingRecipe, DomainRecipe, ValidationRecipe])
def test_every_option_says_what_it_is(section):
    for option in section_options(section):
        assert isinstance(option, Option)
        assert option.doc.endswith('.')
        assert option.check(option.default) == option.default


@pytest.mark.parametrize('section', [TrainingRecipe, DomainRecipe, ValidationRecipe])
def test_page_has_a_row_for_every_option(section):
    rows = (Path(__file__).parents[2] / 'docs' / 'training.md').read_text().splitlines()
    for option in section_options(section):
        default = option.default
        if isinstance(default, bool):
            default = str(default).lower()
        elif isinstance(default, float):
            default = f'{default:g}'
        cells = f'| `{option.name}` | {default} |'
        assert any(row.startswith(cells) and row.endswith(f'| {option.doc} |') for row in rows)


@pytest.mark.parametrize(('values', 'message'), [
    ({'domains': []}, 'domains of a training must be one or more, got none: name the datasets'),
    ({'domains': 'camvid'}, "domains of a training must be a list of datasets, got 'camvid': "
     "write '- {dataset: camvid"),
    ({'domains': ['camvid']}, r"must be a list of datasets, got \['camvid'\]"),
    ({'domains': 7}, 'must be a list of datasets, got 7'),
    ({'validation': 'camvid'}, "validation of a training must be a list of datasets, got 'camv"),
    ({'domains': [{'data': 'camvid'}]}, 'option of a DomainRecipe must be one of dataset, root, '
     "split, .*, got 'data': correct the name"),
    ({'validation': [{'repeat': 2}]}, 'option of a ValidationRecipe must be one of dataset, root, '
     "split, got 'repeat'"),
    ({'epoch': 3}, "option of a TrainingRecipe must be one of model, .*, got 'epoch': correct"),
    ({'epochs': 0}, r'epochs must be in \[1, 100000\], got 0: choose a value'),
    ({'epochs': '3'}, "epochs must be a int, got '3': correct its type"),
    ({'precision': 'float16'}, "precision must be one of float32, bfloat16, got 'float16'"),
    ({'model': 'unet'}, "model must be one of ldn121, .*, got 'unet'"),
    ({'smallest_scale': 2.5}, r'largest_scale must be at least smallest_scale \(2.5\), got 2.0: '
     'exchange the two'),
    ({'domains': [{**DOMAIN, 'paste_share': 0.5}]}, 'paste_share must be 0 where no domain is a '
     'cutout source, got a share to paste into: set is_cutout_source for a foreign domain'),
    ({'domains': [{**DOMAIN, 'scenery_share': 0.5}]}, 'scenery_share must be 0 where no domain is '
     'a scenery source, got a share to change: set is_scenery_source for a domain of photographs'),
])
def test_wrong_values_say_what_to_do(values, message):
    with pytest.raises(ConfigError, match=message):
        _recipe(**values)


@pytest.mark.parametrize(('text', 'message'), [
    (None, 'recipe .*recipe.yaml must be a readable YAML file, got .*No such file.*: start from'),
    ('a: [', r'must be a readable YAML file, got (?s:.)*: start from config/training'),
    ('- 1', 'recipe .* must be a mapping of options, got list: start from config/training'),
    ('', 'must be a mapping of options, got NoneType'),
    ('epochs: 3', 'domains of a training must be one or more'),
])
def test_wrong_files_say_what_to_do(tmp_path, text, message):
    path = tmp_path / 'recipe.yaml'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        TrainingRecipe.from_yaml(path)


def test_a_recipe_of_another_task_is_refused():
    values = {'task': 'correspondence', 'domains': [{'dataset': 'camvid', 'root': 'camvid'}]}
    with pytest.raises(ConfigError, match="task of the recipe must be segmentation, got 'corr"):
        TrainingRecipe.from_values(values)
    values['task'] = 'segmentation'
    assert TrainingRecipe.from_values(values).model == 'ldn121_64_4'
