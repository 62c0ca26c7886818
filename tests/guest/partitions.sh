#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The storage is a disk as any other: it carries partitions with filesystems, counts its I/O, refuses writes where it is
# read-only, and has the limits of its nodes.
# needs: ip losetup blkdiscard sfdisk mkfs.ext4 iostat
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one
disk a 24M
disk b 24M
disk coarse 32768 --sector-size 4096
disk odd 8005
module_load
log_mark partitions

storage() { on client dst create storage "$@" >/dev/null; }

# Partitions; the second lies on both nodes, in the end of the one and the beginning of the other.
serve one "$a"
storage "$(address one):1025" "$b"
size=$(sectors /dev/dst)
printf 'label: gpt\n2048,8192\n10240,%s\n' $((size - 10240 - 2048)) | sfdisk -q /dev/dst
wait_until 60 test -b /dev/dst2 || fail "there is no /dev/dst2"
expect_equal "size of the second partition" $((size - 12288)) "$(sectors /dev/dst2)"
pattern $((8192 * 512)) 1 >"$work/raw"
dd if="$work/raw" of=/dev/dst1 bs=64k oflag=direct status=none
mkfs.ext4 -qF /dev/dst2
mkdir "$work/mnt"
mount /dev/dst2 "$work/mnt"
pattern $((22 << 20)) 2 >"$work/mnt/file"
umount "$work/mnt"
dd if=/dev/dst bs=512 skip=2048 count=8192 iflag=fullblock status=none | cmp - "$work/raw" ||
	fail "the first partition does not lie where the table says"
storage_delete storage
wait_until 60 test ! -e /dev/dst2 || fail "the partitions stay when the storage is gone"
# The partitions come back with the storage, here without the right to write.
storage --read-only "$(address one):1025" "$b"
wait_until 60 test -b /dev/dst2 || fail "the partitions were not found again"
expect_equal "read-only" "1 1" "$(blockdev --getro /dev/dst) $(blockdev --getro /dev/dst2)"
mount -o ro "/dev/dst2" "$work/mnt"
pattern $((22 << 20)) 2 | cmp - "$work/mnt/file" || fail "the file on the partition changed"
umount "$work/mnt"
cmp -n $((8192 * 512)) /dev/dst1 "$work/raw" || fail "the first partition changed"
expect_error "not permitted" dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none
blockdev --setrw /dev/dst 2>/dev/null || true
expect_error "" dd if=/dev/zero of=/dev/dst1 bs=4k count=1 oflag=direct status=none
cmp -n $((8192 * 512)) /dev/dst1 "$work/raw" || fail "a read-only storage was written"
storage_delete storage
unserve one "$a"
# A storage with an export that nobody may write is read-only.
blkdiscard -f "$a"
blkdiscard -f "$b"
pattern 65536 3 | dd of="$a" bs=64k oflag=direct status=none
serve one "$a" --read-only
storage --raw "$(address one):1025"
expect_equal "read-only export" 1 "$(blockdev --getro /dev/dst)"
pattern 65536 3 | cmp -n 65536 - /dev/dst || fail "a storage over a read-only export cannot be read"
expect_error "not permitted" dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none
storage_delete storage
unserve one "$a"
expect_equal "I/O errors" "" "$(log_since partitions | grep -i 'I/O error' || true)"

# Accounting: what direct I/O of known sizes adds to the counters.
serve one "$a"
storage --raw "$(address one):1025" "$b"
stat() { awk '{ print $'"$1"' }' /sys/block/dst/stat; }
change() {
	local -a before after
	read -ra before </sys/block/dst/stat
	"$@"
	read -ra after </sys/block/dst/stat
	echo $((after[0] - before[0])) $((after[2] - before[2])) $((after[4] - before[4])) $((after[6] - before[6]))
}
expect_equal "reads, sectors read, writes, sectors written by 70 reads of 4 KiB" "70 560 0 0" \
	"$(change dd if=/dev/dst of=/dev/null bs=4k count=70 iflag=direct status=none)"
expect_equal "the same of 30 writes of 1536 bytes" "0 0 30 90" \
	"$(change dd if=/dev/zero of=/dev/dst bs=1536 count=30 oflag=direct status=none)"
# One that crosses the boundary of the nodes, and one in many pieces, count once.
expect_equal "the same of a write over the boundary" "0 0 1 256" \
	"$(change dd if=/dev/zero of=/dev/dst bs=128k count=1 seek=$((24 * 1024 * 1024 - 65536)) oflag=direct,seek_bytes status=none)"
expect_equal "in flight" 0 "$(stat 9)"
(($(stat 10) > 0)) || fail "no time was counted"
iostat -dk dst >"$work/iostat"
awk '$1 == "dst" { exit !($6 >= 280 && $7 >= 173) }' "$work/iostat" || fail "iostat counts wrong: $(cat "$work/iostat")"
# The storage's own counters and those of its nodes agree with that, a moment after the I/O has ended.
wait_until 60 grep -qx 0 /sys/devices/storage/in_flight || fail "the nodes do not get done"
reads=$(cat /sys/devices/storage/read_ios) written=$(cat /sys/devices/storage/write_bytes)
expect_equal "reads that the storage counts" "$(stat 1)" "$reads"
expect_equal "bytes that the storage counts as written" $(($(stat 7) * 512)) "$written"
expect_equal "bytes that the nodes count as written" "$written" \
	$(($(node_file storage 0 write_bytes) + $(node_file storage $((24 * 2048)) write_bytes)))
storage_delete storage
unserve one "$a"

# Limits: 4 KiB blocks beside 512 bytes make 4 KiB, and the odd end of a node is not used.
serve one "$coarse"
on client dst create storage --raw "$odd" "$(address one):1025" >"$work/said"
expect_equal "logical and physical block" "4096 4096" "$(blockdev --getss /dev/dst) $(blockdev --getpbsz /dev/dst)"
expect_equal "size" $((8000 + 32768)) "$(sectors /dev/dst)"
expect_equal "start of the second node" 8000 "$(node_file storage 8000 start)"
expect_error "" dd if=/dev/zero of=/dev/dst bs=512 count=1 oflag=direct status=none
dd if=/dev/zero of=/dev/dst bs=8k count=1 seek=$((8000 * 512 - 4096)) oflag=direct,seek_bytes status=none
storage_delete storage
unserve one "$coarse"
