# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation networks: image (and pixel scale) to class logits."""
