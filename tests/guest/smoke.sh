#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module loads, joins two remote nodes and a local one, carries a filesystem and goes, on every supported kernel.
# needs: ip losetup mkfs.ext4 tc
# kernel: any
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one two
disk a 40M
disk b 40M
disk c 40M
module_load
serve one "$a"
serve two "$b"
on client dst create storage "$(address one):1025" "$(address two):1025" "$c"
on client dst status
mkfs.ext4 -qF /dev/dst
mounted /dev/dst "$work/mnt"
pattern $((60 << 20)) >"$work/file"
cp "$work/file" "$work/mnt/file"
sync -f "$work/mnt"
echo 3 >/proc/sys/vm/drop_caches
cmp "$work/file" "$work/mnt/file" || fail "what is read is not what was written"
umount "$work/mnt"
blkdiscard -z -l 1M /dev/dst
expect_equal "zeroes" "" "$(head -c 1M /dev/dst | tr -d '\0' | head -c 1)"
storage_delete storage
unserve one "$a"
unserve two "$b"
module_unload
