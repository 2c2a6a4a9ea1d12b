# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training of networks on one or several domains."""
