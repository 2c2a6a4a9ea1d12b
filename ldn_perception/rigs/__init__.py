# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files that launch files start from: presets of cameras and rigs of several stereo heads."""
