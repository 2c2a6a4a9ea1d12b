# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rectification of stereo pairs, and stereo matchers."""
