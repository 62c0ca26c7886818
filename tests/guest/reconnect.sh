#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Connections that break again and again at full depth cost nothing but time: what was not answered is sent again, and
# all data is right in the end.
# needs: ip losetup fio
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

breaks=${ROUNDS:-6}
network client one
disk a 30001
disk b 30001
module_load
serve one "$a"
on client dst create storage --raw "$(address one):1025" "$b"

reconnects() { node_file storage 0 reconnects; }
written() { node_file storage 0 write_ios; }
up() { [[ $(node_file storage 0 state) == up ]]; }
gone() { ! kill -0 "$1"; }

# Over the boundary to the local node, which lies in the middle of a page. It goes on until it is told to end, then reads
# all of it back.
fio --output="$work/fio.log" --name=breaks --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=64 --rw=randwrite \
	--bssplit=512/20:4k/40:12800/20:128k/20 --blockalign=512 --size=$((40000 * 512)) --loops=1000 --time_based \
	--runtime=1000 --verify=crc32c --verify_fatal=1 --verify_backlog=256 --trigger-file="$work/enough" &
fio=$!
for ((i = 1; i <= breaks; i++)); do
	before=$(written)
	wait_until 60 at_least $((before + 100)) written || fail "I/O stands still before break $i: $(dst status storage)"
	begin=$SECONDS
	on one dst export del --force "$a" >/dev/null
	say "break $i: the export was deleted in $((SECONDS - begin)) s"
	serve one "$a"
	wait_until 60 at_least "$i" reconnects || fail "no new connection after break $i: $(dst status storage)"
	wait_until 60 up || fail "the node is $(node_file storage 0 state) after break $i"
done
! gone "$fio" 2>/dev/null || { cat "$work/fio.log"; fail "the I/O ended before it was told to"; }
touch "$work/enough"
wait_until 90 gone "$fio" || fail "the I/O does not come to its end: $(dst status storage)"
wait "$fio" || { cat "$work/fio.log"; fail "I/O failed or data differs after connections broke"; }
expect_equal "errors" 0 "$(cat /sys/devices/storage/errors)"
(($(node_file storage 0 retries) > 0)) || fail "no break hit a request in flight"
storage_delete storage
unserve one "$a"
