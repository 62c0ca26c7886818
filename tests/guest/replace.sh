#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A node goes on where its disk is now, under a load that knows what each sector has to hold: a disk that was carried to
# another machine while requests were unanswered, an export under another address, a disk that comes to this machine and
# leaves it. An image of earlier times, another node's disk, and two ways to one disk are refused, and change nothing. Another
# disk is moved to. What a server's cache has lost is told by a flush.
# needs: ip losetup python3 dmsetup
# timeout: 600
# log-allow: Buffer I/O error|I/O error
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

network client one two
disk a 24M
disk b 24M
disk old 24M
disk clone 24M
disk other 24M
disk new 24M
module_load
one=$(address one):1025 two=$(address two):1025
serve one "$a"
on client dst create storage "$one" "$b" >/dev/null
storage_delete storage
dd if="$a" of="$old" bs=1M iflag=direct oflag=direct status=none
on client dst create storage --keepalive 1 "$one" "$b" >/dev/null
boundary=$(node_file storage 0 size)

replace() { on client dst replace storage "$@"; }
place() { on client dst status storage | awk -v node="$1" '$1 == node && /[LR]: / { sub(/.*[LR]: /, ""); print $1 }'; }
# sequence DISK: the number of its label, of which copy A begins 4 MiB before its end.
sequence() { od -An -tu8 -j $(((20 << 20) + 232)) -N 8 "$(disk_file "$1")" | tr -d ' '; }
state() { node_file storage 0 state; }
is() { [[ $(state) == "$1" ]]; }
becomes() { wait_until 60 is "$1" || fail "node 0 is $(state), not $1: $(dst status storage)"; }
# refuses TEXT ARGUMENT...: the node stays where it is.
refuses() {
	local text=$1 before
	before=$(place 0)
	shift
	expect_error "$text" replace "$@"
	expect_equal "the place after a refusal" "$before" "$(place 0)"
}
content() { dd if="$1" bs=1M iflag=direct status=none | sha256sum; }
# untouched DEVICE TEXT ARGUMENT...: is refused, and nothing on DEVICE has changed.
untouched() {
	local device=$1 before
	shift
	before=$(content "$device")
	refuses "$@"
	expect_equal "what is on a device that was refused" "$before" "$(content "$device")"
}
# goes_on PLACE WHEN
goes_on() {
	expect_equal "$2: the place" "$1" "$(place 0)"
	load_goes_on 20 120 "$2"
}
is_cancelled() { [[ $(on client dst --json job show "$1") == *'"cancelled"'* ]]; }
takes_down() { on "$1" dst export del "$2" --force >/dev/null; }

say "what is not the node's disk"
serve two "$old"
untouched "$old" "it is an image of earlier times" 0 "$two"
untouched "$old" "it is an image of earlier times" 0 "$two" --force
takes_down two "$old"
untouched "$old" "it is an image of earlier times" 0 "$old"
# The control: what changes on it is seen.
before=$(content "$old")
corrupt "$old" 5
[[ $before != "$(content "$old")" ]] || fail "a change on a device is not seen"
refuses "is node 1 of this storage already" 0 "$b"
refuses "is node 0 of this storage already" 0 "$one"
dd if="$b" of="$other" bs=1M iflag=direct oflag=direct status=none
untouched "$other" "it holds node 1 of this storage" 0 "$other"
untouched "$other" "it holds node 1 of this storage" 0 "$other" --force
refuses "has no such node" 7 "$new"

say "two ways to one disk"
# As good as the disk itself, as far as the labels can tell.
dd if="$a" of="$clone" bs=1M iflag=direct oflag=direct status=none
serve two "$clone"
untouched "$clone" "node 0 is connected to R: $one" 0 "$two"
untouched "$clone" "node 0 is connected to R: $one" 0 "$two" --force
takes_down two "$clone"
untouched "$clone" "suspend it first" 0 "$clone"

