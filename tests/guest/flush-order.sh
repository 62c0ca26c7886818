#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A trace of all block devices shows: with write-through each write is stable on the node's device before it is answered;
# with write-back a flush reaches the nodes' devices after all writes that it covers and before what follows it.
# needs: ip losetup fio python3 mkfs.ext4
# timeout: 180
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

trace=/sys/kernel/tracing
events=(block_bio_queue block_bio_complete block_rq_issue block_rq_complete)
tracing() {
	local event
	for event in "${events[@]}"; do echo "$1" >$trace/events/block/"$event"/enable; done
}
network client one two
disk a 24M
disk b 24M
disk c 24M
module_load
at_exit bash -c "echo 0 >$trace/events/block/enable; echo >$trace/trace; echo local >$trace/trace_clock; \
	echo 1408 >$trace/buffer_size_kb"
# One number for each event of all CPUs: the order is certain.
echo counter >$trace/trace_clock
echo 16384 >$trace/buffer_size_kb
number() { echo "$((0x$(stat -c %t "$1"))),$((0x$(stat -c %T "$1")))"; }

# flushes EVENT FILE: how many flushes of the disk have that event in the trace.
flushes() { grep -c "block_bio_$1: $(number /dev/dst) F" "$2" || true; }

# record FILE FUNCTION: the events of FUNCTION. The kernel switches tracepoints on by changing its code, and an emulated CPU
# may go on with a copy of the code as it was before, at some of the places; then events of bios that have begun are
# missing, and it is done again, at last in a fresh guest.
record() {
	local queued ended
	for _ in 1 2 3; do
		echo >$trace/trace
		tracing 1
		"$2"
		tracing 0
		grep -v '^#' $trace/trace >"$1" || true
		! grep -q 'LOST' "$1" || fail "the trace is not complete"
		queued=$(flushes queue "$1") ended=$(flushes complete "$1")
		((queued != ended)) || return 0
		say "a tracepoint does not work: $queued flushes have begun and $ended have ended"
	done
	unfit "the trace shows $queued flushes that begin and $ended that end"
}

# Writes at some depth, flushes between them, single writes that have to be stable when they end, and a filesystem's
# journal, which orders its writes with flushes.
load() {
	fio --output="$work/fio.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bsrange=512-256k --blockalign=512 --number_ios=150 --size=100% --fsync=20 \
		|| { cat "$work/fio.log"; fail "writing failed"; }
	dd if=/dev/zero of=/dev/dst bs=100k count=20 seek=200 oflag=direct,dsync status=none
	mkfs.ext4 -qF /dev/dst
	mount /dev/dst "$work/mnt"
	for file in 1 2 3; do dd if=/dev/zero of="$work/mnt/$file" bs=64k count=4 conv=fsync status=none; done
	umount "$work/mnt"
}
mkdir "$work/mnt"

# check WHAT WAY TRACE NODE...: what helpers/flush-order.py says of a trace.
check() {
	local what=$1 said status=0
	said=$(judge "${@:2}" 2>&1) || status=$?
	say "$what: $said"
	((status == 0)) || { cat "$3"; fail "$what: $said"; }
}
judge() {
	local way=$1 file=$2
	shift 2
	python3 "$tests/helpers/flush-order.py" "$way" "$file" "$(number /dev/dst)" \
		"$(number "$a"):0:$data" "$(number "$b"):$data:$data" "$(number "$c"):$((2 * data)):$data" "$@"
}

serve one "$a"
serve two "$b"
on client dst create storage "$(address one):1025" "$(address two):1025" "$c"
data=$(node_file storage 0 size)
record "$work/trace" load
check write-through through "$work/trace" 0 1
# The local node has a cache as every local disk: its user flushes.
expect_equal "cache of a storage with a local disk that has one" "write back" "$(cat /sys/block/dst/queue/write_cache)"
check "the local node" back "$work/trace" 2
storage_delete storage
unserve one "$a"
unserve two "$b"

serve one "$a" --write-back
serve two "$b" --write-back
on client dst create storage "$(address one):1025" "$(address two):1025" "$c"
expect_equal "cache of the storage with write-back" "write back" "$(cat /sys/block/dst/queue/write_cache)"
record "$work/trace" load
check write-back back "$work/trace" 0 1 2
# The check itself notices that writes are not stable, and the lack of one node's flushes.
! judge through "$work/trace" 0 1 2>/dev/null || fail "writes that are not stable when they are answered are not noticed"
grep -v "block_rq_complete: $(number "$b") FF" "$work/trace" >"$work/control"
! judge back "$work/control" 0 1 2 2>/dev/null || fail "flushes that are missing are not noticed"
storage_delete storage
unserve one "$a"
unserve two "$b"

# Without any cache there is nothing to flush.
serve one "$a"
on client dst create storage --force "$(address one):1025"
expect_equal "cache of a storage that writes through" "write through" "$(cat /sys/block/dst/queue/write_cache)"
storage_delete storage
unserve one "$a"
