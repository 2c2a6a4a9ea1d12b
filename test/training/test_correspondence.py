# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What trains the correspondence metric: views of pairs, the loss, the steps, a resume."""

import json
from pathlib import Path

import numpy as np
import pytest
from stereo_frames import geometry, texture
import torch
import torch.nn.functional as F

from ldn_perception.data.stereo_pairs import StereoPair
from ldn_perception.errors import ConfigError, TrainingError
from ldn_perception.stereo.embeddings import PatchEmbedding, census_signs, standardise
from ldn_perception.training.correspondence_pairs import DrawnDomain, PairBatches, PairViews
from ldn_perception.training.correspondence_trainer import (
    CorrespondenceLoss,
    CorrespondenceTrainer,
    open_domains,
)
from ldn_perception.training.recipe import CorrespondenceRecipe, PairDomain
from ldn_perception.types import StereoFrame

CPU = torch.device('cpu')
ROOT = Path(__file__).parents[2]


def recipe(**options):
    values = {
        'num_maps': 8, 'num_layers': 3, 'crop_height_px': 6, 'crop_width_px': 40, 'steps': 6,
        'batch_pairs': 2, 'crops_per_pair': 2, 'precision': 'float32', 'snapshot_steps': 2,
        'smallest_scale': 1.0, 'largest_scale': 1.0, **options}
    return CorrespondenceRecipe((PairDomain('walls', 'walls'),), **values)


