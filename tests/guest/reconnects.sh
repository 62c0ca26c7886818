#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Hundreds of reconnects under load leave nothing behind on either side, no memory, socket, task or thread, and do not flood the
# log; and no request fails.
#   ROUNDS=60   how many reconnects      SEED=1   what is written
# needs: ip losetup python3 tcp_diag
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

rounds=${ROUNDS:-60} seed=${SEED:-1}
say "ROUNDS=$rounds SEED=$seed"
# So few threads that there is time for the rest.
export THREADS=2
network client one
disk a 16M
disk b 16M
for device in "$a" "$b"; do dd if=/dev/zero of="$device" bs=1M count=16 oflag=direct status=none; done
module_load
serve one "$a"
on client dst create storage "$(address one):1025" "$b" >/dev/null
boundary=$(node_file storage 0 size)

reconnects() { node_file storage 0 reconnects; }
sockets() { on "$1" cat /proc/net/sockstat | awk '/^TCP:/ { print $3 }'; }
# Connections that were reset take a moment to go.
is_settled() {
	local before
	before=$(sockets client).$(sockets one).$(tasks)
	sleep 1
	[[ $before == "$(sockets client).$(sockets one).$(tasks)" ]]
}
# Of both sides: everything is one kernel.
tasks() { grep -c '(' /sys/kernel/debug/dst/tasks; }
threads() { pgrep -c '^dst_' || true; }
references() { cat /sys/module/dst_blk/refcnt; }
objects() { awk -v name="$1" '$1 == name { print $3 }' /proc/slabinfo; }
free_memory() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo
}
# lines_since MARK: what the module has written to the kernel's log.
lines_since() { log_since "$1" | grep -c '^dst_blk: ' || true; }

# resets COUNT: half of them at the client's end, half at the server's.
resets() {
	on client python3 "$tests/helpers/reset.py" 1025 $(($1 / 2)) || fail "$(dst status storage)"
	load_goes_on 5 60 "after half of the resets"
	on one python3 "$tests/helpers/reset.py" 1025 $(($1 - $1 / 2)) || fail "$(dst status storage)"
	load_goes_on 5 60 "after all resets"
}
# at_rest: prints what there is when nothing happens, by name.
at_rest() {
	local name
	echo "sockets-client $(sockets client)"
	echo "sockets-server $(sockets one)"
	echo "tasks $(tasks)"
	echo "threads $(threads)"
	echo "references $(references)"
	for name in TCP sock_inode_cache tw_sock_TCP request_sock_TCP skbuff_head_cache; do echo "$name $(objects $name)"; done
	awk '$1 ~ /^dst_/ { print $1, $3 }' /proc/slabinfo
}
count() { sed -n "s/^$2 //p" "$work/rest.$1"; }
exact=(sockets-client sockets-server tasks threads references)
is_as_before() {
	local name
	at_rest >"$work/rest.after"
	for name in "${exact[@]}"; do [[ $(count before "$name") == "$(count after "$name")" ]] || return 1; done
	# Caches hold some that are free; what is lost with each connection is more.
	while read -r name number; do
		[[ " ${exact[*]} " == *" $name "* ]] || ((number < $(count before "$name") + rounds / 2 + 40)) || return 1
	done <"$work/rest.after"
}
memory_is_back() { ((before_memory - $(free_memory) < 8 + rounds / 50)); }

# What the kernel keeps from then on is there after some.
load_begin "$boundary" "$seed"
resets 12
load_end 60 "after the first reconnects"
wait_until 60 is_settled || fail "connections come and go although nothing happens"
at_rest >"$work/rest.before"
before_memory=$(free_memory)

load_begin "$boundary" "$seed.2"
log_mark reconnects
begin=$SECONDS begin_reconnects=$(reconnects)
resets "$rounds"
took=$((SECONDS - begin))
lines=$(lines_since reconnects)
load_end 60 "after all"
done=$(($(reconnects) - begin_reconnects))
say "$done reconnects in $took s, $lines lines in the log"
((done >= rounds)) || fail "$done reconnects instead of $rounds"
expect_equal errors 0 "$(cat /sys/devices/storage/errors)"
# Ten in five seconds, and one that tells of the others.
((lines >= 1 && lines <= 11 * (took / 5 + 2))) || fail "$lines lines in the log in $took s"
wait_until 60 is_as_before || fail "something is left: before $(paste -sd, "$work/rest.before"), after $(paste -sd, "$work/rest.after")"
wait_until 60 memory_is_back || fail "$((before_memory - $(free_memory))) MiB are gone after $done reconnects"
say "before: $(paste -sd, "$work/rest.before")"
say "after:  $(paste -sd, "$work/rest.after")"
say "$before_memory MiB before, $(free_memory) MiB after"

# Whoever closes the listening socket from outside does not lock the clients out.
listens() { [[ $(on one ss -Hltn "sport = :1025") ]]; }
tells_so() { log_since reconnects | grep -q "the socket that listens on $(address one):1025 was closed from outside; listening again"; }
on one ss -K -l "sport = :1025" >/dev/null
wait_until 60 tells_so || fail "nothing is said of a listening socket that was closed"
wait_until 60 listens || fail "the export does not listen again"
load_begin "$boundary" "$seed.3"
on client python3 "$tests/helpers/reset.py" 1025 2 || fail "$(dst status storage)"
load_end 60 "after the listening socket was closed"
wait_until 60 is_as_before || fail "something is left: before $(paste -sd, "$work/rest.before"), after $(paste -sd, "$work/rest.after")"

# The check does notice a socket and a task more.
disk c 1M
on one dst export add "$c" --listen "$(address one):1026" --allow 10.7.0.0/24 >/dev/null
! is_as_before || fail "a listener more is not noticed"
on one dst export del "$c" >/dev/null
storage_delete storage
unserve one "$a"
