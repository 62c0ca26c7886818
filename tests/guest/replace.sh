#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A node goes on where its disk is now, under a load that knows what each sector has to hold: a disk that was carried to
# another machine while requests were unanswered, an export under another address, a disk that comes to this machine and
# leaves it. An image of earlier times, another node's disk, and two ways to one disk are refused, and change nothing.
# needs: ip losetup python3 dmsetup
# timeout: 600
# log-allow: Buffer I/O error|I/O error
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"
. "$tests/helpers/replace.sh"

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

# goes_on PLACE WHEN
goes_on() {
	expect_equal "$2: the place" "$1" "$(place 0)"
	load_goes_on 20 120 "$2"
}

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
answer=$(replace 0 "$two" --force 2>&1) || fail "it is refused: $answer"
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
id=$(on client dst --json job verify storage --node 0 --rate-limit 64K --min-rate 64K | python3 -c 'import json, sys; print(json.load(sys.stdin)["begun"]["id"])')
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
storage_delete storage
takes_down one "$carried"
module_unload
