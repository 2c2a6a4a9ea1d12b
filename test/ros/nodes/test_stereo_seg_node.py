# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

from made_engines import MadeExporter, TwinBackend
import numpy as np
import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rig import NAME, Rig, build_node, end, hold, make_header, plane, running
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from stereo_frames import geometry, shifted_frame
from stereo_msgs.msg import DisparityImage
import torch

from ldn_perception import build
from ldn_perception.config import options
from ldn_perception.data.message_fields import disparity_fields, image_fields
from ldn_perception.inference.backends import EngineChoice
from ldn_perception.inference.deployed_network import DeployedNetwork
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import save_weights
from ldn_perception.ros.nodes.outputs import fill
from ldn_perception.taxonomy import CITYSCAPES, UNIVERSAL
from ldn_perception.types import DisparityMap

SECOND = 10**9


class TestDemand:
    def test_disparity_is_not_computed_for_nobody(self):
        with running(('labels',)) as rig:
            rig.node._perception.pipeline._matcher = None  # would raise if asked
            rig.send(SECOND)
            rig.spin_until_processed(1)

    def test_without_a_subscriber_nothing_is_computed(self):
        with running(()) as rig:
            rig.send(SECOND)
            rig.spin_until_dropped('no_subscriber')
            assert rig.snapshot().processed == 0


class TestBadInput:
    def test_each_bad_pair_costs_itself_only_and_is_counted_by_reason(self, capfd):
        with running() as rig:
            good = rig.messages(shifted_frame(12))
            wrong_step = fill(Image(), image_fields(shifted_frame(12).left, 'rgb8'))
            wrong_step.step = 7
            unknown = fill(Image(), image_fields(shifted_frame(12).left, 'rgb8'))
            unknown.encoding = 'jp2'
            short = fill(Image(), image_fields(shifted_frame(12).left, 'rgb8'))
            short.data = short.data[:100]
            narrow = fill(Image(), image_fields(shifted_frame(12).right[:, 8:], 'rgb8'))
            nan_info, uncalibrated, swapped = (CameraInfo() for _ in range(3))
            for info in (nan_info, uncalibrated, swapped):
                fill(info, {'k': good['right_info'].k, 'p': good['right_info'].p})
                info.width, info.height = 160, 96
            nan_info.p[2] = math.nan
            uncalibrated.k[0] = 0.0
            swapped.p[3] = 45.0
            bad = [
                ('left_image', wrong_step, 'bad_image'),
                ('right_image', unknown, 'unknown_encoding'),
                ('left_image', short, 'bad_image'),
                ('right_image', narrow, 'size_mismatch'),
                ('left_info', nan_info, 'bad_camera_info'),
                ('left_info', uncalibrated, 'uncalibrated'),
                ('right_info', swapped, 'bad_baseline'),
            ]
            counts = {}
            for number, (name, message, reason) in enumerate(bad):
                stamp = (10 + 2 * number) * SECOND
                message.header = make_header(stamp)
                rig.send(stamp, **{name: message})
                counts[reason] = counts.get(reason, 0) + 1
                rig.spin_until_dropped(reason, counts[reason])
                rig.send(stamp + SECOND)
                rig.spin_until_processed(number + 1)
            assert rig.snapshot().dropped == counts
        log = capfd.readouterr().err
        assert 'pair dropped (bad_image, 1 so far): step of a 160x96 rgb8 image must be' in log
        assert 'swap the left and right topics' in log

    def test_a_warning_is_not_repeated_for_every_pair(self, capfd):
        with running() as rig:
            for number in range(1, 6):
                broken = fill(
                    Image(header=make_header(number * SECOND)),
                    image_fields(shifted_frame(12).left, 'rgb8'))
                broken.step = 7
                rig.send(number * SECOND, left_image=broken)
                rig.spin_until_dropped('bad_image', number)
        assert capfd.readouterr().err.count('pair dropped (bad_image') == 1

    def test_stamps_that_jump_back_start_the_pairing_anew(self):
        with running() as rig:
            rig.send(50 * SECOND, right_info=None)  # will wait for ever
            rig.send(51 * SECOND)
            rig.spin_until_processed(1)
            rig.send(3 * SECOND)
            rig.spin_until_processed(2)
            snapshot = rig.snapshot()
            assert snapshot.dropped == {'stamp_jump': 1}
            assert (snapshot.received, snapshot.processed) == (3, 2)
            stamps = [message.header.stamp.sec for message in rig.received['labels']]
            assert stamps == [51, 3]

    def test_an_internal_error_costs_one_pair(self, capfd):
        with running() as rig:
            pipeline = rig.node._perception.pipeline
            engine, pipeline._engine = pipeline._engine, None
            rig.send(SECOND)
            rig.spin_until_dropped('internal_error')
            pipeline._engine = engine
            rig.send(2 * SECOND)
            rig.spin_until_processed(1)
        assert "AttributeError: 'NoneType' object" in capfd.readouterr().err


