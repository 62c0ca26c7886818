#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A task has hung, as the test declares.
# outage-exceeds-hung-task
echo 'INFO: task control-fault:1 blocked for more than 60 seconds.' >/dev/kmsg
