#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network namespaces of client and server are deleted under I/O, a CPU goes and comes back, and in the end the network
# itself is torn out: what still works goes on, nothing is lost, a forced deletion takes less than ten seconds, and nobody
# gives the storage up from another namespace.
#   ROUNDS=3   how often the CPU goes and comes back      SEED=1   what is written
# needs: ip losetup python3
# timeout: 240
# cpus: 2
# log-allow: Buffer I/O error|I/O error
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

rounds=${ROUNDS:-3} seed=${SEED:-1}
say "ROUNDS=$rounds SEED=$seed"
module_load
network client one
disk a 16M
disk b 16M
serve one "$a"
on client dst create storage "$(address one):1025" "$b" >/dev/null
boundary=$(node_file storage 0 size)
# port_is_gone MACHINE: the last trace of a network namespace, the other end of its cable.
port_is_gone() { ! ip -n wire link show "port-$1" >/dev/null 2>&1; }
# deleted_in_time WHAT COMMAND...: COMMAND takes less than ten seconds.
deleted_in_time() {
	local what=$1 begin=${EPOCHREALTIME/./} ms
	shift
	"$@" >/dev/null || fail "$what cannot be deleted"
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	say "$what was deleted in $ms ms"
	((ms < 10000)) || fail "the deletion of $what took $ms ms"
}

say "a CPU goes and comes back"
cpu=/sys/devices/system/cpu/cpu1/online
at_exit eval "echo 1 >$cpu"
load_begin "$boundary" "$seed"
for ((round = 1; round <= rounds; round++)); do
	echo 0 >"$cpu"
	expect_equal "whether the CPU is there" 0 "$(cat "$cpu")"
	load_goes_on 30 60 "without a CPU"
	echo 1 >"$cpu"
	load_goes_on 30 60 "with the CPU again"
done
say "$rounds times: the load went on"

say "the namespaces lose their names"
ip netns del client
load_goes_on 40 60 "after the client's network namespace was deleted"
ip netns del one
load_goes_on 40 60 "after the server's network namespace was deleted"
for machine in client one; do ! port_is_gone "$machine" || fail "the network of $machine is gone, and the I/O went on?"; done
expect_equal "reconnects" 0 "$(node_file storage 0 reconnects)"
load_end 60 "all of it"
expect_equal errors 0 "$(cat /sys/devices/storage/errors)"
load_begin "$boundary" "$seed.2"

say "the cable and both ends of it are gone"
ip -n wire link del port-one
stuck() { (($(node_file storage 0 in_flight) + $(node_file storage 0 queued) >= 6)); }
wait_until 60 stuck || fail "I/O goes on without a network: $(dst status storage)"
# Who stops a machine or a container here does not stop what is in that namespace.
dst down --lost --grace 1 --wait 20 >"$work/out" 2>&1 || fail "lost storages cannot be looked for: $(cat "$work/out")"
expect_equal "what is said of a storage of another network namespace" \
	'note: storage "storage" belongs to another network namespace and is left alone' "$(cat "$work/out")"
stuck || fail "the storage of another network namespace was touched: $(dst status)"
deleted_in_time "a storage whose network is gone" dst delete --force storage
wait_until 60 load_is_over || fail "the load goes on without its disk"
if wait "$load"; then fail "the load had no error though its disk was deleted"; fi
grep -q OSError "$work/load.log" || fail "the load had other errors than its disk: $(cat "$work/load.log")"
wait_until 60 port_is_gone client || fail "the client's network namespace stays"
# By its number: a device means one of the caller's own network namespace.
deleted_in_time "an export whose network is gone" dst export del --force 1
module_unload
