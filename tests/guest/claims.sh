#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An owner who comes is answered only when nothing of the former one is at the device, and when both labels say who he is. From the
# beginning of that on nothing that the former one asks for is carried out, also if it was received before.
# needs: ip losetup python3 dmsetup dm-delay
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

export PYTHONPATH=$tests:$tests/helpers PYTHONDONTWRITEBYTECODE=1
network client one
disk a 24M
module_load
one=$(address one):1025
all=$(sectors "$a")
data=$((all - 8192))

# table DATA LABELS: milliseconds that a write to each part takes; what is read, and a flush, is not held up.
part() { echo "$1 $2 delay $a $1 0 $a $1 $3 $a $1 0"; }
table() { part 0 "$data" "$1"; part "$data" 8192 "$2"; }
table 0 0 | dmsetup create dst-slow
at_exit dmsetup remove --retry dst-slow
slow=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-slow)
slows() {
	dmsetup suspend dst-slow
	table "$@" | dmsetup load dst-slow
	dmsetup resume dst-slow
}
label() { python3 "$tests/helpers/label.py" get "$a" "$1"; }
claims() { on client python3 "$tests/helpers/claims.py" "$1" "$(address one)" "$(label epoch)"; }

# So that there is a label.
on client dst create storage "$slow" >/dev/null
storage_delete storage
on one dst export add "$slow" --shared --listen "$one" --allow 10.7.0.0/24 >/dev/null

say "the former owner's write takes longer than a claim waits"
slows 20000 0
before=$(label epoch)
claimed=$(claims drain) || fail "see above"
expect_equal "the epoch that is claimed" $((before + 1)) "$claimed"
expect_equal "the epoch in both labels" "$claimed" "$(label epoch)"

say "the labels are slow"
slows 0 2500
claimed=$(claims record && label epoch) || fail "see above"
expect_equal "the epoch that is claimed, and in both labels" "$((before + 2)) $((before + 2))" "${claimed//$'\n'/ }"

say "the former owner updates the labels"
claimed=$(claims labels) || fail "see above"
expect_equal "the epoch in both labels" "$claimed" "$(label epoch)"

on one dst export del --force "$slow" >/dev/null
module_unload
