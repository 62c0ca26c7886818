#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A server that lies, breaks off or talks nonsense costs itself its connection: the client takes no wrong data, does
# its requests again, and its other storages do not notice.
# needs: losetup ip python3 cmp
# timeout: 300
. "$(dirname "$0")/lib.sh"

export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
module_load
network server client liar
disk good 24M
on server dst export add "$good" --listen "$(address server):1025" --allow "$(address client)"
on client dst create storage "$(address server):1025"
pattern $((8 << 20)) 8 >"$work/good"
dd if="$work/good" of=/dev/dst bs=1M oflag=direct status=none

on liar python3 "$tests/impostor.py" "$(address liar)"

cmp -n 8388608 /dev/dst "$work/good"
expect_equal "reconnects of the good node" 0 "$(cat /sys/devices/storage/n-0/reconnects)"
expect_equal "the state of the good storage" running "$(cat /sys/devices/storage/state)"
# The liar is gone by now.
on client dst delete liar
on client dst delete storage
wait_until 60 on server dst export del 1 || fail "the export stays in use"
module_unload
