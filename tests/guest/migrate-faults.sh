#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What goes wrong while a node moves, under a load that reads back all that it writes: the new device fails, is away for a
# while, or loses its cache; the old one is away, or has a sector that cannot be read; another node is away when the job has to
# tell it, or another machine's; the job is paused and cancelled; the storage is deleted by force.
# The load never notices, the node is on one of the two devices, and the job says why it is where it is.
# needs: ip losetup fio dmsetup
# timeout: 660
# log-allow: Buffer I/O error|I/O error|lost async page write
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one two
disk a 24M
disk b 16M
disk c 24M
disk d 24M
module_load
serve one "$a"
serve two "$c"
one=$(address one):1025 two=$(address two):1025
size=$((20 << 20))

# table DEVICE FROM COUNT: DEVICE with sectors that cannot be read or written.
table() {
	local device=$1 from=$2 count=$3
	((from == 0)) || echo "0 $from linear $device 0"
	echo "$from $count error"
	echo "$((from + count)) $(($(sectors "$device") - from - count)) linear $device $((from + count))"
}
whole() { echo "0 $(sectors "$1") linear $1 0"; }
dmsetup create dst-bad --table "$(whole "$d")"
at_exit dmsetup remove --retry dst-bad
bad=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-bad)
turn_bad() {
	dmsetup suspend --noflush dst-bad
	printf '%s\n' "$1" | dmsetup load dst-bad
	dmsetup resume dst-bad
}

