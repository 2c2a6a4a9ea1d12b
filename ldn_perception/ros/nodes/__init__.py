# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes; the only room that knows rclpy and message packages."""

import os

# torch's OpenMP threads wait for the next layer by spinning, and after the last layer they spin
# on while the decoder needs their core. This many turns bridge the gaps between layers and end
# soon after. libgomp reads it when it is loaded, so it has to be there before torch.
os.environ.setdefault('GOMP_SPINCOUNT', '10000')
