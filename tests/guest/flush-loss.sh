#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A server that comes back with another cache may have lost acknowledged writes: the next flush fails, once, and with it
# every flush that was waiting; without such writes no flush fails.
# needs: ip losetup python3
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one two
disk a 16M
disk b 16M
module_load
serve one "$a" --write-back
serve two "$b" --write-back
on client dst create storage "$(address one):1025" "$(address two):1025"
middle=$(node_file storage 0 size)

# loss UNFLUSHED LOSES WHEN: as helpers/flush-loss.py; the first node's export goes and comes back.
loss() {
	local folder=$work/$1.$3 pid
	mkdir "$folder"
	python3 -B "$tests/helpers/flush-loss.py" /dev/dst "$middle" "$@" "$folder" &
	pid=$!
	wait_until 60 test -e "$folder/busy" || fail "the writes do not come to their end: $(dst status storage)"
	on one dst export del --force "$a" >/dev/null
	touch "$folder/off"
	wait_until 60 test -e "$folder/waiting" || fail "no flush waits while a node is away"
	serve one "$a" --write-back
	touch "$folder/stop"
	wait "$pid" || fail "not flushed was '$1', lost: $2, told $3: see above"
}
loss 12 1 early
loss 2 0 early
loss 1 1 late
loss 2 0 late
loss '' 0 late
storage_delete storage
unserve one "$a"
unserve two "$b"
