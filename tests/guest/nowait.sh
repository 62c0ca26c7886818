#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# I/O that must not wait is served while there is room: at any depth below the storage's own nothing is refused.
# needs: ip losetup fio
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one
disk a 16M
disk b 16M
module_load
serve one "$a"
on client dst create storage --raw "$(address one):1025" "$b"

# Over both nodes, the remote and the local one; a refusal would be an error for fio.
for engine in io_uring libaio; do
	for depth in 1 64; do
		fio --output="$work/fio.log" --name=nowait --filename=/dev/dst --direct=1 --ioengine=$engine --nowait=1 \
			--iodepth=$depth --rw=randrw --bssplit=512/20:4k/50:20k/20:64k/10 --blockalign=512 \
			--number_ios="${IOS:-600}" --verify=crc32c --verify_fatal=1 ||
			{ cat "$work/fio.log"; fail "$engine, depth $depth: I/O that may not wait was refused"; }
	done
done
expect_equal "errors of the storage" 0 "$(cat /sys/devices/storage/errors)"
storage_delete storage
unserve one "$a"
