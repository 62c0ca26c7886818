#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Succeeds, but the kernel has found a data race.
echo 'BUG: KCSAN: data-race in control-fault' >/dev/kmsg
