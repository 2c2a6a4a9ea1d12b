# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes; the only room that knows rclpy and message packages."""
