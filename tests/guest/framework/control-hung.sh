#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Succeeds, but a task has hung.
echo 'INFO: task control-fault:1 blocked in I/O wait for more than 60 seconds.' >/dev/kmsg
