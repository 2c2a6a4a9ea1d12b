# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import TaxonomyError
from ldn_perception.taxonomy import CITYSCAPES, ROB2018, ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.driving import LABEL_ID_TO_CLASS

ROAD = ClassInfo('road', (1, 2, 3), Domain.DRIVING, 'flat')
SOFA = ClassInfo('sofa', (4, 5, 6), Domain.FOREIGN, 'indoor')


def test_a_common_model_predicts_nineteen_driving_and_twenty_indoor_classes():
    assert (len(CITYSCAPES), CITYSCAPES.num_driving) == (19, 19)
    assert (len(ROB2018), ROB2018.num_driving) == (39, 19)
    assert ROB2018.class_names[:19] == CITYSCAPES.class_names


def test_the_ids_of_cityscapes_images_become_class_ids():
    # ids of the public label table: road 7, car 26, bicycle 33; ego vehicle 1, parking 9, -1
    found = LABEL_ID_TO_CLASS[[7, 26, 33, 1, 9, 255]]
    assert found.tolist() == [0, 13, 18, 255, 255, 255]
    assert sorted(LABEL_ID_TO_CLASS[LABEL_ID_TO_CLASS != 255]) == list(range(19))


def test_the_palette_has_a_row_for_every_label_id():
    palette = Taxonomy('two', (ROAD, SOFA)).palette
    assert palette.shape == (256, 3)
    assert palette[:2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert not palette[2:].any()
    assert len(np.unique(ROB2018.palette[:39], axis=0)) == 39


@pytest.mark.parametrize(('classes', 'text'), [
    ((ROAD, ROAD), r"class names of taxonomy t must be unique, got \['road'\] twice: rename"),
    ((), r'taxonomy t must be 1 to 254 classes, got 0: label ids are 8 bit'),
    ((SOFA, ROAD), r'classes of taxonomy t must be driving classes followed by foreign classes'),
    ((SOFA, ROAD), r"got \['foreign', 'driving'\]: reorder them"),
])
def test_a_class_list_that_contradicts_itself_is_refused(classes, text):
    with pytest.raises(TaxonomyError, match=text):
        Taxonomy('t', classes)