class Walls:
    """Walls of random texture, each at another disparity; the upper rows are unknown."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        shift_px = 3 + 2 * index
        wide = texture(140, 40, index)
        disparity = np.full((40, 100), shift_px, np.float32)
        disparity[:10] = np.nan
        frame = StereoFrame(
            index, '', wide[:, 20:120].copy(), wide[:, 20 + shift_px:120 + shift_px].copy(),
            geometry(100, 40))
        return StereoPair(str(index), frame, disparity, np.isfinite(disparity))


def batches(known_recipe, seed=None):
    return PairBatches(
        [DrawnDomain(Walls(), 1.0)], PairViews(known_recipe), known_recipe.batch_pairs,
        known_recipe.seed if seed is None else seed)


def trainer(folder, held_out=False, **options):
    known = recipe(**options)
    folder.mkdir(exist_ok=True)
    torch.manual_seed(known.seed)
    network = PatchEmbedding(known.num_maps, known.num_layers)
    return CorrespondenceTrainer(
        network, batches(known), known, folder, CPU, batches(known, 7) if held_out else None)


def records(folder, name='steps'):
    return [json.loads(line) for line in (folder / f'{name}.jsonl').read_text().splitlines()]


class TestViews:
    def test_plain_crops_show_the_same_place_at_the_columns_they_name(self):
        for index in range(5):
            pair = Walls()[index]
            views = PairViews(recipe(), is_plain=True).views(pair, np.random.default_rng(index))
            assert len(views) == 2
            for left, right, column in views:
                assert left.shape == right.shape == (12, 46)
                assert column.shape == (6, 40)
                assert left.dtype == right.dtype == column.dtype == np.float32
                places = np.argwhere(np.isfinite(column))
                assert len(places)
                # both are standardised by themselves, so their contrasts differ a little
                pairs = np.array([
                    (left[y + 3, x + 3], right[y + 3, int(column[y, x]) + 3])
                    for y, x in places])
                assert np.abs(pairs[:, 0] - pairs[:, 1]).max() < 0.2

    def test_columns_are_inside_of_the_crop_or_unknown(self):
        for seed in range(20):
            for view in PairViews(recipe()).views(Walls()[4], np.random.default_rng(seed)):
                known = view.column[np.isfinite(view.column)]
                assert ((known >= 0) & (known <= 39)).all()

    def test_light_changes_and_columns_do_not(self):
        known = recipe(contrast=0.5, noise=0.5, vertical_shift_px=1.0)
        plain, lit = (PairViews(known, is_plain=is_plain) for is_plain in (True, False))
        shown = [views.views(Walls()[1], np.random.default_rng(3)) for views in (plain, lit)]
        assert not np.allclose(shown[0][0].left, shown[1][0].left, atol=0.1)
        shifts = [view.column - np.arange(40) for views in shown for view in views]
        assert all(np.nanstd(shift) == 0 for shift in shifts if np.isfinite(shift).any())

    def test_scale_multiplies_disparities(self):
        known = recipe(smallest_scale=2.0, largest_scale=2.0, vertical_shift_px=0.0,
                       vertical_slope=0.0, blur_px=0.0, noise=0.0, contrast=0.0, brightness=0.0)
        for seed in range(5):
            for left, right, column in PairViews(known).views(
                    Walls()[0], np.random.default_rng(seed)):
                y, x = np.nonzero(np.isfinite(column))
                if len(x) == 0:
                    continue
                there = right[y + 3, np.rint(column[y, x]).astype(int) + 3]
                assert np.median(np.abs(left[y + 3, x + 3] - there)) < 0.05

    def test_images_smaller_than_a_crop_are_enlarged(self):
        known = recipe(crop_width_px=150, crop_height_px=60)
        view = PairViews(known).views(Walls()[0], np.random.default_rng(0))[0]
        assert view.left.shape == (66, 156)

    def test_crops_are_standardised_like_whole_images(self):
        pair = Walls()[2]
        view = PairViews(recipe(crop_width_px=94, crop_height_px=34), is_plain=True).views(
            pair, np.random.default_rng(0))[0]
        whole = standardise(torch.from_numpy(pair.frame.left)).numpy()
        np.testing.assert_allclose(view.left, whole, atol=0.02)  # OpenCV rounds grey levels


def test_a_batch_depends_on_seed_and_step_only():
    one, other = (batches(recipe()).batch(4) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first.nan_to_num(-1), second.nan_to_num(-1))
    assert one.left.shape == (4, 1, 12, 46)
    assert not torch.equal(one.left, batches(recipe()).batch(5).left)
    assert not torch.equal(one.left, batches(recipe(), seed=9).batch(4).left)


def test_shares_decide_what_is_drawn():
    class Named(Walls):
        def __init__(self, drawn, name):
            self.drawn, self.name = drawn, name

        def __getitem__(self, index):
            self.drawn.append(self.name)
            return super().__getitem__(index)

    drawn = []
    mixed = PairBatches(
        [DrawnDomain(Named(drawn, 'rare'), 1.0), DrawnDomain(Named(drawn, 'often'), 9.0)],
        PairViews(recipe()), 10, 0)
    for step in range(10):
        mixed.batch(step)
    assert 2 <= drawn.count('rare') <= 22
    assert len(drawn) == 100


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


class TestLoss:
    column = (torch.arange(30.) - 4.25).where(torch.arange(30) >= 5, torch.nan).expand(2, 3, 30)

    def loss(self, left, right, column=None, **options):
        values = {'margin': 0.2, 'tolerance_px': 1.5, 'near_px': 6.0, 'far_negatives': 30,
                  'anchors': 30, **options}
        return CorrespondenceLoss(**values)(
            left, right, self.column if column is None else column,
            torch.Generator().manual_seed(3))

    def test_it_is_that_of_a_loop_where_all_false_matches_count(self):
        left, right = unit(2, 5, 3, 30), unit(2, 5, 3, 30, seed=1)
        found = self.loss(left, right, near_px=1.0)  # none is near, all are far
        losses, hits = [], []
        for n, y, x in np.ndindex(2, 3, 30):
            place = float(self.column[n, y, x])
            if not np.isfinite(place):
                continue
            likeness = left[n, :, y, x] @ right[n, :, y]
            before, share = int(place), place % 1
            true = (1 - share) * likeness[before] + share * likeness[before + 1]
            false = torch.arange(30.).sub(place).abs() > 1.5
            losses.append(max(0, 0.2 + float(likeness[false].max() - true)))
            hits.append(abs(int(likeness.argmax()) - place) <= 1.5)
        assert float(found.loss) == pytest.approx(np.mean(losses), rel=1e-5)
        assert float(found.accuracy) == pytest.approx(np.mean(hits))

    def test_true_matches_cost_nothing_and_wrong_ones_do(self):
        right = unit(2, 64, 3, 30)
        column = torch.arange(30.).expand(2, 3, 30)
        perfect = self.loss(right.clone(), right, column)
        assert float(perfect.loss) == 0
        assert float(perfect.accuracy) == 1
        wrong = self.loss(right.roll(5, -1), right, column)
        assert float(wrong.loss) > 0.9
        assert float(wrong.accuracy) < 0.1

    def test_pixels_without_match_do_not_count(self):
        left, right = unit(2, 5, 3, 30), unit(2, 5, 3, 30, seed=1)
        changed = left.clone()
        changed[..., :5] = -changed[..., :5]
        assert float(self.loss(left, right).loss) == float(self.loss(changed, right).loss)
        nothing = self.loss(left, right, torch.full((2, 3, 30), torch.nan))
        assert float(nothing.loss) == 0

    def test_pixels_around_an_edge_weigh_more(self):
        left, right = unit(2, 5, 3, 30), unit(2, 5, 3, 30, seed=1)
        column = torch.arange(30.).expand(2, 3, 30).clone()
        column[..., 15:] -= 5
        parts = []
        for columns in (slice(9, 21), slice(0, 9), slice(21, 30)):
            only = torch.full_like(column, torch.nan)
            only[..., columns] = column[..., columns]
            parts.append((only.isfinite().sum(), self.loss(left, right, only).loss))
        near, others = parts[0], parts[1:]
        weighted = 4 * near[0] * near[1] + sum(count * loss for count, loss in others)
        expected = weighted / (4 * near[0] + sum(count for count, _ in others))
        found = self.loss(left, right, column, edge_weight=3.0).loss
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
        assert float(found) != pytest.approx(float(self.loss(left, right, column).loss), rel=1e-5)

    def test_fewer_anchors_are_a_part_of_all(self):
        left, right = unit(2, 5, 3, 30), unit(2, 5, 3, 30, seed=1)
        assert float(self.loss(left, right, anchors=10).loss) == pytest.approx(
            float(self.loss(left, right).loss), rel=0.5)


class TestTrainer:
    def test_loss_goes_down(self, tmp_path):
        known = trainer(tmp_path, held_out=True, steps=60, learning_rate=0.01,
                        validation_steps=60, validation_batches=5)
        before = known.validate(batches(recipe(), 7))
        assert known.train()
        after, = records(tmp_path, 'validation')
        assert after['step'] == 59
        assert after['loss'] < 0.7 * before.loss
        assert after['accuracy'] > before.accuracy
        lines = records(tmp_path)
        assert [line['step'] for line in lines] == list(range(60))
        assert lines[0]['learning_rate'] == pytest.approx(0.01)
        assert lines[-1]['learning_rate'] < 0.0001

    @pytest.mark.parametrize('stopped_after', [1, 3])
    def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(self, tmp_path, stopped_after):
        whole = trainer(tmp_path / 'whole')
        assert whole.train()
        begun = trainer(tmp_path / 'parts')
        assert not begun.train(lambda: begun.step == stopped_after)
        resumed = trainer(tmp_path / 'parts')
        assert resumed.step == stopped_after
        assert resumed.train()
        losses = [[line['loss'] for line in records(tmp_path / name)]
                  for name in ('whole', 'parts')]
        assert losses[0] == losses[1]
        for name, value in whole.network.state_dict().items():
            assert torch.equal(value, resumed.network.state_dict()[name])

    def test_a_killed_training_does_the_steps_since_its_snapshot_again(self, tmp_path):
        class KilledError(Exception):
            pass

        def kill(record):
            if record.step == 4:
                raise KilledError

        with pytest.raises(KilledError):
            trainer(tmp_path / 'killed').train(report=kill)
        (tmp_path / 'killed' / 'snapshot.partial').write_bytes(b'half a snapshot')
        resumed = trainer(tmp_path / 'killed')
        assert resumed.step == 4
        assert resumed.train()
        trainer(tmp_path / 'whole').train()
        assert [(line['step'], line['loss']) for line in records(tmp_path / 'killed')] == [
            (line['step'], line['loss']) for line in records(tmp_path / 'whole')]

    def test_census_codes_count_as_they_do_in_matching(self, tmp_path):
        known = trainer(tmp_path, vector_cost=32, bit_cost=2)
        batch = batches(recipe()).batch(0)
        with torch.no_grad():
            left, right = (known._joint_vectors(image)[0].flatten(1).T
                           for image in (batch.left, batch.right))
            alone = [known.network(image)[0].flatten(1).T for image in (batch.left, batch.right)]
        signs = [census_signs(image)[0, :, 3:-3, 3:-3].flatten(1).T
                 for image in (batch.left, batch.right)]
        distance = (signs[0][:, None] != signs[1]).sum(-1)
        cost = 32 * (1 - alone[0] @ alone[1].T) + 2 * distance
        # likeness falls by one where the cost rises by vector_cost
        likeness = left @ right.T
        torch.testing.assert_close(
            32 * (likeness[0, 0] - likeness), cost - cost[0, 0], rtol=0, atol=1e-3)
        without = trainer(tmp_path / 'without')
        assert without._joint_vectors(batch.left).shape[1] == 8

    def test_another_recipe_in_the_same_folder_is_refused(self, tmp_path):
        trainer(tmp_path).train()
        with pytest.raises(TrainingError, match=r'recipe of the training .* got another margin: '
                                                'choose another output folder'):
            trainer(tmp_path, margin=0.3)
        assert trainer(tmp_path, snapshot_steps=50).step == 6

    def test_a_loss_that_is_not_finite_ends_it(self, tmp_path):
        known = trainer(tmp_path)
        known.network.layers[0].weight.data.fill_(torch.nan)
        with pytest.raises(TrainingError, match='loss of step 0 must be finite, got nan: begin '
                                                'anew with a lower learning_rate'):
            known.train()


class TestRecipe:
    def test_the_shipped_recipe_survives_a_round_trip(self):
        known = CorrespondenceRecipe.from_yaml(
            ROOT / 'config' / 'training' / 'correspondence.yaml')
        assert CorrespondenceRecipe.from_values(known.to_values()) == known
        assert (known.num_maps, known.num_layers) == (16, 5)
        assert {domain.dataset for domain in known.domains} == {
            'agreed_pairs', 'synthetic_pairs', 'warped_photographs'}

    @pytest.mark.parametrize(('changes', 'message'), [
        ({'domains': []}, 'domains of a training must be one or more, got none: name'),
        ({'domains': 3}, 'domains of a training must be a list of datasets, got 3: write'),
        ({'margins': 1}, "option of a CorrespondenceRecipe must be one of .*, got 'margins'"),
        ({'margin': 3.0}, r'margin must be in \[0, 2\], got 3.0: choose a value in the range'),
        ({'largest_scale': 0.2}, r'largest_scale must be at least smallest_scale \(0.6\), got 0.2'
                                 ': exchange the two'),
        ({'vector_cost': 100}, 'vector_cost and bit_cost must be shares of a matching cost, got '
                               'cost share vector must be a power of two .*: take 32 and 2'),
        ({'bit_cost': 3}, r'shares of a matching cost, got cost share bit must be in \[0, 2\]'),
    ])
    def test_mistakes_are_named(self, changes, message):
        values = {'domains': [{'dataset': 'middlebury', 'root': 'm'}], **changes}
        with pytest.raises(ConfigError, match=message):
            CorrespondenceRecipe.from_values(values)

    def test_unknown_dataset_is_named(self, tmp_path):
        with pytest.raises(ConfigError, match=r'stereo dataset must be one of kitti_stereo, .*'
                                              "agreed_pairs, warped_photographs, got 'walls': "
                                              'ask for one'):
            open_domains('domains', (PairDomain('walls', 'walls'),), tmp_path)
