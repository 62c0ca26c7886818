#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cases of sys, exec and net pass on this kernel, as suites of KUnit where it has that, and a case that fails is noticed.
# needs: ip
# kernel: any
# timeout: 900
. "$(dirname "$0")/lib.sh"

cases=${module%/*}/dst_test.ko
parameters=/sys/module/kunit/parameters
ip link set lo up
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
modprobe -q kunit enable=1 autorun=1 || true
has_kunit() { [[ -d $parameters ]]; }
! has_kunit || [[ -d /sys/kernel/debug/kunit ]] || skip "this kernel's KUnit tells no results (KUNIT_DEBUGFS)"

# Sockets may hold the module for a moment, on a kernel that proves its locks.
unload() { rmmod dst_test 2>/dev/null; }
at_exit wait_until 60 unload

# results MARK: what the suites have to tell, as KTAP: from KUnit, or from the kernel's messages since the mark.
results() {
	if has_kunit; then
		cat /sys/kernel/debug/kunit/dst_*/results
	else
		log_since "$1" | sed -n 's/^dst_test: //p'
	fi
}
# problems FILE: what in the results of suites is not well. A suite must have told as many results as it has announced.
problems() {
	awk '
		/^    # Subtest: / { suite = $NF; told = planned = -1 }
		/^    1\.\.[0-9]+$/ { planned = substr($1, 4); told = 0 }
		/^    ok / { told++ }
		/^    ok .*# SKIP/ { print suite ": " $0 }
		/^ *not ok / { print suite ": " $0 }
		/^ok / && (told != planned || $3 != suite) { print suite ": " told " of " planned " cases passed" }
	' "$1"
}
suites() { sed -n 's/^ok [0-9]* //p' "$1" | sort; }

has_kunit && say "KUnit runs the cases"
# The limit of KUnit for a case; those of the cases are shorter on a machine of the usual speed.
! has_kunit || echo 3000 >$parameters/timeout
log_mark cases
# Without KUnit a case that fails lets this fail too.
loaded=1
insmod "$cases" || loaded=0
results cases >"$work/results"
[[ -z $(problems "$work/results") ]] || fail "$(problems "$work/results"; grep '^ *# ' "$work/results" | grep -v Subtest)"
((loaded)) || fail "$cases cannot be loaded"
expect_equal "the suites that passed" \
	"$(sed -n 's/^    \(dst_[a-z_]*\) = .*/\1/p' /share/src/src/*_test/mod.rs /share/src/src/test_suite/mod.rs | sort)" \
	"$(suites "$work/results")"
say "$(suites "$work/results" | wc -l) suites, $(grep -c '^    ok ' "$work/results") cases"
log_since cases | sed -n 's/^.*\(cancelled at\)/# \1/p'

# The task that the module leaves behind, and nothing of the cases.
tasks=/sys/kernel/debug/dst_test/tasks
expect_equal "the columns of $tasks" "name pool state ms awaits" "$(head -n 1 "$tasks")"
expect_equal "tasks" 1 "$(sed 1d "$tasks" | wc -l)"
waits() { [[ $(sed 1d "$tasks") =~ ^endless\(7\)\ dst_test_one\ [a-z]+\ ([0-9]+)\ (nothing|-)$ ]]; }
waits || fail "the endless task is not told: $(sed 1d "$tasks")"
first=${BASH_REMATCH[1]}
longer() { waits && ((BASH_REMATCH[1] > first + 1000)); }
wait_until 20 longer || fail "it does not wait for longer and longer than $first ms: $(sed 1d "$tasks")"

# KUnit runs a suite again when it is told to.
if has_kunit; then
	for suite in dst_sys_bio dst_exec_locks; do
		folder=/sys/kernel/debug/kunit/$suite
		log_mark again
		echo again >"$folder/run"
		cat "$folder/results" >"$work/again"
		[[ -z $(problems "$work/again") ]] || fail "the second time: $(problems "$work/again")"
		log_since again | grep -x " *# Subtest: $suite" >/dev/null || fail "the suite $suite was not run again"
	done
fi
wait_until 60 unload || fail "the module cannot be removed"
[[ ! -e $tasks ]] || fail "$tasks is still there"

# A case that is told to fail.
log_mark control
if has_kunit; then
	# A newline would belong to the pattern.
	at_exit eval "printf '*.*' >$parameters/filter_glob"
	printf 'dst_control.*' >$parameters/filter_glob
	insmod "$cases" control=1
else
	expect_error "Invalid parameters" insmod "$cases" control=1
	[[ ! -d /sys/module/dst_test && ! -e $tasks ]] || fail "the module stays although a case failed"
fi
results control >"$work/results"
expect_equal "the suites that passed" "" "$(suites "$work/results")"
[[ $(problems "$work/results") == *"not ok 1 told_to_fail"*"not ok 1 dst_control"* ]] ||
	fail "the case that must fail is not reported: $(cat "$work/results")"
grep 'not so: .*control_wanted' "$work/results" >/dev/null || fail "it is not told what is not so: $(cat "$work/results")"