say "carried to another machine while requests are unanswered"
load_begin $((boundary - 2048)) 1
follow_events client
cable one down
becomes reconnecting
takes_down one "$a"
serve two "$a"
refuses "and not answered; if that machine still has the disk" 0 "$two"
# What serves it otherwise is not taken for it.
takes_down two "$a"
serve two "$a" --read-only
refuses "abilities have changed" 0 "$two" --force
takes_down two "$a"
serve two "$a"
refuses "leave these options out" 0 "$two" --force --connections 3
refuses "does not answer, and L: $new does not carry its label: there is nothing to copy from" 0 "$new"
is reconnecting || fail "after a refusal node 0 is $(state)"
before=$(sequence "$a")
answer=$(replace 0 "$two" --force)
expect_equal "the answer" "node 0 of storage \"storage\" is at $two now: its disk is there, and nothing is copied" "$answer"
goes_on "$two" "at another machine"
expect_equal "the number of the label" $((before + 1)) "$(sequence "$a")"
becomes up
wait_until 20 grep -q "node 0 of storage .* is up" "$work/events" || fail "no event: $(cat "$work/events")"
on client dst save "$work/saved" >/dev/null
grep -q "$two" "$work/saved" || fail "save does not know the new place: $(cat "$work/saved")"
grep -q "R: $two" /sys/devices/storage/n-0/type || fail "sysfs says $(cat /sys/devices/storage/n-0/type)"
load_end 120 "at another machine"
cable one up
# The copy that was left behind is known to be older now.
serve one "$clone"
untouched "$clone" "it is an image of earlier times" 0 "$one"
takes_down one "$clone"

say "the same export under another address"
on client dst suspend storage 0 >/dev/null
takes_down two "$a"
on two dst export add "$a" --any-address --listen 0.0.0.0:1025 --allow 10.7.0.0/24 >/dev/null
on client dst resume storage 0 >/dev/null
becomes up
ip -n two address add 10.7.0.33/24 dev eth0
load_begin $((boundary - 2048)) 2
refuses "is connected to R: $two" 0 10.7.0.33:1025
on client dst suspend storage 0 >/dev/null
answer=$(replace 0 10.7.0.33:1025)
[[ $answer == *"it is suspended: \"dst resume storage 0\" lets it go on" ]] || fail "the answer: $answer"
is suspended || fail "node 0 is $(state)"
on client dst resume storage 0 >/dev/null
goes_on 10.7.0.33:1025 "under another address"

say "a label that cannot be written"
carried=$(losetup --show -f "$(disk_file "$a")")
at_exit losetup -d "$carried"
dmsetup create dst-flakey --table "0 $(sectors "$carried") flakey $carried 0 0 3600 1 error_writes"
at_exit dmsetup remove --retry dst-flakey
flakey=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-flakey)
serve one "$flakey"
on client dst suspend storage 0 >/dev/null
before=$(sequence "$a")
# Its connections are closed by then, and have to be made again.
refuses "the label cannot be accessed" 0 "$one"
expect_equal "the number of the label" "$before" "$(sequence "$a")"
on client dst resume storage 0 >/dev/null
goes_on 10.7.0.33:1025 "after a label could not be written"
takes_down one "$flakey"

say "the disk comes to this machine"
refuses "cannot open" 0 "$a"
on client dst suspend storage 0 >/dev/null
takes_down two "$a"
on client dst resume storage 0 >/dev/null
wait_until 60 at_least 1 node_file storage 0 in_flight || fail "nothing waits for the node"
refuses "suspend it first" 0 "$a"
on client dst suspend storage 0 --timeout 1 >/dev/null
refuses "a device of this machine cannot take them over" 0 "$a"
# What helps: the export of this machine.
ip -n client address add 127.0.0.2/8 dev lo
on client dst export add "$a" --listen 127.0.0.2:1025 --allow 127.0.0.0/8 >/dev/null
replace 0 127.0.0.2:1025 >"$work/answer" 2>&1 || replace 0 127.0.0.2:1025 --force >/dev/null || fail "$(cat "$work/answer")"
on client dst resume storage 0 >/dev/null
goes_on 127.0.0.2:1025 "at an export of this machine"
on client dst suspend storage 0 --timeout 60 >/dev/null
takes_down client "$a"
replace 0 "$a" >/dev/null
is suspended || fail "node 0 is $(state)"
on client dst resume storage 0 >/dev/null
goes_on "$a" "at a device of this machine"

say "the disk leaves this machine"
carried=$(losetup --show -f "$(disk_file "$a")")
at_exit losetup -d "$carried"
serve one "$carried"
refuses "suspend it first" 0 "$one"
id=$(on client dst --json job verify storage --node 0 --rate-limit 1M | python3 -c 'import json, sys; print(json.load(sys.stdin)["begun"]["id"])')
on client dst suspend storage 0 --timeout 60 >/dev/null
refuses "job $id (verify) works on node 0" 0 "$one"
on client dst job cancel "$id" >/dev/null
wait_until 60 is_cancelled "$id" || fail "the job does not end: $(dst job show "$id")"
replace 0 "$one" >/dev/null
on client dst resume storage 0 >/dev/null
goes_on "$one" "after it has left this machine"
load_end 120 "after it has left this machine"
expect_equal "errors" 0 "$(cat /sys/devices/storage/errors)"
# It is let go of: another export can have it.
on two dst export add "$a" --listen "$two" --allow 10.7.0.0/24 --read-only >/dev/null
takes_down two "$a"
# The control: a sector that did not arrive would be found.
load_notices "$a" $((boundary - 3000))

