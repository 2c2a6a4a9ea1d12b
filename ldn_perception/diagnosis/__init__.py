# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a running system: observations in, findings out."""
