# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the calibration is that of a stereo rig and belongs to the images."""

from __future__ import annotations

from ldn_perception.diagnosis.finding import Finding, error, error_of, ok, skipped, warning
from ldn_perception.diagnosis.observations import Observations
from ldn_perception.errors import LdnPerceptionError
from ldn_perception.messages import (
    calibration_from_message,
    geometry_from_messages,
    image_size,
)

_SWAPPED = 'swap the left and right topics'


def check_calibration(observations: Observations) -> Finding:
    """Check that the projection matrices are those of a rectified pair, left before right."""
    check = 'calibration'
    left, right = (observations.input(f'{side}_info') for side in ('left', 'right'))
    missing = [
        topic.topic for topic in (left, right) if topic is not None and topic.info is None]
    if missing:
        return skipped(check, f'no message of {" and ".join(missing)}')
    assert left is not None
    assert right is not None
    try:
        rig = geometry_from_messages(left.info, right.info)
    except LdnPerceptionError as problem:
        if _SWAPPED in str(problem):
            return error(
                check, f'the cameras are swapped: by P, that of {right.topic} stands to the left '
                f'of that of {left.topic}', f'{_SWAPPED}, images and camera_info')
        return error_of(check, str(problem))
    return ok(
        check, f'{rig.width}x{rig.height}, fx {rig.fx:.1f} px, baseline {rig.baseline:.3f} m')


def check_image_sizes(observations: Observations) -> Finding:
    """Compare the sizes of the images with those of the calibration and of each other."""
    check, sizes = 'image sizes', []
    for image in observations.images:
        side = image.role.partition('_')[0]
        info = observations.input(f'{"right" if side == "right" else "left"}_info')
        if info is None or info.info is None or not image.width:
            return skipped(check, f'{image.topic} or its camera_info does not come')
        size, calibrated = (image.width, image.height), image_size(info.info)
        if size != calibrated:
            return error(
                check, f'{image.topic} is {size[0]}x{size[1]}, {info.topic} is for '
                f'{calibrated[0]}x{calibrated[1]}',
                'publish the camera_info that belongs to this size of images (binning and region '
                'of interest count)')
        sizes.append(size)
    if sizes[0] != sizes[1]:
        return error(
            check, f'{sizes[0][0]}x{sizes[0][1]} and {sizes[1][0]}x{sizes[1][1]}',
            'set both cameras to the same size and calibrate them as a stereo pair')
    return ok(check, f'{sizes[0][0]}x{sizes[0][1]}, as camera_info says')


def check_raw_calibration(observations: Observations) -> Finding:
    """Check that raw images can be rectified with K, D, R and P, where the node does so."""
    check = 'calibration of raw images'
    infos = [observations.input(f'{side}_info') for side in ('left', 'right')]
    if not observations.rectifies:
        return skipped(check, 'not needed: input.rectify is false, the images come rectified')
    if any(topic is None or topic.info is None for topic in infos):
        return skipped(check, 'a camera_info does not come')
    models = []
    for side, topic in zip(('left', 'right'), infos, strict=True):
        assert topic is not None
        try:
            calibration = calibration_from_message(topic.info, side)
        except LdnPerceptionError as problem:
            return error_of(check, str(problem))
        models.append(calibration.distortion_model if any(calibration.distortion) else 'none')
    return ok(check, f'distortion: {models[0]} and {models[1]}')


def check_pair(observations: Observations) -> Finding:
    """Report what one pair of images tells: whether it can be used, is rectified, not swapped."""
    check, pair = 'a pair of images', observations.pair
    if pair is None:
        return skipped(check, 'no two images and camera_info came')
    if pair.problem:
        if check_calibration(observations).advice:
            return skipped(check, 'the calibration comes first')
        return error_of(check, pair.problem)
    if pair.complaint:
        finding = error_of(check, pair.complaint)
        if 'swapped' in pair.complaint:
            return finding
        return warning(check, finding.found, finding.advice)
    if pair.vertical_px is None:
        return ok(check, 'can be used; too few points match to tell whether it is rectified')
    return ok(
        check, f'rectified: rows of {pair.num_matches} matched points differ by '
        f'{pair.vertical_px:.2f} px')