say "another disk is moved to"
replace 0 "$new" --watch >"$work/job" 2>&1 || fail "$(cat "$work/job"; dst status)"
expect_equal "the place" "$new" "$(place 0)"
untouched "$clone" "it held the node at an earlier time" 0 "$clone"
takes_down one "$carried"
serve two "$carried"
on client dst replace storage 0 "$two" --rate-limit 1M >"$work/answer"
grep -q "moves to $two, which is another disk: job [0-9]* copies it" "$work/answer" || fail "$(cat "$work/answer")"
refuses "a node of the storage is being moved" 0 "$one"
id=$(sed -n 's/.*: job \([0-9]*\) copies it.*/\1/p' "$work/answer")
on client dst job cancel "$id" >/dev/null
wait_until 60 is_cancelled "$id" || fail "the job does not end: $(dst job show "$id")"

say "a start with the copy that was left"
storage_delete storage
takes_down two "$carried"
serve two "$b"
on client dst create storage "$new" "$two" >/dev/null
dd if="$new" of="$other" bs=1M iflag=direct oflag=direct status=none
on client dst suspend storage 0 >/dev/null
carried=$(losetup --show -f "$(disk_file "$new")")
at_exit losetup -d "$carried"
serve one "$carried"
before=$(sequence "$new")
replace 0 "$one" >/dev/null
expect_equal "the number of the label" $((before + 1)) "$(sequence "$new")"
storage_delete storage
expect_error "both hold node 0" on client dst create storage "$one" "$two" "$other"
on client dst create storage "$one" "$two" >/dev/null
storage_delete storage
takes_down one "$carried"
takes_down two "$b"
# A storage without exports promises less to its users than one can keep.
on client dst create storage "$new" "$b" >/dev/null
serve one "$carried"
on client dst suspend storage 0 >/dev/null
refuses "data must not change on its way to the device" 0 "$one"
storage_delete storage
takes_down one "$carried"

say "what was in a server's cache"
serve one "$new" --write-back
on client dst create storage "$one" "$b" >/dev/null
# flush: writes a sector, and makes stable what was written.
flush() { dd if=/dev/zero of=/dev/dst bs=4096 count=1 seek=9 oflag=direct conv=fsync status=none; }
write() { dd if=/dev/zero of=/dev/dst bs=4096 count=1 seek=7 oflag=direct status=none; }
flush || fail "a flush fails"
write
takes_down one "$new"
becomes reconnecting
serve two "$new" --write-back
replace 0 "$two" >/dev/null
becomes up
! flush 2>/dev/null || fail "that a cache is gone is not told"
flush || fail "it is told twice"
# Nothing is lost of a node that was suspended before.
write
on client dst suspend storage 0 >/dev/null
takes_down two "$new"
serve one "$new" --write-back
replace 0 "$one" >/dev/null
on client dst resume storage 0 >/dev/null
becomes up
flush || fail "a loss is told although all was stable"
# A device of this machine could not tell of one.
write
takes_down one "$new"
becomes reconnecting
on client dst suspend storage 0 >/dev/null
refuses "may have been in its cache" 0 "$new"
serve one "$new" --write-back
on client dst resume storage 0 >/dev/null
becomes up
storage_delete storage
unserve one "$new"

say "a node that was given up"
serve one "$new"
on client dst create storage --retry-limit 1 "$one" "$b" >/dev/null
takes_down one "$new"
becomes failed
serve two "$new"
refuses "was given up, and gets other connections only while nothing is at it" 0 "$two"
on client dst suspend storage 0 >/dev/null
replace 0 "$two" >/dev/null
on client dst resume storage 0 >/dev/null
becomes up
dd if=/dev/dst of=/dev/null bs=1M count=1 iflag=direct status=none || fail "a node that was given up does not go on"
storage_delete storage
unserve two "$new"

say "without labels"
on client dst create plain --raw --force --device dst-plain "$clone" >/dev/null
expect_error "has no labels" on client dst replace plain 0 "$old"
storage_delete plain
module_unload
