#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cases of the executor pass on this kernel, round after round, and nothing of them stays.
# kernel: any
# timeout: 180
. "$(dirname "$0")/lib.sh"

cases=${module%/*}/dst_exec_test.ko
at_exit rmmod dst_exec_test

# ktap MARK: what the cases have reported since the mark.
ktap() { log_since "$1" | sed -n 's/^dst_exec_test: //p'; }

for ((round = 1; round <= ${ROUNDS:-2}; round++)); do
	log_mark "cases $round"
	insmod "$cases" || fail "$(ktap "cases $round" | grep -v '^ok ')"
	ktap "cases $round" | grep -x "KTAP version 1" >/dev/null || fail "the cases have not reported as KTAP"
	planned=$(ktap "cases $round" | sed -n 's/^1\.\.//p')
	((planned > 20)) || fail "only '$planned' cases were to run"
	expect_equal "cases that passed" "$planned" "$(ktap "cases $round" | grep -c '^ok ')"
	if ktap "cases $round" | grep '^not ok'; then fail "a case failed and the module was loaded all the same"; fi
	rmmod dst_exec_test
	if pgrep -l '^dst_'; then fail "threads are left"; fi
done
say "$planned cases, $((round - 1)) rounds"
