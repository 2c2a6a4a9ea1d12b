# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2: the nodes, camera presets and vehicle rigs."""
