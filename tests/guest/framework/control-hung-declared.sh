#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Succeeds, but a task hangs for longer than the outage that is declared.
# outage: 3
# timeout: 120
. "$(dirname "$0")/../lib.sh"

disk ground 16M
mkfs.ext4 -qF "$ground"
mounted "$ground" "$work/ground"
fsfreeze -f "$work/ground"
at_exit fsfreeze -u "$work/ground"
log_mark hung
touch "$work/ground/control-fault" &
told() { log_since hung | grep -q 'INFO: task touch:.* blocked.* for more than [0-9]* seconds'; }
wait_until 60 told || fail "the kernel does not tell of a task that waits for ever"
fsfreeze -u "$work/ground"
wait $!
