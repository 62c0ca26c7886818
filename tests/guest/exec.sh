#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cases of the executor pass on this kernel, a case that fails keeps their module out, and debugfs lists every task
# with what it waits for.
# needs: losetup ip
# kernel: any
# timeout: 180
. "$(dirname "$0")/lib.sh"

cases=${module%/*}/dst_exec_test.ko
at_exit rmmod dst_exec_test
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug

# ktap MARK: what the cases have reported since the mark.
ktap() { log_since "$1" | sed -n 's/^dst_exec_test: //p'; }

log_mark cases
insmod "$cases" || fail "$(ktap cases | grep -v '^ok ')"
ktap cases | grep -x "KTAP version 1" >/dev/null || fail "the cases have not reported as KTAP"
planned=$(ktap cases | sed -n 's/^1\.\.//p')
passed=$(ktap cases | grep -c '^ok ')
((planned > 20)) || fail "only '$planned' cases were to run"
expect_equal "cases that passed" "$planned" "$passed"
if ktap cases | grep '^not ok'; then fail "a case failed and the module was loaded all the same"; fi
say "$passed cases, $(ktap cases | sed -n 's/^cancelled at/cancelled at/p')"

# The task that the module leaves behind, and nothing of the cases.
tasks=/sys/kernel/debug/dst_exec_test/tasks
expect_equal "the columns of $tasks" "name pool state idle_ms awaits" "$(head -n 1 "$tasks")"
expect_equal "tasks" 1 "$(sed 1d "$tasks" | wc -l)"
waits() { [[ $(sed 1d "$tasks") =~ ^endless\ dst_test_one\ waiting\ ([0-9]+)\ nothing$ ]]; }
waits || fail "the endless task is not told: $(sed 1d "$tasks")"
first=${BASH_REMATCH[1]}
longer() { waits && ((BASH_REMATCH[1] > first)); }
wait_until 20 longer || fail "it does not wait for longer and longer: $(sed 1d "$tasks")"
rmmod dst_exec_test
[[ ! -e $tasks ]] || fail "$tasks is still there"

# The same cases and one that fails.
log_mark control
expect_error "Invalid parameters" insmod "$cases" control=1
ktap control | grep "^not ok .* control" >/dev/null ||
	fail "the case that must fail is not reported: $(ktap control | grep -v "^ok ")"
[[ ! -d /sys/module/dst_exec_test && ! -e $tasks ]] || fail "the module stays although a case failed"

# The driver's own tasks.
network server
disk device 16M
module_load
tasks=/sys/kernel/debug/dst/tasks
expect_equal "tasks of a driver that does nothing" "" "$(sed 1d "$tasks")"
on server dst export add "$device" --listen "$(address server):1025" --allow "$(address server)" >/dev/null
listens() { grep -qE '^export-listen dst_net waiting [0-9]+ input from a socket$' "$tasks"; }
wait_until 20 listens || fail "the listening task is not told: $(cat "$tasks")"
on server dst create storage "$(address server):1025" >/dev/null
supervises() { grep -qE '^storage-supervise dst_net waiting [0-9]+ input from a socket$' "$tasks"; }
wait_until 20 supervises || fail "the task of a node is not told: $(cat "$tasks")"
unnamed() { sed 1d "$tasks" | grep -E ' waiting [0-9]+ -$'; }
if unnamed; then fail "these do not say what they wait for"; fi
say "$(sed 1d "$tasks" | cut -d' ' -f1,5- | sort -u | tr '\n' ';')"
on server dst delete storage >/dev/null
on server dst export del "$(address server):1025" --force >/dev/null
gone() { [[ -z $(sed 1d "$tasks") ]]; }
wait_until 20 gone || fail "tasks are left: $(cat "$tasks")"
module_unload
