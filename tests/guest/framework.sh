#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The test runner itself: a fault of each kind makes a test fail, and a clean test passes.
# timeout: 600
# kernel: any
# log-allow: control-fault|blocked.* for more|Call Trace:|kmemleak: [0-9]* new suspected
. "$(dirname "$0")/lib.sh"

queue=$work/queue
mkdir "$queue"
# The controls are kept apart from the tests, so that nobody runs them by mistake.
ls "$tests"/framework/*.sh >"$queue/list"
"$tests/runner" "$queue" --here || fail "the runner ended with status $?"
[[ ! -e $queue/result.control-unfit ]] || fail "a test for which the guest is unfit has a result at once"
# Here the same guest stands for the fresh ones.
for _ in 1 2; do "$tests/runner" "$queue" --here || fail "the runner ended with status $?"; done

verdict() {
	local found
	found=$(cat "$queue/result.$1") || fail "the control $1 has no result"
	[[ $found == "$2 "*"$3"* ]] || fail "the control $1 should give '$2 ... $3' and gave '$found'"
}
verdict control-pass pass ''
verdict control-skip skip 'nothing to do'
verdict control-needs skip 'this guest has no such-a-command'
verdict control-cpus skip 'it takes 4096 CPUs, and this guest has'
verdict control-unfit fail '3 guests, and in each: it cannot count'
verdict control-status fail 'exit status 9'
verdict control-assertion fail 'the answer: expected'
verdict control-command fail 'false'
verdict control-timeout fail 'still running after'
verdict control-warning fail 'kernel log: '
verdict control-race fail 'BUG: KCSAN: data-race'
verdict control-hung fail 'kernel log: '
verdict control-hung-declared fail 'kernel log: '
grep -q 'INFO: task touch:.* blocked.* for more than [0-9]* seconds' "$queue/log.control-hung-declared" || fail "it has not failed because a task hung"
verdict control-outage pass ''
expect_equal "the limit for tasks that wait, after tests with others" 60 "$(cat /proc/sys/kernel/hung_task_timeout_secs)"
verdict control-allowed pass ''
# Where the kernel searches for leaks.
if [[ $(cat "$queue/result.control-leak") == skip* ]]; then
	verdict control-leak skip 'leaks are not searched for'
else
	# The control searches itself, of which the kernel's log tells first.
	verdict control-leak fail 'leak: '
	grep -q 'unreferenced object' "$queue/log.control-leak" || fail "the runner has not found the leak"
fi

late=$work/late
mkdir "$late"
echo "$tests/framework/control-pass.sh" >"$late/list"
echo "$(date +%s) of 70 minutes" >"$late/deadline"
"$tests/runner" "$late" --here || fail "the runner ended with status $?"
expect_equal "a test for which no time is left" "skip 0.0 the time of 70 minutes is up" "$(sed 's/ [0-9.]* / 0.0 /' "$late/result.control-pass")"

grep -q control-fault "$queue/log.control-warning" || fail "the log of a failed test lacks the kernel's messages"
expect_equal "the namespaces that a failed test left" "" "$(ip netns list)"
