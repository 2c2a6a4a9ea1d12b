# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import copy
import math

import pytest
import torch
from training.tiny import (
    CPU,
    NETWORK_CLASSES,
    Striped,
    TinyNet,
    taxonomy,
    tiny_recipe,
    tiny_trainer,
)

from ldn_perception.errors import TrainingError
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.trainer import build_optimizer, find_backbone
from ldn_perception.training.training_files import read_logs
from ldn_perception.training.validation import ForwardPass, Validation, ValidationDomain
from ldn_perception.training.workers import Workers


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def _losses(folder):
    return [record[:6] for record in read_logs(folder)[0]]


def _stop_after(count):
    """A wish that comes true in the given step of this run."""
    asked = []

    def should_stop():
        asked.append(None)
        return len(asked) == count
    return should_stop


@pytest.mark.parametrize('stops', [(1,), (3, 4), (2, 1, 1, 5)])
def test_training_that_is_stopped_goes_on_as_if_it_had_not_been(tmp_path, stops):
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    for path in (whole, parts):
        path.mkdir()
    network = {'norm': True, 'dropout': 0.3}
    expected = tiny_trainer(whole, **network)
    assert expected.train()
    for number, steps in enumerate(stops):
        trainer = tiny_trainer(parts, **network)
        assert trainer.step == sum(stops[:number])
        assert not trainer.train(_stop_after(steps))
        assert trainer.step == sum(stops[:number + 1])
    resumed = tiny_trainer(parts, **network)
    assert resumed.train()
    assert _losses(parts) == _losses(whole)
    assert [record[0] for record in _losses(whole)] == list(range(12))
    finished = [trainer.finish().state_dict() for trainer in (expected, resumed)]
    for name, value in finished[0].items():
        assert torch.equal(finished[1][name], value), name


def test_training_killed_between_snapshots_does_the_lost_steps_again(folder):
    def kill(record):
        if record.step == 7:
            raise KilledError

    with pytest.raises(KilledError):
        tiny_trainer(folder).train(report=kill)
    assert len(_losses(folder)) == 8
    trainer = tiny_trainer(folder)
    assert trainer.step == 6
    trainer.train()
    (folder / 'other').mkdir()
    tiny_trainer(folder / 'other').train()
    assert _losses(folder) == _losses(folder / 'other')


def test_finished_training_has_no_steps_left(folder):
    tiny_trainer(folder).train()
    trainer = tiny_trainer(folder)
    assert trainer.step == trainer.num_steps == 12
    steps = []
    assert trainer.train(report=steps.append)
    assert steps == []
    assert len(_losses(folder)) == 12


def test_stripes_are_learned(folder):
    recipe = tiny_recipe(epochs=20, learning_rate=0.05)
    tiny_trainer(folder, recipe).train()
    steps, _ = read_logs(folder)
    last = sum(step.main_loss for step in steps[-6:]) / 6
    assert last < 0.3 * steps[0].main_loss


def test_steps_are_reported_and_follow_the_schedule(folder):
    reported = []
    recipe = tiny_recipe(epochs=3, batch_size=5, learning_rate=0.1, smallest_learning_rate=0.01)
    trainer = tiny_trainer(folder, recipe)
    trainer.train(report=reported.append)
    assert trainer.num_steps == len(reported) == 7  # 36 images
    assert reported == read_logs(folder)[0]
    for record in reported:
        epoch = 5 * record.step // 12
        assert record.epoch == epoch
        assert record.learning_rate == pytest.approx(
            0.01 + 0.045 * (1 + math.cos(math.pi * epoch / 3)))
        assert record.loss == pytest.approx(
            0.6 * record.main_loss + 0.4 * record.auxiliary_loss, rel=1e-5)
        assert record.seconds > 0


