# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For tests in which allocations fail on purpose; sourced after lib.sh. They run parts of memory-faults.py.

[[ -d /share/build/ynl/pyynl ]] || skip "build/ynl is missing: tests/run puts the kernel's netlink client there"
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
faults=/sys/kernel/debug
[[ -d $faults/failslab && -d $faults/fail_page_alloc ]] || skip "this kernel does not fail on purpose"
export PYTHONPATH=/share/build/ynl PYTHONDONTWRITEBYTECODE=1

# set_fault FILE VALUE: for both, small pieces of memory and pages.
set_fault() {
	local kind
	for kind in failslab fail_page_alloc; do echo "$2" >"$faults/$kind/$1"; done
}
quiet() {
	set_fault probability 0
	set_fault task-filter N
	set_fault require-start 0
	set_fault require-end 0xffffffffffffffff
	set_fault reject-start 0
	set_fault reject-end 0
}
part() { python3 "$tests/helpers/memory-faults.py" /share/src/Documentation/netlink/specs/dst.yaml "$@"; }

# can_search: whether leaks can be searched for. Where they could at the beginning of a test and cannot at its end,
# because what notes the allocations had no memory itself, the runner finds none. It knows no command "nothing"; where
# it was switched off it takes none at all.
can_search() { [[ $({ echo nothing >"$faults/kmemleak"; } 2>&1) == *"Invalid argument"* ]]; }
if can_search; then
	still_searches() { can_search || fail "the search for leaks has ended during the test"; }
else
	still_searches() { :; }
fi
at_exit quiet
