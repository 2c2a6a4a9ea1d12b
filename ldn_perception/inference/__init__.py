# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines: one protocol, one module per backend, and the choice between them."""
