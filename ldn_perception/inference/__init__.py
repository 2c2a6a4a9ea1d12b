# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Running a network on a device."""
