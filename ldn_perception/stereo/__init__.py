# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From a stereo pair to a disparity map."""
