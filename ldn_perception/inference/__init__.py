# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: one protocol, one file for each backend, one chooser."""