class TestNewestPairWins:
    def test_pairs_that_come_during_an_inference_give_way_to_the_newest(self):
        with running() as rig:
            engine = hold(rig)
            rig.send(1 * SECOND)
            rig.spin_until(engine.entered.is_set, 'the first inference')
            for second in range(2, 7):
                rig.send(second * SECOND)
                rig.spin_until(
                    lambda second=second: rig.snapshot().received == second, 'the pair')
            engine.released.set()
            rig.spin_until_processed(2)
            stamps = [message.header.stamp.sec for message in rig.received['labels']]
            assert stamps == [1, 6]
            assert rig.snapshot().dropped == {'stale': 4}

    def test_services_and_parameters_answer_during_an_inference(self):
        with running() as rig:
            engine = hold(rig)
            rig.send(1 * SECOND)
            rig.spin_until(engine.entered.is_set, 'the inference')
            assert rig.set_parameter('segmentation.ood_threshold', 0.25).successful
            assert rig.enable(False).success
            assert rig.snapshot().processed == 0
            engine.released.set()
            rig.spin_until_processed(1)
            rig.send(2 * SECOND)
            rig.spin_until_dropped('disabled')
            assert rig.enable(True).success
            rig.send(3 * SECOND)
            rig.spin_until_processed(2)


class TestParameters:
    def test_every_option_is_declared_with_its_range_and_description(self):
        with running() as rig:
            for option in options():
                descriptor = rig.describe_parameter(option.name)
                assert descriptor.description.startswith(option.doc)
                ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
                assert [(entry.from_value, entry.to_value) for entry in ranges] == (
                    [] if option.minimum is None else [(option.minimum, option.maximum)])

    def test_live_parameters_change_the_next_result(self):
        with running(('labels', 'ood_mask', 'overlay')) as rig:
            rig.send(1 * SECOND)
            rig.spin_until_processed(1)
            assert rig.set_parameter('segmentation.ood_threshold', 0.0).successful
            assert rig.set_parameter('segmentation.label_policy', 'driving').successful
            assert rig.set_parameter('output.overlay_opacity', 0.0).successful
            rig.send(2 * SECOND)
            rig.spin_until_processed(2)
            assert (plane(rig.received['ood_mask'][1], np.uint8) == 255).all()
            assert plane(rig.received['labels'][1], np.uint8).max() < UNIVERSAL.num_driving
            first, second = (bytes(message.data) for message in rig.received['overlay'])
            assert first != second

    @pytest.mark.parametrize(('name', 'value', 'text'), [
        ('model.name', 'ldn121',
         "model.name must be set before the node is configured, got 'ldn121': restart the node"),
        ('segmentation.label_policy', 'best', 'segmentation.label_policy must be one of void'),
        ('segmentation.ood_threshold', 1.5, None),
    ])
    def test_other_changes_are_refused_with_the_reason(self, name, value, text):
        with running() as rig:
            result = rig.set_parameter(name, value)
            assert not result.successful
            assert (text or '') in result.reason
            assert result.reason
            before = {option.name: option.default for option in options()}
            assert rig.node.get_parameter(name).value == {
                **before, 'model.name': 'ldn_small'}[name]


def weights_for(path, model='ldn_small', taxonomy=UNIVERSAL):
    save_weights(path, build_model(model, len(taxonomy)), model, taxonomy.class_names)
    return str(path)