def test_first_step_is_that_of_torchs_adam(folder):
    trainer = tiny_trainer(folder, tiny_recipe(learning_rate=0.01))
    model = copy.deepcopy(trainer.model)
    trainer.train(_stop_after(1))
    [batch] = trainer.batches.load(0, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    output = ForwardPass(CPU, 'float32', uses_disparity=False).run(
        model, batch.image, batch.pixels_per_metre)
    trainer._loss(output, batch.targets).total.backward()
    optimizer.step()
    for own, other in zip(trainer.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_backbone_with_imagenet_weights_learns_slower():
    model = TinyNet()
    for weights, divisor in (('', 1.0), ('densenet121', 4.0)):
        optimizer = build_optimizer(model, tiny_recipe(imagenet_weights=weights))
        rest, backbone = optimizer.param_groups
        assert (rest['divisor'], backbone['divisor']) == (1.0, divisor)
        assert {id(p) for p in backbone['params']} == {
            id(p) for p in model.backbone.parameters()}
        assert len(rest['params']) + len(backbone['params']) == len(list(model.parameters()))


def test_rate_of_the_backbone_is_divided_in_every_step(folder):
    recipe = tiny_recipe(imagenet_weights='densenet121', backbone_divisor=5.0)
    trainer = tiny_trainer(folder, recipe)
    rates = []
    trainer.train(report=lambda record: rates.append(
        (record.learning_rate, *(group['lr'] for group in trainer._optimizer.param_groups))))
    for reported, rest, backbone in rates:
        assert rest == reported
        assert backbone == pytest.approx(reported / 5)


def test_network_without_a_backbone_learns_as_one():
    model = torch.nn.Conv2d(3, 4, 1)
    assert find_backbone(model) is None
    [group] = build_optimizer(model, tiny_recipe()).param_groups
    assert group['divisor'] == 1


def test_innermost_backbone_is_found():
    inner = TinyNet()
    outer = torch.nn.Module()
    outer.extractor = inner
    assert find_backbone(outer) is inner.backbone


def test_finished_weights_are_the_moving_average(folder):
    trainer = tiny_trainer(folder, tiny_recipe(average_decay=0.7))
    averages = {}

    def follow(record):
        for name, value in trainer.model.named_parameters():
            now = value.detach().double()
            averages[name] = 0.7 * averages.get(name, now) + 0.3 * now

    trainer.train(report=follow)
    model = trainer.finish()
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.double(), averages[name], rtol=1e-5, atol=1e-7)


def test_finished_weights_are_the_last_ones_without_an_average(folder):
    trainer = tiny_trainer(folder, tiny_recipe(average_decay=0.0))
    trainer.train()
    last = {name: value.clone() for name, value in trainer.model.named_parameters()}
    for name, value in trainer.finish().named_parameters():
        assert torch.equal(value, last[name])


def test_finished_network_has_exact_statistics_and_no_training_heads(folder):
    trainer = tiny_trainer(folder, norm=True)
    trainer.train()
    told = []
    model = trainer.finish(lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not model.training
    assert model.auxiliary_heads is None
    assert not any(name.startswith('auxiliary') for name in model.state_dict())
    TinyNet(norm=True, auxiliary=False).load_state_dict(model.state_dict())
    means = []
    with torch.no_grad():
        for batch in trainer.batches.load(12, 15):
            seen = (batch.image.permute(0, 3, 1, 2) / 255 - torch.tensor(
                [0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
                    [0.229, 0.224, 0.225])[:, None, None]
            means.append(model.backbone[0](seen).mean((0, 2, 3)))
    torch.testing.assert_close(
        model.backbone[1].running_mean, torch.stack(means).mean(0), rtol=1e-4, atol=1e-5)


def test_statistics_are_averaged_over_an_epoch_at_most(folder):
    trainer = tiny_trainer(folder, tiny_recipe(norm_batches=50), norm=True)
    told = []
    trainer.finish(lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)


@pytest.mark.parametrize('auxiliary', [True, False])
def test_network_without_auxiliary_heads_trains_by_the_main_loss_alone(folder, auxiliary):
    trainer = tiny_trainer(folder, auxiliary=auxiliary)
    trainer.train()
    for step in read_logs(folder)[0]:
        assert (step.auxiliary_loss > 0) is auxiliary
        assert (step.loss == step.main_loss) is not auxiliary


def test_loss_that_is_no_number_ends_the_training_and_keeps_the_snapshot(folder):
    trainer = tiny_trainer(folder)
    trainer.train(_stop_after(2))
    before = (folder / 'snapshot.pt').read_bytes()
    trainer = tiny_trainer(folder)
    trainer.model.head.weight.data.fill_(math.nan)
    with pytest.raises(TrainingError, match=(
            'loss of step 2 must be finite, got nan: begin anew with a lower learning_rate')):
        trainer.train()
    assert (folder / 'snapshot.pt').read_bytes() == before
    assert len(_losses(folder)) == 2


def _validation():
    classes = taxonomy('seen', 'abc')
    mapping = LabelMapping(classes, NETWORK_CLASSES, {letter: (letter,) for letter in 'abc'})
    return Validation([ValidationDomain('seen', Striped(classes, 3, 8), mapping)], Workers())


@pytest.mark.parametrize(('epochs', 'every', 'batch_size', 'expected'), [
    (4, 2, 4, [(5, 2), (11, 4)]),
    (4, 3, 4, [(8, 3), (11, 4)]),
    (4, 9, 4, [(11, 4)]),
    (3, 1, 5, [(2, 1), (4, 2), (6, 2)]),
])
def test_validation_scores_the_averaged_network_after_epochs_and_at_the_end(
    folder, epochs, every, batch_size, expected
):
    recipe = tiny_recipe(epochs=epochs, validation_epochs=every, batch_size=batch_size)
    trainer = tiny_trainer(folder, recipe, validation=_validation(), norm=True)
    trainer.train()
    _, scores = read_logs(folder)
    assert [(score.step, score.epoch) for score in scores] == expected
    assert trainer.model.training
    again = _validation().score(
        trainer._average.module, ForwardPass(CPU, 'float32', uses_disparity=False), 0, 0)
    assert again[0].mean_iou == scores[-1].mean_iou
    (folder / 'without').mkdir()
    tiny_trainer(folder / 'without', recipe, norm=True).train()
    assert _losses(folder) == _losses(folder / 'without')


def test_validations_that_are_done_again_are_dropped(folder):
    def kill(record):
        if record.step == 11:
            raise KilledError

    recipe = tiny_recipe(validation_epochs=1, snapshot_steps=7)
    with pytest.raises(KilledError):
        tiny_trainer(folder, recipe, validation=_validation()).train(report=kill)
    assert [score.step for score in read_logs(folder)[1]] == [2, 5, 8]
    tiny_trainer(folder, recipe, validation=_validation()).train()
    assert [score.step for score in read_logs(folder)[1]] == [2, 5, 8, 11]


def test_tensorboard_gets_the_steps_and_scores_too(folder):
    accumulators = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator')
    recipe = tiny_recipe(tensorboard=True)
    tiny_trainer(folder, recipe, validation=_validation()).train()
    events = accumulators.EventAccumulator(str(folder / 'tensorboard')).Reload()
    assert [event.value for event in events.Scalars('training/loss')] == pytest.approx(
        [step.loss for step in read_logs(folder)[0]], rel=1e-6)
    assert len(events.Scalars('validation/seen/mean_iou')) == 1


def test_precision_is_that_of_the_recipe(folder):
    for precision in ('float32', 'bfloat16'):
        (folder / precision).mkdir()
        trainer = tiny_trainer(folder / precision, tiny_recipe(precision=precision))
        kinds = []
        trainer.model.head.register_forward_hook(
            lambda module, inputs, output, kinds=kinds: kinds.append(output.dtype))
        trainer.train(_stop_after(1))
        assert kinds == [getattr(torch, precision)]
        assert all(value.dtype == torch.float32 for value in trainer.model.parameters())
