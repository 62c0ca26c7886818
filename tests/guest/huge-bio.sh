#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A bio of 1 GiB, written and read at once, crosses nodes and comes back as it was.
# needs: ip losetup zramctl python3 blkdiscard zram
# timeout: 1200
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

echo 3 >/proc/sys/vm/drop_caches
(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) > 1350 * 1024)) || skip "this guest has not enough memory free"
gib=$((1 << 30))

# zram keeps pages that repeat one number as that number, so that 1 GiB takes no memory.
zram() {
	local -n zram_out=$1
	zram_out=$(zramctl --find --size "$2")
	at_exit zramctl -r "$zram_out"
}
network client one
zram a 600M
zram b 600M
disk c $((1200000 + 1))
disk d $((1200000 + 1))
module_load

# longest DEVICE COMMAND...: runs COMMAND and puts the length of the longest bio that DEVICE got into "bytes".
trace=/sys/kernel/tracing
at_exit bash -c "echo 0 >$trace/events/block/block_bio_queue/enable; echo >$trace/trace"
longest() {
	local device=$1
	shift
	echo >$trace/trace
	echo "dev == $((0x$(stat -c %t "$device") << 20 | 0x$(stat -c %T "$device"))) && nr_sector > 0" \
		>$trace/events/block/block_bio_queue/filter
	echo 1 >$trace/events/block/block_bio_queue/enable
	"$@" || fail "see above"
	echo 0 >$trace/events/block/block_bio_queue/enable
	bytes=$(awk '/block_bio_queue:/ { for (i = 1; i < NF; i++) if ($i == "+" && $(i + 1) > most) most = $(i + 1) }
		END { print most * 512 }' $trace/trace)
}

# Written: every page with a number of its own, so that no two places can be mistaken for each other.
serve one "$a"
on client dst create storage --raw "$(address one):1025,size=$((1228800 - 40))" "$b"
longest /dev/dst python3 "$tests/helpers/huge-bio.py" write /dev/dst 8192 $gib
expect_equal "longest bio written" $gib "$bytes"
echo 1 >/sys/block/"${a#/dev/}"/compact
longest /dev/dst python3 "$tests/helpers/huge-bio.py" read /dev/dst 8192 $gib
expect_equal "longest bio read" $gib "$bytes"
storage_delete storage
unserve one "$a"

# Read over a boundary in the middle of a page, from sparse disks: marks stand in a sea of zeroes.
python3 "$tests/helpers/huge-bio.py" mark $((1200001 * 512)) $((512 * 3)) "$(disk_file "$c")" "$(disk_file "$d")"
serve one "$c"
on client dst create storage --raw "$(address one):1025" "$d"
longest /dev/dst python3 "$tests/helpers/huge-bio.py" marks /dev/dst $((512 * 3)) $gib
expect_equal "longest bio read over an odd boundary" $gib "$bytes"

# Discarded: no data, but as long as a bio can be.
longest /dev/dst blkdiscard --offset 0 --length $gib /dev/dst
((bytes >= gib / 2)) || fail "the longest discard had only $bytes bytes"
expect_equal "what is left of the first disk" 0 "$(stat -c %b "$(disk_file "$c")")"
storage_delete storage
unserve one "$c"
