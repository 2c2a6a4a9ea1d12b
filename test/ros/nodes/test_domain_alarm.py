# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from diagnostic_msgs.msg import DiagnosticStatus
from rig import running

from ldn_perception.types import Quantity

SECOND = 10**9


def values(message):
    return {entry.key: entry.value for entry in message.status[0].values}


def wait_for(rig, key, value):
    rig.spin_until(
        lambda: rig.diagnostics and values(rig.diagnostics[-1])[key].startswith(value),
        f'{key} {value}')
    return rig.diagnostics[-1].status[0]


def test_diagnostics_warn_from_the_raising_of_the_alarm_to_its_clearing(capfd):
    # everything is above a threshold of 0, nothing above 1
    with running(
            segmentation__ood_threshold=0.0, monitoring__diagnostics_period_s=0.1) as rig:
        rig.send(SECOND)
        rig.spin_until_processed(1)
        status = wait_for(rig, 'ood.share', '0.393')
        assert values(rig.diagnostics[-1])['ood.alarm'] == 'cleared'
        assert 'out of domain' not in status.message
        for second in (2, 3):
            rig.send(second * SECOND)
            rig.spin_until_processed(second)
        status = wait_for(rig, 'ood.alarm', 'raised 1.0 s')
        assert status.level == DiagnosticStatus.WARN
        assert 'out of domain for 1.0 s: OOD share 0.78 > 0.5' in status.message
        assert rig.set_parameter('segmentation.ood_threshold', 1.0).successful
        for second in (4, 5):
            rig.send(second * SECOND)
            rig.spin_until_processed(second)
        status = wait_for(rig, 'ood.alarm', 'cleared')
        assert 'out of domain' not in status.message
    log = capfd.readouterr().err
    assert log.count('out of domain for 0.0 s: OOD share 0.63 > 0.5') == 1
    assert log.count('in domain again: OOD share 0.29') == 1


def test_only_an_alarm_that_is_on_asks_for_the_mask():
    with running(monitoring__diagnostics_period_s=0.1) as rig:
        asked = []
        pipeline = rig.node._perception.pipeline
        process = type(pipeline).process

        class Spy:
            rule = pipeline.rule

            def process(self, frame, quantities):
                asked.append(quantities)
                return process(pipeline, frame, quantities)

        rig.node._worker._pipeline = Spy()
        rig.send(SECOND)
        rig.spin_until_processed(1)
        assert rig.set_parameter('ood_alarm.raise_above', 1.0).successful
        rig.send(2 * SECOND)
        rig.spin_until_processed(2)
        wait_for(rig, 'ood.alarm', 'off')
        assert asked == [Quantity.OOD_MASK, Quantity.NOTHING]


def test_thresholds_that_cross_are_refused():
    with running() as rig:
        result = rig.set_parameter('ood_alarm.clear_below', 0.9)
        assert not result.successful
        assert result.reason == (
            'ood_alarm.clear_below must be <= ood_alarm.raise_above (0.5), got 0.9: lower it, or '
            'raise the other')
        assert rig.set_parameter('ood_alarm.clear_below', 0.1).successful
