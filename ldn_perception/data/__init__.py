# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images, folders, videos, bags and calibrations as inputs of the pipeline."""
