# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of the data path share. Sourced after lib.sh.

# serve MACHINE DEVICE [OPTION...]: exports DEVICE at the machine's address, port 1025, to all machines of the network.
serve() {
	local machine=$1 device=$2
	shift 2
	on "$machine" dst export add "$device" --listen "$(address "$machine"):1025" --allow 10.7.0.0/24 "$@" >/dev/null
}
# unserve MACHINE DEVICE: takes the export back; it must not have a client any more.
unserve() { wait_until 60 on "$1" dst export del "$2" || fail "$1 does not stop to export $2"; }

# storage_delete NAME: the storage is closed and goes in order.
storage_delete() { wait_until 60 dst delete "$1" || fail "the storage $1 cannot be deleted: $(dst delete "$1" 2>&1)"; }

# node_file STORAGE START FILE: what a file in a node's directory in sysfs says.
node_file() { cat "/sys/devices/$1/n-$2/$3"; }

# at_least NUMBER COMMAND...: whether what COMMAND prints is a number of at least NUMBER.
at_least() {
	local least=$1
	shift
	(($("$@") >= least))
}

# corrupt DEVICE SECTOR: turns all bits of the first byte of that sector around, behind the back of all caches of a disk
# made with "disk".
corrupt() {
	python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]) * 512)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 0xff]))' "$(disk_file "$1")" "$2"
}


# follow_events MACHINE [OPTION...]: from now on what happens is told in $work/events.
follow_events() {
	on "$1" dst events "${@:2}" >"$work/events" 2>"$work/events-note" &
	events=$!
	at_exit kill "$events"
	wait_until 60 grep -q '^note: what happens from now on is told here' "$work/events-note" ||
		fail "dst events does not begin: $(cat "$work/events-note")"
}
