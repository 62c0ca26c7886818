#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Succeeds, but a module has lost memory.
# It knows no such command; where it was switched off it takes none.
[[ $({ echo nothing >/sys/kernel/debug/kmemleak; } 2>&1) == *"Invalid argument"* ]] || {
	echo "SKIP: leaks are not searched for"
	exit 4
}
# Only a case that takes no time.
filter=/sys/module/kunit/parameters/filter_glob
printf 'dst_control.*' >"$filter"
trap 'printf "*.*" >"$filter"' EXIT
insmod "/share/build/$(uname -r)/dst_test.ko" leak=1000
rmmod dst_test
# An address that was left somewhere on a stack hides it for a while.
for _ in {1..30}; do
	echo scan >/sys/kernel/debug/kmemleak
	! grep -q 'size 1024' /sys/kernel/debug/kmemleak || break
	sleep 5
done
