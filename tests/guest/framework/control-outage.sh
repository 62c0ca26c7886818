#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An outage is declared, and nothing hangs for as long.
# outage: 240
. "$(dirname "$0")/../lib.sh"

expect_equal "the limit for tasks that wait" 240 "$(cat /proc/sys/kernel/hung_task_timeout_secs)"