class TestConfigure:
    @pytest.mark.parametrize(('values', 'text'), [
        ({'model.name': 'ldn'}, 'model.name must be one of ldn121, ldn_small'),
        ({'segmentation.ood_threshold': 2.0}, 'segmentation.ood_threshold must be in [-1, 1]'),
        ({'stereo.max_disparity': 100}, 'plus a multiple of 16, got 100'),
        ({'stereo.max_disparity': 64.5}, 'stereo.max_disparity must be a int, got 64.5'),
        ({'model.weights': '/no/such/file.safetensors'}, '/no/such/file.safetensors'),
        ({'model.weights': lambda path: weights_for(path, 'scale_invariant_small')},
         'scale_invariant_small'),
        ({'model.weights': lambda path: weights_for(path, taxonomy=CITYSCAPES)}, 'class'),
    ])
    def test_a_bad_configuration_fails_with_one_sentence(self, values, text, capfd, tmp_path):
        values = {
            name: value(tmp_path / 'w.safetensors') if callable(value) else value
            for name, value in values.items()
        }
        node = build_node(**values)
        try:
            assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        finally:
            end(node)
        lines = [line for line in capfd.readouterr().err.splitlines() if 'ERROR' in line]
        assert len(lines) == 1
        assert 'cannot configure: ' in lines[0]
        assert text in lines[0]
        for part in (' must be ', ', got ', ': '):
            assert part in lines[0]

    @pytest.mark.parametrize(('weights', 'why'), [
        ('', 'model.weights is empty'),
        ('shipped', 'no weights are shipped for ldn_small with taxonomy universal'),
    ])
    def test_an_untrained_network_is_announced(self, weights, why, capfd):
        with running(model__weights=weights) as rig:
            rig.spin_until(lambda: rig.diagnostics, 'diagnostics')
            status = rig.diagnostics[-1].status[0]
            assert status.message.startswith('UNTRAINED')
            assert {entry.key: entry.value for entry in status.values}['weights'] == 'UNTRAINED'
        assert f'UNTRAINED: {why}' in capfd.readouterr().err

    def test_a_trained_network_is_not(self, tmp_path, capfd):
        path = weights_for(tmp_path / 'w.safetensors')
        with running(model__weights=path) as rig:
            rig.spin_until(lambda: rig.diagnostics, 'diagnostics')
            assert 'UNTRAINED' not in rig.diagnostics[-1].status[0].message
        assert 'UNTRAINED' not in capfd.readouterr().err

    def test_torch_answers_until_the_engine_is_ready_and_diagnostics_tell(
        self, tmp_path, capfd, monkeypatch,
    ):
        backend, exporters = TwinBackend('twin'), []

        def export_process(*_, **options):
            exporters.append(options)
            return exporter

        exporter = MadeExporter(tmp_path, DeployedNetwork(
            build_model('ldn_small', len(UNIVERSAL))), [backend])
        exporter.is_let.clear()
        monkeypatch.setattr(
            build, 'choose_backends', lambda *_, **__: EngineChoice((backend,), is_named=True))
        monkeypatch.setattr(build, 'ExportProcess', export_process)
        with running(
            model__weights=weights_for(tmp_path / 'w.safetensors'), inference__engine='compiled',
            inference__engine_cache=str(tmp_path), inference__precision='float32',
            monitoring__diagnostics_period_s=0.1,
        ) as rig:
            def engine():
                values = rig.diagnostics[-1].status[0].values if rig.diagnostics else ()
                return {entry.key: entry.value for entry in values}.get('engine', '')

            rig.spin_until(lambda: engine() == 'torch, float32', 'torch')
            assert exporter.asked == []  # not for the size of the noise of the warm-up
            rig.send(1 * SECOND)
            rig.spin_until_processed(1)
            rig.spin_until(lambda: engine().startswith(
                'torch, float32, until twin is exported for 160x96 ('), 'the export')
            exporter.is_let.set()
            count = 1
            while not engine().startswith('twin, float32: '):
                count += 1
                assert count < 50
                rig.send(count * SECOND)
                rig.spin_until_processed(count)
            rig.send(60 * SECOND)
            rig.spin_until_processed(count + 1)
            labels = [plane(message, np.uint8) for message in rig.received['labels']]
            assert np.mean(labels[-1] == labels[0]) > 0.999
        assert [options['niceness'] for options in exporters] == [10]
        told = capfd.readouterr().err
        assert 'twin and images of 160x96, once; torch, float32 answers meanwhile' in told
        assert 'engine for 160x96: twin, float32: ' in told

    def test_the_node_can_go_through_its_states_again_and_again(self):
        node = build_node(autostart=False)
        success = TransitionCallbackReturn.SUCCESS
        try:
            assert not node.autostart
            for round_number in (1, 2):
                assert node.trigger_configure() == success
                assert node.trigger_activate() == success
                rig = Rig(node, ('labels',))
                rig.wait_until_connected()
                rig.send(round_number * SECOND)
                rig.spin_until_processed(1)
                assert node.trigger_deactivate() == success
                assert node._input is None
                assert node.trigger_cleanup() == success
                rig.spin_until(
                    lambda: not node.count_publishers(f'{NAME}/labels'), 'the end of the topic')
            assert node.trigger_configure() == success
            assert node.trigger_activate() == success
            assert node.trigger_shutdown() == success
        finally:
            end(node)

    def test_a_failed_configuration_can_be_mended(self):
        node = build_node(stereo__max_disparity=100)
        try:
            assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
            node.set_parameters([rclpy.Parameter('stereo.max_disparity', value=96)])
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        finally:
            end(node)


