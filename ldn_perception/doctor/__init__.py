# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Findings about a running system, made from observations."""
