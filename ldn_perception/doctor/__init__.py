# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a running system, based on observations."""
