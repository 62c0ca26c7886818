#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random I/O of all sizes and depths over node boundaries in the middle of a page, through a network that delays, loses,
# doubles and reorders, comes back as it was written.
# needs: ip losetup fio netem
# timeout: 300
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

rounds=${ROUNDS:-1}
network client one two
disk a 20001
disk b 20003
disk c 16007
module_load
serve one "$a"
serve two "$b"
on client dst create storage --raw "$(address one):1025" "$(address two):1025" "$c"
for name in one two; do disturb "$name" delay 1ms 1ms loss 1% duplicate 1% reorder 10%; done

# Two processes share the CPUs: one half of the storage with sizes from one sector to 4 MiB, the other with small
# ones in great numbers. The boundaries at 20001 and 40004 lie in the middle of the first and of the second half.
# Each reads back and checks what it wrote while it goes on writing, and all of it at the end.
job() {
	cat <<-END
		[global]
		filename=/dev/dst
		direct=1
		rw=randwrite
		verify=crc32c
		verify_fatal=1
		verify_backlog=64
		randseed=$1
		group_reporting
		cpus_allowed=0-$(($(nproc) - 1))
		cpus_allowed_policy=split
		[large]
		ioengine=libaio
		iodepth=16
		bsrange=512-4m
		blockalign=512
		offset=0
		size=$((28000 * 512))
		[small]
		ioengine=io_uring
		iodepth=64
		bssplit=512/40:1k/10:1536/10:4k/20:4608/10:64k/10
		blockalign=512
		offset=$((38000 * 512))
		size=$((4000 * 512))
	END
}
before_a=$(cat "/sys/block/${a#/dev/}/stat") before_b=$(cat "/sys/block/${b#/dev/}/stat")
for ((round = 1; round <= rounds; round++)); do
	job "$round" >"$work/job"
	fio --output="$work/fio.log" "$work/job" || { cat "$work/fio.log"; fail "fio found a difference in round $round"; }
done
[[ $before_a != "$(cat "/sys/block/${a#/dev/}/stat")" && $before_b != "$(cat "/sys/block/${b#/dev/}/stat")" ]] ||
	fail "nothing was written to the nodes"
tc -n wire -s qdisc show dev port-one | grep -q 'dropped [1-9]' || fail "the network did not lose anything"
for name in one two; do disturb "$name"; done

# fio does notice a wrong byte behind the storage's back.
control=(fio --name=control --filename=/dev/dst --direct=1 --offset=$((20200 * 512)) --size=64k --bs=4k --verify=crc32c)
"${control[@]}" --rw=write --do_verify=0 --output=/dev/null
"${control[@]}" --rw=read --output=/dev/null || fail "what was written before is not there"
corrupt "$b" 255
! "${control[@]}" --rw=read --output=/dev/null 2>/dev/null || fail "a changed byte on a node is not noticed"

storage_delete storage
unserve one "$a"
unserve two "$b"
