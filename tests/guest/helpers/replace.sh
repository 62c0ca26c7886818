# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of replaced nodes share. Sourced after lib.sh and data.sh; the machines are client, one and two.

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
is_cancelled() { [[ $(on client dst --json job show "$1") == *'"cancelled"'* ]]; }
takes_down() { on "$1" dst export del "$2" --force >/dev/null; }
