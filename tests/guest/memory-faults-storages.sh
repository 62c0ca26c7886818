#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every allocation that a storage makes fails once, one after the other: adding nodes, changing, showing, I/O and
# deleting succeed or say why not, and after a failure all is as it was. Lost connections come back all the same.
# needs: losetup ip fio python3
# kernel: debug
# timeout: 600
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/faults.sh"

ip link set lo up
disk exported 16M
disk local 16M

say "what the administrator asks for"
module_load workers=1
part storages "$exported" "$local"
module_unload

step=${STEP:-29} shift=${SHIFT:-$((RANDOM % ${STEP:-29}))}
say "connections that are lost: of hundreds of allocations each ${step}th, from number $((shift + 1)) on (STEP, SHIFT)"
module_load workers=1
STEP=$step SHIFT=$shift part outages "$exported" "$local"

say "much I/O"
part ready "$exported" "$local"
set_fault times -1
set_fault interval 1
set_fault space 0
# fio is no module: what it needs itself does not fail.
set_fault probability 5
fio --output="$work/fio.log" --name=faults --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw \
	--bssplit=512/20:4k/50:64k/20:512k/10 --blockalign=512 --number_ios="${IOS:-200}" --verify=crc32c \
	--verify_fatal=1 || { cat "$work/fio.log"; fail "I/O failed or is wrong when memory is short"; }
set_fault probability 0
expect_equal "errors of the storage" 0 "$(cat /sys/devices/storage/errors)"
storage_delete storage
dst export del far --force
module_unload
still_searches
