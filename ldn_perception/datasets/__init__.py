# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Drives and images with ground truth."""
