# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 nodes; the only package that imports rclpy and message packages."""

import os

# torch's OpenMP threads spin while they wait for the next layer, and keep spinning after the last
# layer while the decoder needs their core. This spin count bridges the gaps between layers and
# ends soon after the last one. libgomp reads it on loading, so it must be set before torch.
os.environ.setdefault('GOMP_SPINCOUNT', '10000')
