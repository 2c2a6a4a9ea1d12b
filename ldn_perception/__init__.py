# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stereo semantic segmentation with out-of-distribution masks, for ROS 2."""
