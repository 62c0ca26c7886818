#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A node whose place is taken by another disk is moved to it. A start is not given both the disk and the copy that was left. What
# the cache of a server that was left has lost is told by a flush, once, and nothing if the node was suspended before. A
# node that was given up goes on; one that is replaced again and again in vain is given up. Where no label says whose a disk
# is, nothing is replaced.
# needs: ip losetup python3 dmsetup
# timeout: 560
# log-allow: Buffer I/O error|I/O error
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/replace.sh"

network client one two
disk a 24M
disk b 24M
disk clone 24M
disk other 24M
disk new 24M
module_load
one=$(address one):1025 two=$(address two):1025

say "another disk is moved to"
serve one "$a"
on client dst create storage "$one" "$b" >/dev/null
dd if="$a" of="$clone" bs=1M iflag=direct oflag=direct status=none
replace 0 "$new" --watch >"$work/job" 2>&1 || fail "$(cat "$work/job"; dst status)"
expect_equal "the place" "$new" "$(place 0)"
untouched "$clone" "it held the node at an earlier time" 0 "$clone"
takes_down one "$a"
serve two "$a"
on client dst replace storage 0 "$two" --rate-limit 64K --min-rate 64K >"$work/answer"
grep -q "moves to $two, which is another disk: job [0-9]* copies it" "$work/answer" || fail "$(cat "$work/answer")"
refuses "a node of the storage is being moved" 0 "$one"
id=$(sed -n 's/.*: job \([0-9]*\) copies it.*/\1/p' "$work/answer")
on client dst job cancel "$id" >/dev/null
wait_until 60 is_cancelled "$id" || fail "the job does not end: $(dst job show "$id")"

say "a start with the copy that was left"
storage_delete storage
takes_down two "$a"
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
takes_down two "$new"
becomes failed
serve two "$new"
on client dst suspend storage 0 >/dev/null
replace 0 "$two" >/dev/null
on client dst resume storage 0 >/dev/null
becomes up
dd if=/dev/dst of=/dev/null bs=1M count=1 iflag=direct status=none || fail "a node that was given up does not go on where it was"
storage_delete storage

say "what waits for a node that fails fast"
disturb two delay 250ms
takes_down two "$new"
serve one "$new"
on client dst create storage --fail-fast "$one" "$b" >/dev/null
on client dst suspend storage 0 >/dev/null
dd if=/dev/zero of=/dev/dst bs=4096 count=1 oflag=direct status=none 2>"$work/parked" &
parked=$!
wait_until 60 at_least 1 node_file storage 0 queued || fail "nothing waits for the node"
takes_down one "$new"
serve two "$new"
replace 0 "$two" >/dev/null
on client dst resume storage 0 >/dev/null
wait "$parked" || fail "what waited for the node has failed: $(cat "$work/parked")"
becomes up
storage_delete storage
takes_down two "$new"

say "a node has all its time at the new place"
disturb two delay 500ms
serve one "$new"
on client dst create storage --retry-limit 10 --keepalive 1 "$one" "$b" >/dev/null
takes_down one "$new"
becomes reconnecting
serve two "$new"
# It takes longer than that until a connection stands there, after it was looked at and its label was written.
replace 0 "$two" >/dev/null || fail "the node was given up on the way"
becomes up
dd if=/dev/dst of=/dev/null bs=1M count=1 iflag=direct status=none || fail "the node was given up"
storage_delete storage
disturb two
takes_down two "$new"

say "replacements that come to nothing are no reprieve"
serve one "$new"
on client dst create storage --retry-limit 3 --keepalive 1 "$one" "$b" >/dev/null
takes_down one "$new"
dmsetup create dst-flakey --table "0 $(sectors "$new") flakey $new 0 0 3600 1 error_writes"
at_exit dmsetup remove --retry dst-flakey
flakey=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-flakey)
serve two "$flakey"
rounds=0
# Each of them holds the node until it is known that the label cannot be written there.
until is failed; do
	((rounds < 40)) || fail "the node is $(state) after $rounds replacements in vain: $(dst status storage)"
	! replace 0 "$two" >"$work/answer" 2>&1 || fail "a label that cannot be written: $(cat "$work/answer")"
	rounds=$((rounds + 1))
	! is failed || break
	grep -q "the label cannot be accessed" "$work/answer" || fail "it is refused for another reason: $(cat "$work/answer")"
done
say "given up after $rounds replacements"
((rounds > 1)) || fail "the node was given up before"
storage_delete storage
takes_down two "$flakey"
dmsetup remove --retry dst-flakey

say "without labels"
on client dst create plain --raw --force --device dst-plain "$clone" >/dev/null
expect_error "has no labels" on client dst replace plain 0 "$a"
storage_delete plain
module_unload
