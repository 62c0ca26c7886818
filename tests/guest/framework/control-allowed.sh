#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel has warned of what the test expects.
# log-allow: control-fault
echo 'WARNING: CPU: 0 PID: 1 at control-fault' >/dev/kmsg
