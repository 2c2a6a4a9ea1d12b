# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where a planner may drive: free road in the image and on the ground."""
