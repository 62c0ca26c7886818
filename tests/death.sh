# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What a guest died of, from its console, and who runs its test then. Sourced by run and, in the guest, by runner.
#
# An emulated CPU can miss that another one has rewritten code: QEMU drops its translation of the old code before it
# stores the new one, and in between a translation of the old code can be made again. A kernel rewrites its code by way of a
# breakpoint instruction (static keys, tracepoints), and dies where a CPU meets one that it has taken away long ago. That
# says nothing about the test, which is run again in a fresh guest. Nothing in DST's modules rewrites their code, so a
# breakpoint there is a wild jump.

# death_of CONSOLE: prints "again" or "fail" and what was seen.
death_of() {
	local console seen place
	console=$(tr -d '\0\r' <"$1" 2>/dev/null) || true
	seen=$(grep -om 1 -E '(Oops|Kernel panic|BUG|general protection|unable to handle|stack guard).*' <<<"$console") || true
	place=$(grep -om 1 -E 'RIP: 0010:[^ ]+( \[[a-z0-9_]+\])?' <<<"$console") || true
	place=${place#RIP: 0010:}
	if [[ $seen == 'Oops: int3'* && -n $place && $place != *'[dst_'* ]]; then
		echo "again an emulated CPU went on with old code at $place"
	else
		echo "fail the guest died: ${seen:-without a word}${place:+ at $place}"
	fi
}

# left_to_another QUEUE NAME GUEST: gives the test NAME back to the queue, for a fresh guest, unless this is the third
# that was not fit for it: then it is false.
left_to_another() {
	local queue=$1 name=$2 attempts
	attempts=$(($(cat "$queue/again.$name" 2>/dev/null || echo 0) + 1))
	echo "$attempts" >"$queue/again.$name"
	((attempts < 3)) || return 1
	rm -f "$queue/running.$3"
	rmdir "$queue/claim.$name"
}
