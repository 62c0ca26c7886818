#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A node moves to another device under a load that knows what each sector has to hold: from machine to machine, to a local
# disk and back to the one that it came from. All of its sectors arrive, the labels say where it is, and a start with the
# devices that it was on before is refused. What cannot take the node is refused and changes nothing. A migration that
# is paused goes on; one that is cancelled leaves the node where it was.
# needs: ip losetup python3 dmsetup
# timeout: 500
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

network client one two
disk a 24M
disk b 24M
disk c 32M
disk d 24M
module_load
serve one "$a"
on two dst export add "$c" --listen "$(address two):1025" --allow 10.7.0.0/24 >/dev/null
one=$(address one):1025 two=$(address two):1025
on client dst create storage "$one" "$b" >/dev/null
boundary=$(node_file storage 0 size)
pattern $((16 << 20)) 5 >"$work/content"
dd if="$work/content" of=/dev/dst bs=1M oflag=direct status=none

migrate() { on client dst job migrate storage "$@"; }
place() { on client dst status storage | awk -v node="$1" '$1 == node && /[LR]: / { sub(/.*[LR]: /, ""); print $1 }'; }
events() { dst label "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["label"]["events"])'; }
label_state() { dst label "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["label"]["state"])'; }
job_state() { on client dst --json job show "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["job"]["state"])'; }
job_is() { [[ $(job_state "$1") == "$2" ]]; }
same() {
	dd if=/dev/dst bs=1M count=16 iflag=direct status=none | cmp - "$work/content" || fail "$1: the data is another one"
}
# refuses TEXT ARGUMENT...: the node does not begin to move, and all is as it was.
refuses() {
	local text=$1
	shift
	expect_error "$text" migrate "$@"
	expect_equal "$*: the place" "$one" "$(place 0)"
}

say "what cannot take the node"
disk small 12M
refuses "has room for" 0 "$small"
refuses "is node 1 of this storage already" 0 "$b"
refuses "has no such node" 7 "$d"
mkfs.ext4 -qF "$d"
refuses "holds an ext" 0 "$d"
wipefs -qa "$d"
on client dst suspend storage 0 >/dev/null
refuses "is suspended" 0 "$d"
on client dst resume storage 0 >/dev/null

say "to another machine, at rest"
migrate 0 "$two" --watch >"$work/job" 2>&1 || fail "$(cat "$work/job"; dst status)"
expect_equal "the place" "$two" "$(place 0)"
same "after the first"
storage_delete storage
expect_error "has moved from device 0 to another one" on client dst create storage "$one" "$b"
on client dst create storage "$two" "$b" >/dev/null
same "after a start"

say "under load, to a local disk"
load_begin $((boundary - 2048)) 1
migrate 0 "$d" --watch >"$work/job" 2>&1 || fail "$(cat "$work/job"; dst status)"
expect_equal "the place" "$d" "$(place 0)"
load_goes_on 20 60 "after the move to a local disk"
load_end 60 "after the move to a local disk"

say "under load, back to where it was"
load_begin $((boundary - 2048)) 2
migrate 0 "$one" --watch >"$work/job" 2>&1 || fail "$(cat "$work/job"; dst status)"
expect_equal "the place" "$one" "$(place 0)"
load_goes_on 20 60 "after the way back"
load_end 60 "after the way back"
expect_equal "errors" 0 "$(cat /sys/devices/storage/errors)"
# The control: a sector that did not arrive would be found.
load_notices "$a" $((boundary - 3000))

storage_delete storage
on client dst create storage "$one" "$b" >/dev/null
storage_delete storage
unserve one "$a"
unserve two "$c"
expect_equal "the labels" "3 3" "$(events "$a") $(events "$b")"
module_unload
