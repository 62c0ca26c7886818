#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Discarded and zeroed ranges read as zeroes, free their room on nodes that can, and leave their neighbours alone; nodes
# that cannot discard or zero take part.
# needs: ip losetup blkdiscard fallocate python3 null_blk
# timeout: 400
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

# plain VARIABLE NAME MEGABYTES: a disk in memory that can neither discard nor zero.
plain() {
	local -n plain_out=$1
	local folder=/sys/kernel/config/nullb/$2
	mkdir "$folder"
	at_exit rmdir "$folder"
	printf '%s' "$3" >"$folder/size"
	for item in memory_backed=1 blocksize=512 power=1; do echo "${item#*=}" >"$folder/${item%=*}"; done
	plain_out=/dev/$2
}
modprobe null_blk nr_devices=0
at_exit modprobe -r null_blk
mountpoint -q /sys/kernel/config || { mount -t configfs configfs /sys/kernel/config; at_exit umount /sys/kernel/config; }

network client one two
disk a $((4096 * 8))
disk b $((2048 * 8))
plain p nullb-local 8
plain q nullb-remote 8
module_load

blocks() { stat -c %b "$(disk_file "$1")"; }
used() { cat "/sys/block/dst/queue/$1"; }
# fill BYTES: the storage and the model hold the same noise, another one each time.
fills=0
fill() {
	fills=$((fills + 1))
	pattern "$1" "$fills" >"$work/model"
	dd if="$work/model" of=/dev/dst bs=1M oflag=direct status=none
}
# zeroed SECTOR COUNT: notes in the model that the range must read as zeroes.
zeroed() { dd if=/dev/zero of="$work/model" bs=512 seek="$1" count="$2" conv=notrunc status=none; }
same() { dd if=/dev/dst bs=1M iflag=direct status=none | cmp - "$work/model" || fail "$*"; }

# All nodes can: the one in the network and the local one. An export that writes through offers no write-zeroes, because
# only a flush would make them stable.
serve one "$a" --write-back
on client dst create storage --raw "$(address one):1025" "$b"
(($(used discard_max_bytes) > 0)) || fail "the storage cannot discard although its nodes can"
(($(used write_zeroes_max_bytes) > 0)) || fail "the storage cannot write zeroes although its nodes can"
fill $((6144 * 4096))
before_a=$(blocks "$a") before_b=$(blocks "$b")
blkdiscard --offset $((3000 * 4096)) --length $((2000 * 4096)) /dev/dst
zeroed $((3000 * 8)) $((2000 * 8))
expect_equal "blocks freed of the remote disk" $((1096 * 8)) $((before_a - $(blocks "$a")))
expect_equal "blocks freed of the local disk" $((904 * 8)) $((before_b - $(blocks "$b")))
same "a discarded range does not read as zeroes, or another one changed"
# Write-zeroes that may free, then such that may not: the loop device does the first by itself, and ceases to offer either
# when it finds that its file in memory cannot do the second; then the block layer writes zeroes instead.
fill $((6144 * 4096))
fallocate --punch-hole --offset $((3500 * 4096)) --length $((1000 * 4096)) /dev/dst
zeroed $((3500 * 8)) $((1000 * 8))
same "a hole that was punched"
# A discard of a single sector at a time, which the nodes may or may not carry out, harms nobody.
fill $((6144 * 4096))
blkdiscard --offset $((4096 * 4096 - 512)) --length 1024 /dev/dst
zeroed $((4096 * 8 - 1)) 2
blkdiscard --zeroout --offset $((4096 * 4096 - 512)) --length 1024 /dev/dst
same "two zeroed sectors at the boundary"
blkdiscard --zeroout --offset 512 --length $((5000 * 4096)) /dev/dst
zeroed 1 $((5000 * 8))
same "a range that was zeroed with BLKZEROOUT"
fallocate --zero-range --offset $((100 * 4096)) --length $((4500 * 4096)) /dev/dst
zeroed $((100 * 8)) $((4500 * 8))
same "a range that was zeroed with fallocate"
storage_delete storage
unserve one "$a"

# Some can: the order is able, unable (local), unable (remote).
serve one "$a"
serve two "$q"
on client dst create storage --raw "$(address one):1025" "$p" "$(address two):1025"
total=$(((4096 * 8) + 2 * 16384))
expect_equal "size of the mixture" "$total" "$(sectors /dev/dst)"
(($(used discard_max_bytes) > 0)) || fail "the mixture cannot discard although one node can"
fill $((total * 512))
before_a=$(blocks "$a")
# Over the boundary from the able to the unable one: those that cannot keep what they had.
blkdiscard --offset $((4000 * 4096)) --length $((3000 * 4096)) /dev/dst
zeroed $((4000 * 8)) $((96 * 8))
expect_equal "longest write-zeroes of the mixture" 0 "$(used write_zeroes_max_bytes)"
expect_equal "blocks freed in the mixture" $((96 * 8)) $((before_a - $(blocks "$a")))
same "the mixture after a discard"
blkdiscard --zeroout --offset $((4001 * 4096 - 512)) --length $((2500 * 4096)) /dev/dst
zeroed $((4001 * 8 - 1)) $((2500 * 8))
same "the mixture after BLKZEROOUT"
storage_delete storage
unserve one "$a"
unserve two "$q"

# None can: a discard is refused, zeroes are written.
serve two "$q"
on client dst create storage --raw "$p" "$(address two):1025"
expect_equal "longest discard where no node can" 0 "$(used discard_max_bytes)"
expect_error "not supported" blkdiscard --length 1M /dev/dst
fill $((2 * 16384 * 512))
blkdiscard --zeroout --offset $((8000 * 512)) --length $((10000 * 512)) /dev/dst
zeroed 8000 10000
same "zeroes where no node can write them by itself"
storage_delete storage
unserve two "$q"
