# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Names of all networks, importable without torch; `registry.py` builds exactly these."""


MODEL_NAMES = (
    'ldn121', 'ldn_small', 'ldn121_64_4', 'ldn121_32_4', 'ldn121_128_4', 'ldn121_32_2',
    'ldn121_16_2', 'ldn121_down32', 'ldn161_64_4', 'ldn161_32_4', 'ldn169_32_4', 'lrn18_32_4',
    'lrn50_32_4', 'lrn101_32_4', 'ldpn68_32_4', 'lite0_32_4', 'lite1_32_4', 'lite2_32_4',
    'ddn121_down8', 'lddn121_8_4', 'lddn121_16_4', 'ldn121_dws', 'ldn121_no_spp',
    'ldn121_pspnet_spp', 'ldn121_concatenation', 'ldn169_rob2018', 'ldn121_released',
    'ldn121_released_32_4', 'ldn161_released',
    'ldn169_released', 'scale_invariant', 'scale_invariant_released', 'scale_invariant_small',
    'fixed_scales', 'fixed_scales_small', 'single35', 'single35_released', 'single35_small',
    'single5', 'single5_small', 'deeplab_large_fov', 'deeplab_aspp_s', 'deeplab_aspp_l',
    'deeplab_resnet101', 'deeplab_msc', 'deeplab_vgg_small', 'deeplab_msc_small',
)
