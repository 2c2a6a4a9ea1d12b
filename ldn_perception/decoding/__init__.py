# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoders: logits to labels, confidence and out-of-distribution mask; the dense CRF."""
