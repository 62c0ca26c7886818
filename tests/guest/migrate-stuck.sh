#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What stands still at one device of a node that moves holds up no I/O for longer than the other one needs: the new device
# hangs while its connections stand; the old one is lost for the storage's machine alone, when the other machine could go on
# copying, and then I/O ends in error everywhere, as was asked for.
# needs: ip losetup python3 fsfreeze mkfs.ext4
# timeout: 400
# log-allow: Buffer I/O error|I/O error
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/hanging.sh"
. "$tests/helpers/data.sh"

network client one two
disk a 24M
disk b 16M
disk ground 64M
hanging far "$ground"
module_load
at_exit fsfreeze -u "$work/far"
serve one "$a"
serve two "$far"
one=$(address one):1025 two=$(address two):1025

begun() { on client dst --json job migrate storage 0 "$@" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
job() { cat "/sys/devices/storage/job-$1/$2"; }
is() { [[ $(job "$1" state) == "$2" ]]; }
waits() { grep -q "$2" "/sys/devices/storage/job-$1/waits_for"; }
has_copied() { (($(job "$1" "done") >= $2)); }
ends() { wait_until 120 is "$1" "$2" || fail "job $1 is $(job "$1" state), not $2: $(on client dst job show "$1"; on client dst status)"; }
place() { on client dst status storage | awk '$1 == 0 && /[LR]: / { sub(/.*[LR]: /, ""); print $1 }'; }
# io READ|WRITE MEGABYTE: 4 KiB, at the old device's speed.
io() {
	case $1 in
	write) timeout 60 dd if=/dev/urandom of=/dev/dst bs=4096 count=1 seek=$(($2 * 256)) oflag=direct status=none ;;
	read) timeout 60 dd if=/dev/dst of=/dev/null bs=4096 count=1 skip=$(($2 * 256)) iflag=direct status=none ;;
	esac
}

say "the new device hangs, and its connections stand"
on client dst create storage "$one" "$b" >/dev/null
id=$(begun "$two" --connections 3 --request-timeout 3 --rate-limit 1M --min-rate 1M)
wait_until 60 has_copied "$id" $((4 << 20)) || fail "nothing is copied"
fsfreeze -f "$work/far"
for megabyte in 0 1 2; do
	io write "$megabyte" || fail "a write waits for a device that hangs: $(on client dst job show "$id"; on client dst status)"
	io read "$megabyte" || fail "a read waits for a device that hangs"
done
wait_until 60 waits "$id" "$two to be connected again" || fail "the job waits for: $(job "$id" waits_for)"
fsfreeze -u "$work/far"
on client dst job set "$id" --rate-limit none >/dev/null
io write 5 || fail "a write fails"
before=$(sha256sum </dev/dst)
ends "$id" "done"
expect_equal "the place" "$two" "$(place)"
echo 3 >/proc/sys/vm/drop_caches
expect_equal "what is on the disk" "$before" "$(sha256sum </dev/dst)"

say "the old device is lost, but not for the other machine"
storage_delete storage
on one dst export set "$a" --copy-from "$(address two)" >/dev/null
on client dst create storage --retry-limit 3 --keepalive 1 "$two" "$b" >/dev/null
id=$(begun "$one" --rate-limit 1M --min-rate 1M)
wait_until 60 has_copied "$id" $((2 << 20)) || fail "nothing is copied"
grep -q "from the old device's machine" "/sys/devices/storage/job-$id/way" || fail "the way is $(job "$id" way)"
ip -n client route add blackhole "$(address two)/32"
failed() { [[ $(node_file storage 0 state) == failed ]]; }
wait_until 60 failed || fail "the node is $(node_file storage 0 state)"
for ((megabyte = 0; megabyte < 18; megabyte++)); do
	status=0
	io write "$megabyte" 2>/dev/null || status=$?
	((status == 1)) || fail "a write to MiB $megabyte of a node that was given up ended with $status: $(on client dst job show "$id")"
done
wait_until 60 is "$id" paused || fail "the job is $(job "$id" state): $(on client dst job show "$id")"
on client dst job cancel "$id" >/dev/null
ip -n client route del blackhole "$(address two)/32"
on client dst delete --force storage >/dev/null
unserve one "$a"
unserve two "$far"
module_unload
