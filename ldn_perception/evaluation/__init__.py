# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Offline replay, live evaluation, replay on a Ray cluster, and reports."""
