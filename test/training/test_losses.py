# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from itertools import product
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ldn_perception.models.segmentation_model import SegmentationOutput
from ldn_perception.training.losses import (
    SegmentationLoss,
    _SetCrossEntropy,
    log_set_probabilities,
)

CLASSES = 5
SETS = torch.tensor([
    [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1],
]).bool()
UNKNOWN = len(SETS) - 1
SINGLE = torch.cat([torch.eye(CLASSES).bool(), torch.ones(1, CLASSES).bool()])


def _batch(table=SETS, size=(8, 12), seed=0, stride=2, coarse=()):
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, CLASSES, size[0] // stride, size[1] // stride, generator=random)
    auxiliary = tuple(
        torch.randn(2, CLASSES, size[0] // k, size[1] // k, generator=random) for k in coarse)
    targets = torch.randint(0, len(table), (2, *size), generator=random, dtype=torch.uint8)
    return SegmentationOutput(logits, auxiliary), targets


def _probability(scores, inside):
    """Of a set, from the definition."""
    exponentials = [math.exp(score) for score in scores]
    return sum(e for e, member in zip(exponentials, inside, strict=True) if member) / sum(
        exponentials)


def _slow_weights(targets, table, balanced):
    """min(10³, 1 / p(c))^a of each set, p among the known pixels."""
    known = [int(target) for target in targets.flatten() if target != len(table) - 1]
    return {
        number: min(1e3, len(known) / known.count(number)) ** balanced for number in set(known)}


def _slow_main(output, targets, table, balanced=0.0):
    """Pixel by pixel."""
    weights = _slow_weights(targets, table, balanced)
    scores = F.interpolate(output.logits, targets.shape[1:], mode='bilinear').tolist()
    total = weight = 0.0
    for n, row, column in np.ndindex(*targets.shape):
        target = int(targets[n, row, column])
        if target == len(table) - 1:
            continue
        pixel = [scores[n][c][row][column] for c in range(CLASSES)]
        total -= weights[target] * math.log(_probability(pixel, table[target].tolist()))
        weight += weights[target]
    return total / weight


def _slow_auxiliary(logits, targets, table, balanced=0.0):
    """Equations 4.2 and 4.3, window by window; unknown pixels of a window have no weight."""
    weights = _slow_weights(targets, table, balanced)
    k = targets.shape[1] // logits.shape[2]
    total = weight = 0.0
    for n, row, column in product(*map(range, (len(logits), *logits.shape[2:]))):
        scores = logits[n, :, row, column].tolist()
        window = targets[n, k * row:k * row + k, k * column:k * column + k].flatten().tolist()
        for target in set(window) - {len(table) - 1}:
            share = weights[target] * window.count(target) / k**2
            total -= share * math.log(_probability(scores, table[target].tolist()))
            weight += share
    return total / weight


@pytest.mark.parametrize('balanced', [0.0, 0.5, 1.0])
def test_main_loss_is_the_mean_over_the_labelled_pixels(balanced):
    output, targets = _batch()
    parts = SegmentationLoss(SETS, class_balancing=balanced)(output, targets)
    expected = _slow_main(output, targets, SETS, balanced)
    assert parts.main.item() == pytest.approx(expected, rel=1e-5)
    assert parts.total.item() == pytest.approx(expected, rel=1e-5)
    assert parts.auxiliary == 0


def test_sets_of_one_class_give_torchs_cross_entropy_and_its_gradient():
    output, targets = _batch(SINGLE)
    logits = output.logits.requires_grad_()
    SegmentationLoss(SINGLE)(output, targets).total.backward()
    ours, logits.grad = logits.grad.clone(), None
    scores = F.interpolate(logits, targets.shape[1:], mode='bilinear')
    expected = F.cross_entropy(scores, targets.long(), ignore_index=CLASSES)
    expected.backward()
    assert SegmentationLoss(SINGLE)(output, targets).main.item() == pytest.approx(
        expected.item(), rel=1e-5)
    torch.testing.assert_close(ours, logits.grad, rtol=1e-4, atol=1e-8)


def test_gradient_of_the_set_cross_entropy_is_the_numerical_one():
    scores = torch.randn(7, CLASSES, dtype=torch.float64, requires_grad=True)
    inside = SETS[torch.tensor([0, 1, 2, 3, 4, 2, 3])]
    assert torch.autograd.gradcheck(lambda x: _SetCrossEntropy.apply(x, inside), scores)


def test_set_cross_entropy_of_a_hopeless_pixel_still_pushes_the_wrong_class_down():
    scores = torch.tensor([[0.0, 500.0, 0.0, 0.0, 0.0]], requires_grad=True)
    loss = _SetCrossEntropy.apply(scores, SETS[:1])
    loss.sum().backward()
    assert loss.item() == pytest.approx(-math.log(1e-30), rel=1e-5)
    assert scores.grad[0, 1] == 1


@pytest.mark.parametrize('balanced', [0.0, 0.5, 1.0])
def test_unknown_pixels_have_no_gradient(balanced):
    output, targets = _batch(stride=1)
    targets[:, :4] = UNKNOWN
    logits = output.logits.requires_grad_()
    SegmentationLoss(SETS, class_balancing=balanced)(output, targets).total.backward()
    assert (logits.grad[:, :, :4] == 0).all()
    assert (logits.grad[:, :, 4:] != 0).any()


def test_batch_without_any_label_costs_and_teaches_nothing():
    output, targets = _batch(coarse=(4,))
    logits = output.logits.requires_grad_()
    parts = SegmentationLoss(SETS, class_balancing=1.0)(
        output, torch.full_like(targets, UNKNOWN))
    parts.total.backward()
    assert parts.total == parts.main == parts.auxiliary == 0
    assert (logits.grad == 0).all()


def test_dataset_that_cannot_tell_two_classes_does_not_punish_either():
    """Where the label is {2, 3}, neither loses to the other, and both gain on the rest."""
    logits = torch.zeros(1, CLASSES, 4, 4)
    logits[:, 2] = 1.5
    logits.requires_grad_()
    targets = torch.full((1, 4, 4), 2, dtype=torch.uint8)
    SegmentationLoss(SETS)(SegmentationOutput(logits, ()), targets).total.backward()
    gradient = logits.grad.sum((0, 2, 3))
    assert (gradient[[2, 3]] < 0).all()
    assert (gradient[[0, 1, 4]] > 0).all()
    within = torch.softmax(logits[0, [2, 3], 0, 0].detach(), 0)
    torch.testing.assert_close(gradient[[2, 3]] / gradient[[2, 3]].sum(), within)


@pytest.mark.parametrize('balanced', [0.0, 0.5, 1.0])
@pytest.mark.parametrize(('size', 'coarse'), [
    ((16, 24), (4,)), ((16, 24), (8, 4)), ((6, 10), (2,))])
def test_auxiliary_losses_are_those_of_the_windows(balanced, size, coarse):
    output, targets = _batch(size=size, coarse=coarse)
    parts = SegmentationLoss(SETS, 0.4, class_balancing=balanced)(output, targets)
    expected = np.mean([
        _slow_auxiliary(logits, targets, SETS, balanced) for logits in output.auxiliary])
    assert parts.auxiliary.item() == pytest.approx(expected, rel=1e-5)
    assert parts.total.item() == pytest.approx(
        0.6 * parts.main.item() + 0.4 * expected, rel=1e-5)


def test_auxiliary_loss_equals_soft_target_cross_entropy_of_torch_when_all_is_labelled():
    output, targets = _batch(SINGLE, (16, 16), coarse=(8,))
    targets = targets.clamp(max=CLASSES - 1)
    one_hot = F.one_hot(targets.long(), CLASSES).permute(0, 3, 1, 2).float()
    expected = F.cross_entropy(output.auxiliary[0], F.avg_pool2d(one_hot, 8))
    parts = SegmentationLoss(SINGLE)(output, targets)
    assert parts.auxiliary.item() == pytest.approx(expected.item(), rel=1e-5)


def test_weight_of_a_very_rare_class_is_a_thousand():
    logits = torch.zeros(1, CLASSES, 64, 64)
    logits[:, 0] = 3
    targets = torch.zeros(1, 64, 64, dtype=torch.uint8)
    targets[0, 5, 5] = 1
    targets[0, 32:] = UNKNOWN
    loss = SegmentationLoss(SETS, class_balancing=1.0)(SegmentationOutput(logits, ()), targets)
    share = 2047 / 2048
    costs = [-math.log(_probability([3, 0, 0, 0, 0], SETS[number])) for number in (0, 1)]
    expected = (2047 / share * costs[0] + 1e3 * costs[1]) / (2047 / share + 1e3)
    assert loss.main.item() == pytest.approx(expected, rel=1e-4)


def test_log_probabilities_of_sets_are_those_of_the_softmax():
    logits = 5 * torch.randn(2, CLASSES, 3, 4, dtype=torch.float64, requires_grad=True)
    found = log_set_probabilities(logits, SETS)
    expected = torch.stack([logits.softmax(1)[:, inside].sum(1).log() for inside in SETS], 1)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(
        lambda x: log_set_probabilities(x, SETS), logits.detach()[:1].requires_grad_())


def test_parts_of_a_batch_on_workers_have_the_mean_of_the_whole():
    output, targets = _batch(size=(16, 24), coarse=(8,))
    targets[0, :7] = UNKNOWN
    halves = [
        (SegmentationOutput(output.logits[i:i + 1], (output.auxiliary[0][i:i + 1],)),
         targets[i:i + 1]) for i in range(2)]

    def run(sums):
        losses, asked = [], []
        for number, half in enumerate(halves):
            answers = iter(sums[number] if sums else [])

            def add_up(value, answers=answers, asked=asked):
                asked.append(value)
                return next(answers, value)

            loss = SegmentationLoss(
                SETS, class_balancing=1.0, sum_over_workers=add_up, num_workers=2)
            losses.append(loss(*half))
        return losses, asked

    sums = [[], []]
    for position in range(3):  # sums that depend on earlier ones need those first
        _, asked = run(sums)
        first, second = asked[position], asked[position + len(asked) // 2]
        for known in sums:
            known.append(first + second)
    losses, _ = run(sums)
    whole = SegmentationLoss(SETS, class_balancing=1.0)(output, targets)
    for part in ('total', 'main', 'auxiliary'):
        mean = sum(getattr(loss, part).item() for loss in losses) / 2
        assert mean == pytest.approx(getattr(whole, part).item(), rel=1e-5)
