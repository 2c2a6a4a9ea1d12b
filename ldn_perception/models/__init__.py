# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks: an image (and the scale of its pixels) in, class logits out."""