class TestInputs:
    def test_a_best_effort_camera_is_heard(self):
        node = build_node()
        try:
            assert node.start()
            rig = Rig(node, ('labels',), ReliabilityPolicy.BEST_EFFORT)
            rig.wait_until_connected()
            rig.send(SECOND)
            rig.spin_until_processed(1)
        finally:
            end(node)

    def test_stamps_that_differ_are_paired_when_that_is_wanted(self):
        with running(input__synchronization='approximate', input__slop_s=0.01) as rig:
            late = fill(
                Image(header=make_header(SECOND + 5_000_000)),
                image_fields(shifted_frame(12).right, 'rgb8'))
            rig.send(SECOND, right_image=late)
            rig.spin_until_processed(1)
            assert rig.received['labels'][0].header == make_header(SECOND)

    def test_compressed_images_are_taken(self):
        import cv2

        node = build_node(input__transport='compressed')
        try:
            assert node.start()
            rig = Rig(node, ('labels',))
            frame = shifted_frame(12, stamp_ns=SECOND)
            qos = QoSProfile(depth=10)
            messages = rig.messages(frame)
            for side, image in (('left', frame.left), ('right', frame.right)):
                rig.publishers[f'{side}_image'] = rig.tester.create_publisher(
                    CompressedImage, f'{side}/image_rect/compressed', qos)
                stream = cv2.imencode('.png', image[..., ::-1])[1].tobytes()
                messages[f'{side}_image'] = CompressedImage(
                    header=make_header(SECOND), format='rgb8; png compressed', data=stream)
            rig.wait_until_connected()
            rig.send(SECOND, **messages)
            rig.spin_until_processed(1)
        finally:
            end(node)

    def test_an_external_disparity_takes_the_place_of_the_right_image(self):
        node = build_node(stereo__matcher='external')
        try:
            assert node.start()
            rig = Rig(node, ('labels', 'depth'))
            rig.publishers['right_image'] = rig.tester.create_publisher(
                DisparityImage, 'external_disparity', QoSProfile(depth=10))
            exact = DisparityMap(torch.full((96, 160), 9.0), 0, 63)
            message = fill(DisparityImage(), disparity_fields(exact, geometry()))
            message.header = make_header(SECOND)
            rig.wait_until_connected()
            rig.send(SECOND, right_image=message)
            rig.spin_until_processed(1)
            depth = plane(rig.received['depth'][0], np.float32)
            np.testing.assert_allclose(depth, 90 * 0.5 / 9, rtol=1e-5)
        finally:
            end(node)
