#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A write that is late at the serving side never lands after a newer one: neither that of a client that has given it up,
# nor that of a storage that was deleted meanwhile and formed again.
# needs: ip losetup cmp mkfs.ext4 fsfreeze
# timeout: 240
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/hanging.sh"
. "$tests/helpers/data.sh"

network server client
disk ground 48M
hanging far "$ground"
module_load
# Before what is left of the module is taken away: that waits for the device.
at_exit fsfreeze -u "$work/far"
serve server "$far"
listen=$(address server):1025
# A request that is left unanswered for six seconds ends in error.
create() {
	on client timeout 120 dst create storage --raw --connections 2 --request-timeout 2 --request-tries 3 "$listen" >/dev/null
}
for version in 1 2 3 4; do pattern 65536 "$version" >"$work/$version"; done
# put VERSION: writes it over the first 64 KiB.
put() { dd if="$work/$1" of=/dev/dst bs=64k oflag=direct status=none 2>"$work/error"; }
# has VERSION: what the exported device has there; from the file behind it, through no cache of ours.
has() { cmp -s -n 65536 "$work/far/file" "$work/$1"; }
draining() { [[ $(on client dst status storage) == *"server draining "*" requests"* ]]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

create
put 1 || fail "a write fails: $(cat "$work/error")"
wait_until 30 has 1 || fail "the device has not what was written"

say "the control: a write that was given up lands late"
fsfreeze -f "$work/far"
if put 2; then fail "a write to a device that hangs succeeds"; fi
grep -q "timed out" "$work/error" || fail "the write fails with: $(cat "$work/error")"
wait_until 60 draining || fail "dst status does not say that the server is draining: $(on client dst status storage)"
on client dst status storage | sed 's/^/# /'
has 1 || fail "the device has more than version 1 while it hangs"
fsfreeze -u "$work/far"
wait_until 60 has 2 || fail "the write that was given up has not landed, so nothing is shown below"

say "a newer write waits for it"
up() { [[ $(node_file storage 0 state) == up ]]; }
wait_until 60 up || fail "the node is $(node_file storage 0 state)"
fsfreeze -f "$work/far"
if put 1; then fail "a write to a device that hangs succeeds"; fi
wait_until 60 draining || fail "the server is not draining: $(on client dst status storage)"
put 3 &
newer=$!
waits() { (($(node_file storage 0 in_flight) > 0)); }
wait_until 30 waits || fail "the newer write is nowhere"
sleep 1
! gone "$newer" || fail "a newer write did not wait: $(cat "$work/error")"
fsfreeze -u "$work/far"
wait_until 60 gone "$newer" || fail "the newer write does not end: $(on client dst status storage)"
wait "$newer" || fail "the newer write fails: $(cat "$work/error")"
wait_until 60 up || fail "the node is $(node_file storage 0 state)"
sync
has 3 || fail "the older write has landed after the newer one"

say "so does a storage that is formed again"
fsfreeze -f "$work/far"
put 2 &
older=$!
busy() { (($(node_file storage 0 in_flight) > 0)); }
wait_until 60 busy || fail "nothing is on its way"
begin=$SECONDS
on client dst delete storage --force >/dev/null
((SECONDS - begin <= 10)) || fail "the deletion took $((SECONDS - begin)) s"
wait "$older" && fail "a write of a deleted storage succeeds"
create &
again=$!
sleep 3
! gone "$again" || fail "a storage is formed beside the writes of an earlier one"
fsfreeze -u "$work/far"
wait_until 120 gone "$again" || fail "the storage is not formed"
wait "$again" || fail "the storage cannot be formed"
put 4 || fail "a write fails: $(cat "$work/error")"
sync
has 4 || fail "the write of the earlier storage has landed after that of the present one"
cmp -n 65536 /dev/dst "$work/4"
storage_delete storage
unserve server "$far"
module_unload
