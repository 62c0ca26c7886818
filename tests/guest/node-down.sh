#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One node's cable is pulled at full depth: I/O to the other nodes keeps its speed, and when the cable is back all that
# stood still completes and is right.
# needs: ip losetup fio
# timeout: 400
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

outages=${ROUNDS:-1}
network client one two
disk a 32M
disk b 32M
disk c 32M
module_load
serve one "$a"
serve two "$b"
on client dst create storage --raw "$(address one):1025" "$(address two):1025" "$c"
end_a=65536

# took DEVICE OFFSET: milliseconds that a fixed amount of I/O takes in 32 MiB of a device, from byte OFFSET on.
took() {
	timeout 100 fio --minimal --name=measure --filename="$1" --direct=1 --ioengine=libaio --iodepth=8 \
		--rw=randread --bs=4k --offset="$2" --size=32m --number_ios="${IOS:-3000}" >"$work/measure" ||
		fail "I/O to another node than the one that is down does not come to an end"
	cut -d';' -f9 "$work/measure"
}
# ratio SECTOR: the time that I/O behind SECTOR of the storage takes, in percent of what the same I/O takes on the local
# node's own device just before and after it. Other work of the machine slows down both.
ratio() {
	local before storage after
	before=$(took "$c" 0)
	storage=$(took /dev/dst $(($1 * 512)))
	after=$(took "$c" 0)
	say "behind sector $1: $storage ms; on the local device $before and $after ms" >&2
	echo "$((200 * storage / (before + after + 1)))"
}
# keeps_up SECTOR BEST WHERE: some attempt must come to at most twice the undisturbed ratio BEST. The machine's other
# work also hits one of the two alone at times; a node that is in the way would slow down all attempts.
keeps_up() {
	local now best=
	for _ in {1..10}; do
		now=$(ratio "$1")
		[[ -n $best ]] && ((best <= now)) || best=$now
		((best > 2 * $2)) || break
	done
	say "I/O to $3 takes $2 % of the time of the bare device undisturbed, $best % while another node is down"
	((best <= 2 * $2)) || fail "I/O to $3 became slow while another node is down: $best % of the time of the bare device instead of $2 %"
}
# The largest of three: where the local device was hit, a ratio is too small.
undisturbed() { for _ in 1 2 3; do ratio "$1"; done | sort -n | tail -n 1; }
stuck() { echo $(($(node_file storage 0 in_flight) + $(node_file storage 0 queued))); }
written() { node_file storage 0 write_ios; }
gone() { ! kill -0 "$1"; }
# settled: nothing is written for a while; answers that were there before the cable was pulled are taken in first.
settled() {
	still=$(written)
	wait_until 2 false || (($(written) == still))
}

for ((outage = 1; outage <= outages; outage++)); do
	best_b=$(undisturbed $end_a)
	best_c=$(undisturbed $((2 * end_a)))
	before=$(written)
	fio --output="$work/fio.log" --name=down --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=64 \
		--rw=randwrite --bs=4k --size=32m --number_ios=4000 --verify=crc32c --verify_fatal=1 --randseed="$outage" &
	fio=$!
	wait_until 60 at_least $((before + 200)) written || fail "the first node is not written to"
	cable one down
	wait_until 30 at_least 64 stuck || fail "there are only $(stuck) requests to the node that is down"
	wait_until 60 settled || fail "writes to the first node go on without a cable"
	keeps_up $end_a "$best_b" "the other remote node"
	keeps_up $((2 * end_a)) "$best_c" "the local node"
	kill -0 "$fio" 2>/dev/null || fail "the I/O to the node that is down ended: $(cat "$work/fio.log")"
	expect_equal "writes that a node answered without a cable" "$still" "$(written)"
	timeout 60 dst status storage >"$work/status" || fail "the status cannot be asked for while a node is down"
	cable one up
	wait_until 120 gone "$fio" || fail "the I/O did not go on when the cable was plugged in: $(dst status storage)"
	wait "$fio" || { cat "$work/fio.log"; fail "the I/O that stood still failed or left wrong data"; }
	wait_until 60 grep -qx up /sys/devices/storage/n-0/state || fail "the node is $(node_file storage 0 state)"
done
expect_equal "errors" 0 "$(cat /sys/devices/storage/errors)"
storage_delete storage
unserve one "$a"
unserve two "$b"