create() { on client dst create storage "$@" >/dev/null || fail "there is no storage of $*"; }
# begun ARGUMENTS...: begins to move node 0, and tells the job's number.
begun() { on client dst --json job migrate storage 0 "$@" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
job() { cat "/sys/devices/storage/job-$1/$2"; }
is() { [[ $(job "$1" state) == "$2" ]]; }
waits() { grep -q "$2" "/sys/devices/storage/job-$1/waits_for"; }
has_copied() { (($(job "$1" "done") >= $2)); }
ends() { wait_until 60 is "$1" "$2" || fail "job $1 is $(job "$1" state), not $2: $(on client dst job show "$1"; on client dst status)"; }
place() { on client dst status storage | awk -v node="$1" '$1 == node && /[LR]: / { sub(/.*[LR]: /, ""); print $1 }'; }
written() { cat /sys/devices/storage/write_ios; }
gone() { ! kill -0 "$1" 2>/dev/null; }

fio_begin() {
	rm -f "$work/enough"
	fio --output="$work/fio.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bssplit=512/20:4k/40:12800/20:128k/20 --blockalign=512 --size="$size" --loops=1000 --time_based --runtime=1000 \
		--verify=crc32c --verify_fatal=1 --verify_backlog=256 --fsync=64 --trigger-file="$work/enough" &
	fio=$!
	at_exit kill "$fio"
	goes_on "at its begin"
}
goes_on() {
	local least
	least=$(($(written) + 50))
	wait_until 60 at_least "$least" written || fail "$1: the load stands still: $(on client dst status; on client dst job list)"
	! gone "$fio" || fail "$1: the load has ended: $(cat "$work/fio.log")"
}
fio_end() {
	goes_on "$1"
	touch "$work/enough"
	wait_until 90 gone "$fio" || fail "$1: the load does not come to its end: $(on client dst status)"
	wait "$fio" || fail "$1: the load has failed: $(cat "$work/fio.log")"
	expect_equal "$1: errors" 0 "$(cat /sys/devices/storage/errors)"
}

say "paused, resumed, and cancelled"
create "$one" "$b"
fio_begin
id=$(begun "$bad" --rate-limit 2M)
wait_until 60 has_copied "$id" $((3 << 20)) || fail "nothing is copied"
expect_error "a node of the storage is being moved" on client dst job migrate storage 1 "$two"
expect_error "works on node 0" on client dst job verify storage
disk e 16M
expect_error "a node of the storage is being moved" on client dst add storage "$e"
on client dst job pause "$id" >/dev/null
wait_until 60 is "$id" paused || fail "the job is $(job "$id" state)"
goes_on "while it is paused"
on client dst job resume "$id" >/dev/null
wait_until 60 has_copied "$id" $((5 << 20)) || fail "nothing more is copied"
on client dst job cancel "$id" >/dev/null
ends "$id" cancelled
expect_equal "the place" "$one" "$(place 0)"
goes_on "after it was cancelled"

say "the new device fails"
id=$(begun "$bad" --rate-limit 4M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
turn_bad "$(table "$d" 8192 30000)"
ends "$id" failed
grep -q "$bad.*the node stays where it is" "/sys/devices/storage/job-$id/reason" || fail "it says: $(job "$id" reason)"
expect_equal "the place" "$one" "$(place 0)"
goes_on "after the new device has failed"
turn_bad "$(whole "$d")"

say "the new device is away for a while"
id=$(begun "$two" --rate-limit 4M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
cable two down
goes_on "while the new device is away"
is_waiting() { waits "$id" "to be connected again"; }
wait_until 60 is_waiting || fail "the job waits for $(job "$id" waits_for)"
goes_on "while the new device is given up for now"
cable two up
ends "$id" "done"
expect_equal "the place" "$two" "$(place 0)"
fio_end "after the new device was away"
dst label "$a" | grep -q "is not used any more" || fail "the old device's label: $(dst label "$a")"

say "the old device is away for a while"
fio_begin
id=$(begun "$one" --rate-limit 4M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
cable two down
sleep 3
cable two up
ends "$id" "done"
expect_equal "the place" "$one" "$(place 0)"
fio_end "after the old device was away"

say "deleted by force in the middle"
fio_begin
id=$(begun "$two" --rate-limit 2M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
begin=$SECONDS
on client dst delete --force storage >/dev/null || fail "the storage cannot be deleted"
say "deleted in $((SECONDS - begin)) s"
((SECONDS - begin <= 10)) || fail "the deletion took $((SECONDS - begin)) s"
wait "$fio" && fail "the load does not notice that its disk has gone"
# The new device is beside the one that holds the node, in which order ever.
create "$one" "$b"
storage_delete storage
expect_error "add the device that it was made of" on client dst create storage "$two" "$b"
create "$one" "$b" "$two"
expect_equal "the place" "$one" "$(place 0)"
dd if=/dev/urandom of=/dev/dst bs=1M count=16 oflag=direct status=none
sum=$(dd if=/dev/dst bs=1M count=16 iflag=direct status=none | sha256sum)
# What was copied before is worth nothing.
id=$(begun "$two")
ends "$id" "done"
expect_equal "the data" "$sum" "$(dd if=/dev/dst bs=1M count=16 iflag=direct status=none | sha256sum)"
storage_delete storage

say "the new device loses its cache"
unserve one "$a"
unserve two "$c"
serve one "$a" --write-back
serve two "$c" --write-back
create "$two" "$b"
id=$(begun "$one" --rate-limit 4M)
wait_until 60 has_copied "$id" $((8 << 20)) || fail "nothing is copied"
# An export that is made again is another cache.
on one dst export del --force "$a" >/dev/null
serve one "$a" --write-back
begins_anew() { (($(job "$id" "done") < 6 << 20)); }
wait_until 60 begins_anew || fail "what was copied before the cache was lost counts still: $(job "$id" "done")"
ends "$id" "done"
expect_equal "the place" "$one" "$(place 0)"
expect_equal "the data" "$sum" "$(dd if=/dev/dst bs=1M count=16 iflag=direct status=none | sha256sum)"
storage_delete storage

say "a sector that cannot be read"
unserve two "$c"
dst label --wipe "$bad" >/dev/null || fail "the label cannot be wiped"
create --force "$bad" "$e"
turn_bad "$(table "$d" 12288 8)"
id=$(begun "$c" --force)
wait_until 60 is "$id" paused || fail "the job is $(job "$id" state): $(on client dst job show "$id")"
waits "$id" "node 0, of which sector 12288, or what is near it, cannot be read" || fail "it says: $(job "$id" waits_for)"
expect_equal "the place" "$bad" "$(place 0)"
on client dst status storage | grep -q "job $id: migrate of node 0 is paused.*cannot be read" || fail "$(on client dst status storage)"
turn_bad "$(whole "$d")"
on client dst job resume "$id" >/dev/null
ends "$id" "done"
expect_equal "the place" "$c" "$(place 0)"
storage_delete storage
unserve one "$a"

say "another node is away when one has moved"
for device in "$a" "$c" "$bad"; do dst label --wipe "$device" >/dev/null || fail "the label of $device cannot be wiped"; done
serve one "$a"
create "$c" "$one"
id=$(begun "$bad" --rate-limit 4M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
cable one down
# It is asked for half a minute before that counts as having failed.
asks() { waits "$id" "an answer from R: $one"; }
wait_until 20 asks || fail "the job does not say for whom it waits, but '$(job "$id" waits_for)': $(on client dst status)"
dd if=/dev/zero of=/dev/dst bs=4k count=16 oflag=direct status=none || fail "the node that has moved cannot be written"
expect_equal "the job while the other node is away" running "$(job "$id" state)"
cable one up
ends "$id" "done"
expect_equal "the place" "$bad" "$(place 0)"
storage_delete storage

say "another machine takes the storage over when a node has moved"
unserve one "$a"
for device in "$a" "$c" "$bad"; do dst label --wipe "$device" >/dev/null || fail "the label of $device cannot be wiped"; done
serve one "$a"
create "$c" "$one"
id=$(begun "$bad" --rate-limit 4M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
# An export that is made again does not wait for who was there.
cable client down
on one dst export del --force "$a" >/dev/null
serve one "$a"
on two dst create other --force --device dst-other "$one" >/dev/null || fail "the other machine cannot take the node"
cable client up
ends "$id" failed
grep -q "another machine has taken the storage over" "/sys/devices/storage/job-$id/reason" || fail "it says: $(job "$id" reason)"
# That nothing is moved any more is not what is in the way.
expect_error "another machine has taken the storage over while a node was being moved" on client dst job migrate storage 0 "$e"
expect_error "another machine has taken the storage over while a node was being moved" on client dst add storage "$e"
expect_error "another machine has taken the storage over while a node was being moved" on client dst replace storage 1 "$e"
begin=$SECONDS
on client dst delete --force storage >/dev/null || fail "the storage cannot be deleted"
((SECONDS - begin <= 10)) || fail "the deletion took $((SECONDS - begin)) s"
storage_delete other
unserve one "$a"
module_unload
