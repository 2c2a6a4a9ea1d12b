# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from training.tiny import CPU, NETWORK_CLASSES, Striped, TinyNet, taxonomy

from ldn_perception.errors import TrainingError
from ldn_perception.models.segmentation_model import normalise
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.validation import (
    ForwardPass,
    Validation,
    ValidationDomain,
    normalise_batch,
)
from ldn_perception.training.workers import Workers

FLOAT = ForwardPass(CPU, 'float32', uses_disparity=False)


def _domain(name='striped', driving='ab', foreign='', **sets):
    classes = taxonomy(name, driving, foreign)
    sets = sets or {letter: (letter,) for letter in classes.class_names}
    return ValidationDomain(
        name, Striped(classes, 5, 2), LabelMapping(classes, NETWORK_CLASSES, sets))


def _network(seed=0):
    torch.manual_seed(seed)
    return TinyNet(norm=True)


def _slow_scores(model, domain, sets):
    """mIoU and accuracy of the most probable set, foreign where the best class is."""
    num_driving = domain.images.taxonomy.num_driving
    true_positives, union, right, labelled = {}, {}, 0, 0
    for index in range(len(domain.images)):
        sample = domain.images[index]
        with torch.no_grad():
            logits = model.eval()(normalise(torch.from_numpy(sample.image))).logits
            p = F.interpolate(logits, sample.labels.shape, mode='bilinear')[0].softmax(0).numpy()
        for row, column in np.ndindex(*sample.labels.shape):
            label = int(sample.labels[row, column])
            if label >= num_driving:
                continue
            pixel = p[:, row, column]
            scores = [sum(pixel['abcx'.index(c)] for c in names) for names in sets]
            known = set().union(*sets)
            scores += [pixel['abcx'.index(c)] for c in 'abc' if c not in known]
            guess = int(np.argmax(scores)) if pixel.argmax() < 3 else -1
            guess = guess if guess < num_driving else -1
            labelled += 1
            right += guess == label
            true_positives[label] = true_positives.get(label, 0) + (guess == label)
            for touched in {guess, label} - {-1}:
                union[touched] = union.get(touched, 0) + 1
    ious = [true_positives[label] / union[label] for label in true_positives]
    return np.mean(ious), right / labelled


@pytest.mark.parametrize(('driving', 'foreign', 'sets'), [
    ('ab', '', {'a': ('a',), 'b': ('b',)}),
    ('pq', '', {'p': ('a', 'c'), 'q': ('b',)}),
    ('ab', 'x', {'a': ('a',), 'b': ('b',), 'x': ('x',)}),
])
def test_scores_are_those_of_the_classes_of_the_dataset(driving, foreign, sets):
    domain, model = _domain('one', driving, foreign, **sets), _network()
    [record] = Validation([domain], Workers()).score(model, FLOAT, 7, 3)
    mean_iou, accuracy = _slow_scores(model, domain, [sets[letter] for letter in driving])
    assert record[:3] == (7, 3, 'one')
    assert record.mean_iou == pytest.approx(mean_iou, abs=1e-9)
    assert record.pixel_accuracy == pytest.approx(accuracy, abs=1e-9)
    assert not model.training


def test_every_dataset_has_a_record():
    records = Validation([_domain('one'), _domain('two')], Workers()).score(
        _network(), FLOAT, 0, 1)
    assert [record.dataset for record in records] == ['one', 'two']


def test_workers_parts_of_the_images_are_all_of_them():
    model, domain, seen = _network(), _domain(), []

    class Recorded(Striped):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    images = Recorded(domain.images.taxonomy, 5, 2)
    for number in range(2):
        Validation([domain._replace(images=images)], Workers(number, 2)).score(
            model, FLOAT, 0, 0)
    assert sorted(seen) == list(range(5))


def test_dataset_without_driving_classes_is_refused():
    with pytest.raises(TrainingError, match=(
            'validation dataset photos must be one with driving classes, got only the classes '
            'x: use ldn evaluate')):
        Validation([_domain('photos', '', 'x')], Workers())


def test_batch_is_normalised_as_its_images_are():
    image = torch.randint(0, 256, (3, 5, 7, 3), dtype=torch.uint8)
    batch = normalise_batch(image)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(batch, torch.cat([normalise(single) for single in image]))


def test_network_with_disparity_gets_metres_and_another_does_not():
    class Asks(TinyNet):
        def forward(self, image, pixels_per_metre=None):
            self.got = pixels_per_metre
            return super().forward(image)

    image, metres = torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.ones(1, 8, 8)
    for uses in (True, False):
        model = Asks()
        output = ForwardPass(CPU, 'bfloat16', uses).run(model, image, metres)
        assert (model.got is not None) is uses
        assert output.logits.dtype == torch.bfloat16
