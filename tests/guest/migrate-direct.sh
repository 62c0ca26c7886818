#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A node moves from one machine to another, and its data does not pass through the storage's own: the new device's machine reads
# it from the old one's, if its export was told that it may. Where it may not, cannot, is refused, or finds another
# node at the address, the data goes through the storage's machine, the job says why, and goes directly again when it can. A copy
# that waits for the other machine does not hold up a reconnect; one that is at the device does.
# needs: ip losetup python3 fsfreeze mkfs.ext4
# timeout: 600
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/hanging.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

#   client ---- one    the node moves between these two
#          \--- two
network client one two
disk ground 64M
hanging far "$ground"
disk c 32M
disk b 24M
module_load
# Before what is left of the module is taken away: that waits for the device.
at_exit fsfreeze -u "$work/far"
serve one "$far"
serve two "$c"
one=$(address one):1025 two=$(address two):1025
on client dst create storage "$one" "$b" >/dev/null
boundary=$(node_file storage 0 size)
megabytes=$((boundary / 2048))
# More than zeroes, and another content than the load's.
pattern $((16 << 20)) 5 >"$work/content"
dd if="$work/content" of=/dev/dst bs=1M oflag=direct status=none

# begun DEVICE OPTION...: begins to move node 0 there, and tells the job's number.
begun() { on client dst --json job migrate storage 0 "$@" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
job() { on client dst --json job show "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["job"][sys.argv[1]])' "$2"; }
file() { cat "/sys/devices/storage/job-$1/$2"; }
is() { [[ $(job "$1" state) == "$2" ]]; }
goes() { grep -q "$2" "/sys/devices/storage/job-$1/way"; }
has_copied() { (($(file "$1" "done") >= $2)); }
ends() { wait_until 120 is "$1" "done" || fail "job $1 is $(job "$1" state): $(on client dst job show "$1"; on client dst status)"; }
direct="from the old device's machine to the new one's"
place() { on client dst status storage | awk '$1 == 0 && /[LR]: / { sub(/.*[LR]: /, ""); print $1 }'; }
# served DEVICE FIELD: a number of its export.
served() {
	dst --json export list | python3 -c '
import json, sys
print(*(export[sys.argv[2]] for export in json.load(sys.stdin)["exports"] if export["path"] == sys.argv[1]))' "$1" "$2"
}
# sent: what has gone out to node 0, in bytes.
sent() {
	on client dst --json connection list --storage storage | python3 -c '
import json, sys
print(sum(c["sent_bytes"] for c in json.load(sys.stdin)["connections"] if c["node_index"] == 0))'
}
same() {
	dd if=/dev/dst bs=1M count=16 iflag=direct status=none | cmp - "$work/content" || fail "$1: the data is another one"
}

say "who was not told that he may does not"
id=$(begun "$two")
ends "$id"
expect_equal "the place" "$two" "$(place)"
[[ $(job "$id" way) == "through this machine: the export R: $two may not copy from $(address one) (--copy-from)" ]] ||
	fail "the job says: $(job "$id" way)"
same "through this machine"

say "directly"
on one dst export set "$far" --copy-from "$(address two)" >/dev/null
before_read=$(served "$c" read_bytes) before_write=$(served "$far" write_bytes)
id=$(begun "$one")
ends "$id"
expect_equal "the place" "$one" "$(place)"
expect_equal "the way" "$direct" "$(job "$id" way)"
(($(served "$c" read_bytes) - before_read >= megabytes << 20)) || fail "two has not been read: $(served "$c" read_bytes)"
(($(served "$far" write_bytes) - before_write >= megabytes << 20)) || fail "one was not written: $(served "$far" write_bytes)"
(($(sent) < 1 << 20)) || fail "$(sent) bytes went through this machine"
same "directly"

say "directly, under load"
on two dst export set "$c" --copy-from 10.7.0.0/24 >/dev/null
load_begin $((boundary - 2048)) 1
id=$(begun "$two")
ends "$id"
expect_equal "the way" "$direct" "$(job "$id" way)"
load_goes_on 20 60 "after the move"
load_end 60 "after the move"
same "under load"

say "the old device's machine lets the other one in only when it was told to"
on two dst export set "$c" --allow "$(address client)" >/dev/null
load_begin $((boundary - 2048)) 2
id=$(begun "$one" --rate-limit 50k --connections 1 --keepalive 1)
wait_until 60 goes "$id" "refuses R: $one" || fail "the job says: $(file "$id" way)"
wait_until 60 has_copied "$id" $((1 << 20)) || fail "nothing is copied through this machine"
on two dst export set "$c" --allow 10.7.0.0/24 >/dev/null
wait_until 120 goes "$id" "$direct" || fail "it is not tried again: $(file "$id" way)"

say "another node at the address"
# For "one" alone the address of "two" is its own, and there is a device with the label of the storage's other node.
disk other 24M
dd if="$(disk_file "$b")" of="$(disk_file "$other")" bs=1M conv=notrunc status=none
on one ip address add "$(address two)/32" dev lo
on one dst export add "$other" --listen "$two" --allow 10.7.0.0/24 >/dev/null
log_mark "another"
wait_until 120 goes "$id" "refuses R: $one" || fail "the job says: $(file "$id" way)"
log_since "another" | grep -q "cannot copy from $two .*: another device, or another server, is at that address" || fail "the log does not say why"
expect_equal "bytes read from the other node's device" 0 "$(served "$other" read_bytes)"
unserve one "$other"
on one ip address del "$(address two)/32" dev lo
wait_until 120 goes "$id" "$direct" || fail "it is not tried again: $(file "$id" way)"

say "the old device's machine cannot be reached by the other one"
on one ip route add blackhole "$(address two)/32"
wait_until 120 goes "$id" "cannot reach the other node" || fail "the job says: $(file "$id" way)"
on one ip route del blackhole "$(address two)/32"
wait_until 120 goes "$id" "$direct" || fail "it is not tried again: $(file "$id" way)"

say "a copy that is at the device holds up a reconnect"
# connections STATE: how many of the client's to "one" are in that state. One whose hello waits has no requests.
connections() {
	on one dst --json connection list | python3 -c '
import json, sys
found = json.load(sys.stdin)["connections"]
own = [c for c in found if c["local"] == sys.argv[2] and c["peer"].startswith(sys.argv[3] + ":")]
print(sum(c["state"] == sys.argv[1] and c["requests"] > 0 for c in own))' \
		"$1" "$one" "$(address client)"
}
none_established() { (($(connections established) == 0)); }
on client dst job set "$id" --rate-limit none >/dev/null
fsfreeze -f "$work/far"
wait_until 60 at_least 1 served "$far" in_flight || fail "nothing is at the device"
cable one down
is_missed() { grep -q "$one to be connected again" "/sys/devices/storage/job-$id/waits_for"; }
wait_until 60 is_missed || fail "the job waits for: $(file "$id" waits_for)"
cable one up
wait_until 60 at_least 1 connections draining || fail "the connection does not drain: $(on one dst connection list)"
sleep 2
none_established || fail "the client is back though the device has not answered: $(on one dst connection list)"
fsfreeze -u "$work/far"
wait_until 60 at_least 1 connections established || fail "the client does not come back: $(on one dst connection list)"
ends "$id"
expect_equal "the way" "$direct" "$(job "$id" way)"
expect_equal "the place" "$one" "$(place)"
load_goes_on 20 60 "after all that"
load_end 60 "after all that"
same "after all that"
# The control: a sector that did not arrive would be found.
load_notices "$far" $((boundary - 3000))

storage_delete storage
unserve one "$far"
unserve two "$c"
module_unload
