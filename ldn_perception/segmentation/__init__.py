# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From logits to labels, confidence, foreign probability and the out-of-distribution mask."""
