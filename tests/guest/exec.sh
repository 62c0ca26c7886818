#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# debugfs lists every task of the driver with what it waits for.
# needs: losetup ip
# kernel: any
# timeout: 180
. "$(dirname "$0")/lib.sh"

mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
network server
disk device 16M
module_load
tasks=/sys/kernel/debug/dst/tasks
# What clears away ended jobs is there from the beginning, and nothing else.
idle() { [[ $(sed 1d "$tasks" | sed -E 's/ waiting [0-9]+ / waiting /') == "jobs-clear dst_ctl waiting a job to end" ]]; }
wait_until 20 idle || fail "tasks of a driver that does nothing: $(cat "$tasks")"
on server dst export add "$device" --listen "$(address server):1025" --allow "$(address server)" >/dev/null
listens() { grep -qE '^export-listen\([0-9]+\) dst_net waiting [0-9]+ input from a socket$' "$tasks"; }
wait_until 20 listens || fail "the listening task is not told: $(cat "$tasks")"
on server dst create storage "$(address server):1025" >/dev/null
supervises() { grep -qE '^storage-supervise\(storage/0/0\) dst_net waiting [0-9]+ input from a socket$' "$tasks"; }
wait_until 20 supervises || fail "the task of a node is not told: $(cat "$tasks")"
# A task may begin to run while its line is written.
all_named() { ! sed 1d "$tasks" | grep -qE ' waiting [0-9]+ -$'; }
wait_until 20 all_named || fail "some do not say what they wait for: $(cat "$tasks")"
say "$(sed 1d "$tasks" | cut -d' ' -f1,5- | sort -u | tr '\n' ';')"
on server dst delete storage >/dev/null
on server dst export del "$(address server):1025" --force >/dev/null
wait_until 20 idle || fail "tasks are left: $(cat "$tasks")"
module_unload
