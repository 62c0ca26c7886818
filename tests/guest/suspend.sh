#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A node is suspended under load: nothing is sent to it, I/O to the others goes on, what waits is told and is issued in its
# order when the node goes on; what cannot be is answered; a deletion does not wait for it.
# needs: ip losetup fio python3 fsfreeze mkfs.ext4 brd
# timeout: 400
# log-allow: Buffer I/O error|I/O error
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/hanging.sh"

network client one two
disk a 32M
disk b 32M
# A device that has done a write when the write was submitted, so that the order of submission is the order of effect.
modprobe brd rd_nr=1 rd_size=32768
at_exit rmmod brd
c=/dev/ram0
module_load
serve one "$a"
serve two "$b"
on client dst create storage "$(address one):1025" "$(address two):1025" "$c" >/dev/null
start_b=$(sed -n 's/.*: 0 \[[0-9]*\] | \([0-9]*\) .*/\1/p' /sys/devices/storage/nodes)
start_c=$(sed 's/.* \([0-9]*\) \[[0-9]*\]$/\1/' /sys/devices/storage/nodes)

stuck() { node_file storage 0 queued; }
written() { node_file storage 0 write_ios; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# goes_on SECTOR WHERE
goes_on() {
	timeout 100 fio --output="$work/sound.log" --name=sound --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --bs=4k --offset=$(($1 * 512)) --size=8m --number_ios=300 --verify=crc32c --verify_fatal=1 ||
		{ cat "$work/sound.log"; fail "I/O to $2 does not go on while a node is suspended"; }
}

say "under load"
follow_events client
fio --output="$work/load.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=64 --rw=randwrite \
	--bs=4k --size=16m --number_ios="${IOS:-4000}" --verify=crc32c --verify_fatal=1 &
load=$!
# Over the boundary to the next node, and larger than a request; what such a bio does first is done on the other node.
fio --output="$work/cross.log" --name=cross --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=8 --rw=write --bs=2m \
	--offset=$((start_b * 512 - (1 << 20))) --size=2m --loops=20 --verify=crc32c --verify_fatal=1 &
cross=$!
before=$(written)
wait_until 60 at_least $((before + 200)) written || fail "the first node is not written to"
answer=$(dst suspend storage 0 --timeout 60)
[[ $answer == *"node 0 of storage \"storage\" is suspended: nothing is on its way to it;"* ]] || fail "suspend said: $answer"
still=$(written)
wait_until 30 at_least 64 stuck || fail "there are only $(stuck) requests that wait"
goes_on $((start_b + 8192)) "the other remote node"
goes_on $((start_c + 8192)) "the local node"
expect_equal "writes to a suspended node" "$still" "$(written)"
expect_equal "requests on their way to a suspended node" 0 "$(node_file storage 0 in_flight)"
kill -0 "$load" || fail "the I/O to the suspended node ended: $(cat "$work/load.log")"

say "what is told"
expect_equal "the node's state" suspended "$(node_file storage 0 state)"
expect_equal "what the node waits for" "to be resumed" "$(node_file storage 0 waits_for)"
expect_equal "the storage's state" degraded "$(cat /sys/devices/storage/state)"
expect_equal "what the storage waits for" "node 0 to be resumed" "$(cat /sys/devices/storage/waits_for)"
(($(node_file storage 0 since) > 0)) || fail "since when the node is suspended: $(node_file storage 0 since)"
dst status storage >"$work/status"
grep -Eq "suspended: since 20[-0-9]*T[0-9:]*Z, $(stuck) requests wait" "$work/status" || fail "the status: $(cat "$work/status")"
wait_until 20 grep -q "node 0 of storage .* is suspended" "$work/events" || fail "no event: $(cat "$work/events")"

say "what cannot be"
exits() {
	local expected=$1 status=0
	shift
	"$@" >/dev/null 2>&1 || status=$?
	expect_equal "exit status of '$*'" "$expected" "$status"
}
expect_error 'node 0 of "storage" is suspended already' dst suspend storage 0
exits 6 dst suspend storage 0
expect_error 'node 1 of "storage" is not suspended' dst resume storage 1
expect_error 'has no such node' dst suspend storage 3
expect_error 'there is no storage "other"' dst suspend other 0
expect_error 'there is no storage "other"' dst resume other 0

say "it goes on"
dst resume storage "$(address one):1025" >/dev/null
expect_error 'node 0 of "storage" is not suspended' dst resume storage 0
for name in load cross; do
	wait_until 120 gone "${!name}" || fail "the I/O '$name' did not go on: $(dst status storage)"
	wait "${!name}" || { cat "$work/$name.log"; fail "the I/O '$name' that waited failed or left wrong data"; }
done
wait_until 20 grep -q "node 0 of storage .* is up" "$work/events" || fail "no event: $(cat "$work/events")"
expect_equal "the storage's state" running "$(cat /sys/devices/storage/state)"
expect_equal errors 0 "$(cat /sys/devices/storage/errors)"

say "again and again"
fio --output="$work/load.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=64 --rw=randwrite \
	--bsrange=4k-256k --number_ios="${IOS:-1500}" --verify=crc32c --verify_fatal=1 &
load=$!
for round in {1..12}; do
	dst suspend storage $((round % 3)) >/dev/null
	dst resume storage $((round % 3)) >/dev/null
done
wait "$load" || { cat "$work/load.log"; fail "I/O failed, or left wrong data, as nodes were suspended"; }

say "the order of what waits"
# The same block is written by one after the other; each begins when the one before waits.
dst suspend storage "$c" >/dev/null
writers=()
for number in {1..20}; do
	pattern 4096 "$number" | dd of=/dev/dst bs=4096 count=1 seek=$((start_c / 8)) oflag=direct iflag=fullblock status=none &
	writers+=($!)
	wait_until 20 at_least "$number" node_file storage "$start_c" queued || fail "write $number does not wait"
done
dst resume storage 2 >/dev/null
wait "${writers[@]}"
dd if=/dev/dst of="$work/found" bs=4096 count=1 skip=$((start_c / 8)) iflag=direct status=none
pattern 4096 20 >"$work/last"
pattern 4096 19 >"$work/other"
cmp "$work/last" "$work/found" || fail "what was written last is not what is there"
# The control: where the order is another one, that is seen.
! cmp -s "$work/other" "$work/found" || fail "the comparison does not see what was written"
storage_delete storage

say "a suspended node is not given up"
on client dst create storage --force --retry-limit 1 "$(address one):1025" "$(address two):1025" >/dev/null
dst suspend storage 0 >/dev/null
on one dst export del --force "$a" >/dev/null
on two dst export del --force "$b" >/dev/null
is_failed() { [[ $(node_file storage "$1" state) == failed ]]; }
wait_until 60 is_failed "$start_b" || fail "the node that is not suspended is $(node_file storage "$start_b" state)"
has_reason() { [[ -n $(node_file storage 0 reason) ]]; }
wait_until 60 has_reason || fail "that the node is away is not told"
expect_equal "the suspended node's state" suspended "$(node_file storage 0 state)"
serve one "$a"
dd if=/dev/dst of=/dev/null bs=4096 count=1 iflag=direct status=none &
reader=$!
wait_until 20 at_least 1 stuck || fail "the read does not wait"
dst resume storage 0 >/dev/null
wait "$reader" || fail "the suspended node's I/O failed though its machine came back"
dst delete --force storage >/dev/null
serve two "$b"

say "a node that does not answer"
disk outer 48M
hanging hung "$outer"
unserve two "$b"
serve two "$hung"
on client dst create storage --force "$(address one):1025" "$(address two):1025" "$c" >/dev/null
fsfreeze -f "$work/hung"
at_exit fsfreeze -u "$work/hung"
start_b=$(sed -n 's/.*: 0 \[[0-9]*\] | \([0-9]*\) .*/\1/p' /sys/devices/storage/nodes)
fio --output="$work/hung.log" --name=hung --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=4k \
	--offset=$((start_b * 512)) --size=8m --number_ios=64 >/dev/null 2>&1 &
writer=$!
wait_until 30 at_least 16 node_file storage "$start_b" in_flight || fail "nothing is at the node that does not answer"
answer=$(dst suspend storage 1 --timeout 1)
[[ $answer == *"is suspended: 16 requests that it was given before are not answered yet"* ]] || fail "suspend said: $answer"
dst resume storage 1 >/dev/null

say "forced deletion while a node is being suspended, and while one is"
dst suspend storage 0 >/dev/null
dd if=/dev/dst of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null &
reader=$!
wait_until 20 at_least 1 stuck || fail "the read does not wait"
dst suspend storage 1 --timeout 300 >"$work/suspending" 2>&1 &
suspending=$!
is_suspended() { [[ $(node_file storage "$1" state) == suspended ]]; }
wait_until 20 is_suspended "$start_b" || fail "the node is $(node_file storage "$start_b" state)"
begun=$SECONDS
dst delete --force storage >/dev/null || fail "the storage cannot be deleted"
((SECONDS - begun <= 10)) || fail "the deletion took $((SECONDS - begun)) seconds"
! wait "$suspending" || fail "a node of a storage that was deleted was suspended: $(cat "$work/suspending")"
grep -q "is being deleted" "$work/suspending" || fail "suspend said: $(cat "$work/suspending")"
! wait "$reader" || fail "a read that waited for a suspended node succeeded when the storage was deleted"
wait "$writer" || true
fsfreeze -u "$work/hung"

say "deletion in order"
unserve two "$hung"
on client dst create storage --force "$(address one):1025" "$c" >/dev/null
dst suspend storage 0 >/dev/null
storage_delete storage
on client dst create storage --force --no-start "$(address one):1025" "$c" >/dev/null
expect_error 'the storage "storage" is not started' dst suspend storage 0
storage_delete storage
unserve one "$a"
