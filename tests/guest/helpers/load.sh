# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# A load that knows what each sector has to hold and goes on while something is done to the storage below it. Sourced after
# lib.sh and data.sh.
#
#   load_begin SECTOR SEED          begins it on /dev/dst, in 2 MiB around SECTOR; returns when it is at its full depth
#   load_goes_on COUNT SECONDS WHEN   waits until the storage has done COUNT writes more
#   load_end SECONDS WHEN           ends it. Each thread does a little more, then all is read: no request may have failed
#                                   or be missing, and no sector may hold anything but its last write
#   load_notices DISK SECTOR        the control: what changes on DISK, from SECTOR on, behind the storage's back is found
#
# The program is that of the power cuts. Here nothing loses its power, so every write that has ended is there for good.

load_begin() {
	load_arguments=(/dev/dst "$1" "$2" "$work/load")
	load_run
	wait_until 60 test -e "$work/load/busy" || fail "the load does not begin: $(cat "$work/load.log")"
}
load_run() {
	mkdir -p "$work/load"
	rm -f "$work/load/busy" "$work/load/stop"
	python3 -B "$tests/../machines/helpers/power-load.py" through "${load_arguments[@]}" >"$work/load.log" 2>&1 &
	load=$!
	at_exit kill -KILL "$load"
}
load_is_over() { ! kill -0 "$load" 2>/dev/null; }
load_written() { cat /sys/devices/storage/write_ios; }

load_goes_on() {
	local least
	least=$(($(load_written) + $1))
	wait_until "$2" at_least "$least" load_written ||
		fail "$3: $(($(load_written) + $1 - least)) writes in $2 s instead of $1: $(cat "$work/load.log"; dst status storage)"
}

load_end() {
	touch "$work/load/stop"
	wait_until "$1" load_is_over || fail "$2: the load does not come to its end: $(dst status storage)"
	wait "$load" || fail "$2: $(cat "$work/load.log")"
	say "$2: $(cat "$work/load.log")"
}

load_notices() {
	local i
	# So many that what the load still writes does not cover all of them.
	for i in {0..7}; do corrupt "$1" $(($2 + 130 * i)); done
	load_run
	touch "$work/load/stop"
	wait_until 60 load_is_over || fail "the load does not end after what was changed"
	! wait "$load" 2>/dev/null || fail "the load does not notice that the disk was changed: $(cat "$work/load.log")"
	grep -q "holds garbage" "$work/load.log" || fail "the load says of a changed disk: $(cat "$work/load.log")"
}
