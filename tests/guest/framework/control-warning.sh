#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Succeeds, but the kernel has warned.
echo 'WARNING: CPU: 0 PID: 1 at control-fault' >/dev/kmsg
