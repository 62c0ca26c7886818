#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The connections of a node are independent: one that is lost is replaced while the others go on. A silent server is
# noticed, one that stops in order says so, and the first write error is remembered.
# needs: ip losetup fio ss
# timeout: 420
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network server client
disk far 32M
module_load
serve server "$far"
listen=$(address server):1025
field() { on client dst --json status storage | python3 -c 'import json, sys; print(json.load(sys.stdin)["storages"][0]["nodes"][0][sys.argv[1]])' "$1"; }
established() { (($(field established) == $1)); }
tells() { [[ $(on client dst status storage) == *"$1"* ]]; }
up() { [[ $(node_file storage 0 state) == up ]]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

say "four connections, each lost in turn"
on client dst create storage --raw --connections 4 --keepalive 1 "$listen" >/dev/null
wait_until 60 established 4 || fail "$(field established) connections stand"
fio --output="$work/fio.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=32 --numjobs=1 --rw=randwrite \
	--bs=4k --size=16m --loops=1000 --time_based --runtime=1000 --verify=crc32c --verify_fatal=1 --verify_backlog=128 \
	--trigger-file="$work/enough" &
load=$!
at_exit kill -KILL "$load"
written() { node_file storage 0 write_ios; }
ports() { on client ss -Htn state established "dport = :1025" | awk '{ print $3 }' | sed 's/.*://' | sort -n; }
for round in 1 2 3 4; do
	before=$(written)
	wait_until 60 at_least $((before + 50)) written || fail "I/O stands still: $(on client dst status storage)"
	port=$(ports | sed -n "${round}p")
	[[ $port ]] || fail "there is no connection $round: $(on client ss -tn)"
	others=$(ports | grep -vx "$port")
	on client ss -K "sport = :$port" "dport = :1025" >/dev/null
	reset() { ! ports | grep -qx "$port"; }
	wait_until 30 reset || fail "this kernel does not reset connections for ss"
	up || fail "the node is $(node_file storage 0 state) after the loss of one connection"
	wait_until 60 established 4 || fail "$(field established) connections stand after loss $round: $(on client dst status storage)"
	# Who has the same port is the same connection.
	expect_equal "the connections beside the new one, after loss $round" "$others" "$(ports | grep -Fx "$others")"
	expect_equal "connections after loss $round" 4 "$(ports | wc -l)"
	expect_equal "reconnects after loss $round" "$round" "$(node_file storage 0 reconnects)"
done
touch "$work/enough"
wait_until 120 gone "$load" || fail "the I/O does not come to its end: $(on client dst status storage)"
wait "$load" || { cat "$work/fio.log"; fail "I/O failed or data differs"; }

say "a server that is silent"
cable server down
wait_until 60 tells "nothing was heard for" || fail "dst status does not tell: $(on client dst status storage)"
cable server up
wait_until 60 established 4 || fail "the connections do not come back: $(on client dst status storage)"

say "a server that stops in order"
on server dst export del --force "$far" >/dev/null
wait_until 60 tells "the server has stopped in order" || fail "dst status does not tell: $(on client dst status storage)"
serve server "$far"
wait_until 60 established 4 || fail "the connections do not come back: $(on client dst status storage)"
expect_equal errors 0 "$(node_file storage 0 errors)"
storage_delete storage

# by_default CPUS: with so many of them a node that was not told how many connections it has has this many.
by_default() {
	local count=$(($1 < 4 ? $1 : 4))
	expect_equal "CPUs that are online" "$1" "$(getconf _NPROCESSORS_ONLN)"
	on client dst create storage --raw "$listen" >/dev/null
	wait_until 60 established "$count" || fail "$(field established) connections stand with $1 CPUs, $count should"
	expect_equal "connections with $1 CPUs" "$count, and $count are told" "$(ports | wc -l), and $(field connections) are told"
	[[ $(field flags) == *default-connections* ]] || fail "that this was not asked for is not told: $(field flags)"
	storage_delete storage
}
say "as many connections as CPUs"
cpus=$(getconf _NPROCESSORS_ONLN)
by_default "$cpus"
if ((cpus > 1)); then
	# The last one: the first cannot go.
	last=/sys/devices/system/cpu/cpu$((cpus - 1))/online
	at_exit eval "echo 1 >$last"
	echo 0 >"$last"
	by_default $((cpus - 1))
	echo 1 >"$last"
fi

say "the first write error is remembered"
on client dst create storage --raw --connections 2 --fail-fast --keepalive 1 "$listen" >/dev/null
expect_equal "no write error" "" "$(node_file storage 0 write_error)"
expect_error "has no write error" on client dst clear storage 0
on server dst export del --force "$far" >/dev/null
down() { ! up; }
wait_until 60 down || fail "the node is up without its export"
for sector in 8 16; do
	if dd if=/dev/zero of=/dev/dst bs=512 seek="$sector" count=8 conv=notrunc oflag=direct status=none 2>/dev/null; then
		fail "a write to a node that is away succeeds though it is to fail fast"
	fi
done
# ENOLINK, and the first of the sectors.
expect_equal "the write error" "67 8" "$(node_file storage 0 write_error)"
tells "write error: Link has been severed" || fail "dst status says: $(on client dst status storage)"
serve server "$far"
wait_until 60 up || fail "the node does not come back"
tells "write error" || fail "the write error is forgotten with the reconnect"
on client dst clear storage 0
! tells "write error" || fail "the write error is still there: $(on client dst status storage)"
dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none
storage_delete storage

# ends OPTION...: with these, a queue deeper than the node's table ends in error when the server goes, and so does what
# comes after that, although the places of what may be carried out yet are not given back.
ends() {
	local writer
	on client dst create storage --raw --keepalive 1 "$@" "$listen" >/dev/null
	fio --output="$work/deep.log" --name=deep --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=400 --rw=randwrite --bs=4k \
		--size=16m --loops=1000 --time_based --runtime=1000 >/dev/null 2>&1 &
	writer=$!
	at_exit kill -KILL "$writer"
	wait_until 60 at_least 400 written || fail "the writes do not begin"
	on server dst export del --force "$far" >/dev/null
	wait_until 60 gone "$writer" || fail "$*: the writes do not end: $(on client dst status storage)"
	wait "$writer" && fail "$*: writes succeed without their server"
	if timeout 30 dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none 2>/dev/null; then
		fail "$*: a write succeeds without its server"
	fi
	idle() { (($(node_file storage 0 in_flight) + $(node_file storage 0 queued) == 0)); }
	wait_until 30 idle || fail "$*: requests are left: $(on client dst status storage)"
	begin=$SECONDS
	wait_until 60 on client dst delete --force storage
	((SECONDS - begin <= 10)) || fail "the deletion took $((SECONDS - begin)) s"
	serve server "$far"
}
say "a deep queue fails"
ends --fail-fast
ends --retry-limit 1
ends --request-timeout 1 --request-tries 1

say "requests to a server that is silent end after their tries"
on client dst create storage --raw --keepalive 1 --request-timeout 2 --request-tries 2 "$listen" >/dev/null
wait_until 60 up || fail "the node is not up"
cable server down
if timeout 60 dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none 2>"$work/error"; then
	fail "a write to a server that is away succeeds"
fi
grep -q "timed out" "$work/error" || fail "the write ends with: $(cat "$work/error")"
cable server up
wait_until 90 up || fail "the node does not come back: $(on client dst status storage)"
dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none
storage_delete storage
unserve server "$far"
module_unload
