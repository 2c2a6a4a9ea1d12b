# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From raw images to rectified ones, and whether they are."""
