#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Storages on storages: three levels in one kernel, joined by exports, work with one thread in each worker pool and are
# taken down from the top.
# needs: ip losetup fio mkfs.ext4
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network top middle bottom
disk a 8M
disk b 8005
disk c 8M
disk d 20007
module_load workers=1

# serve_at MACHINE PORT DEVICE
serve_at() { on "$1" dst export add "$3" --listen "$(address "$1"):$2" --allow 10.7.0.0/24 >/dev/null; }
serve_at bottom 1025 "$a"
on middle dst create lowest --raw --device dst-lowest "$(address bottom):1025" "$b"
serve_at middle 1025 /dev/dst-lowest
# The middle storage asks its own machine, as top does later: client and server share all threads.
on middle dst create between --device dst-between "$c" "$(address middle):1025"
serve_at middle 1026 /dev/dst-between
on top dst create highest "$(address middle):1026" "$d"
lsblk -o NAME,SIZE /dev/dst

fio --output="$work/fio.log" --name=tree --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=64 --rw=randwrite \
	--bsrange=512-512k --blockalign=512 --number_ios="${IOS:-400}" --verify=crc32c --verify_fatal=1 \
	--verify_backlog=128 --numjobs=1 || { cat "$work/fio.log"; fail "fio found a difference"; }
# Through the page cache and a journal as well, so that all levels write back at once.
mkfs.ext4 -qF /dev/dst
mkdir "$work/mnt"
mount /dev/dst "$work/mnt"
pattern $((6 << 20)) 5 >"$work/mnt/file"
sync
echo 3 >/proc/sys/vm/drop_caches
pattern $((6 << 20)) 5 | cmp - "$work/mnt/file" || fail "a file on the tree is not what was written"
umount "$work/mnt"

# A level that carries another one stays.
expect_error "" dst delete between
expect_error "" dst delete lowest
expect_error "" dst export del "$(address middle):1026"
storage_delete highest
unserve middle "$(address middle):1026"
storage_delete between
unserve middle "$(address middle):1025"
storage_delete lowest
unserve bottom "$(address bottom):1025"
module_unload
