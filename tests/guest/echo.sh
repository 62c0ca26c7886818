#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The echo server: every byte comes back, to many clients at once, one that does not read harms nobody, it ends under
# load in bounded time and leaves nothing, and it serves this machine alone unless it is told otherwise.
# needs: python3 ss ip nc
# timeout: 900
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-5}
module=/share/build/$(uname -r)/dst_echo.ko

# serve [PARAMETER=VALUE...]: loads the server on a free port; "client MODE ..." is then its client.
serve() {
	log_mark "load $((++loads))"
	insmod "$module" port=0 "$@"
	port=$(log_since "load $loads" | sed -n 's/^dst_echo: serving on .*:\([0-9]*\)$/\1/p')
	[[ -n $port ]] || fail "the server does not say on which port it serves"
}
loads=0
at_exit rmmod dst_echo
client() { python3 "$tests/helpers/echo.py" "$1" "${host:-127.0.0.1}" "$port" "${@:2}"; }

# refused TEXT PARAMETER=VALUE...: the module must not load and must log TEXT.
refused() {
	local text=$1
	shift
	log_mark "load $((++loads))"
	if insmod "$module" "$@" 2>/dev/null; then fail "the module loads with $*"; fi
	log_since "load $loads" >"$work/log"
	grep -qF "$text" "$work/log" || fail "$* should have logged '$text' and logged: $(cat "$work/log")"
}

refused 'dst_echo: clients=0 is refused: give 1 to 65536' clients=0
refused 'dst_echo: clients=70000 is refused' clients=70000
refused 'dst_echo: workers=5000 is refused: give at most 1024' workers=5000
refused "\`70000' invalid for parameter \`port'" port=70000
nc -l 127.0.0.1 4007 </dev/null >/dev/null &
listener=$!
at_exit kill "$listener"
listens() { ss -Hltn 'sport = 4007' | grep -q LISTEN; }
wait_until 30 listens || fail "the port cannot be occupied"
refused 'cannot serve on 127.0.0.1:4007: the port is in use; port=0 takes a free one' port=4007
kill "$listener"
wait "$listener" || true

# Threads that have ended are told of for a moment more.
threads_are() { (($(pgrep -c '^dst_echo') == $1)); }
expect_threads() { wait_until 60 threads_are "$1" || fail "expected $1 threads, found: $(pgrep -l '^dst_echo')"; }

say "many clients, one worker and several"
for workers in 1 4; do
	serve workers=$workers
	expect_threads $workers
	client exchange 40
	client exchange 200
	client deaf
	rmmod dst_echo
done

say "clients that reset at once are nobody's lack of memory"
serve workers=1
client reset 200
client exchange 40
rmmod dst_echo
! log_since "load $loads" | grep 'turned away' || fail "a client that has gone was turned away"

say "the number of clients has a limit, and those that have gone do not count"
serve clients=8
client turns 40
mkfifo "$work/hold"
client hold 8 <"$work/hold" >"$work/held" &
held=$!
exec {hold}>"$work/hold"
wait_until 60 grep -q connected "$work/held" || fail "8 clients are not served: $(cat "$work/held")"
if client exchange 1 20 >"$work/ninth" 2>&1; then fail "a ninth client is served"; fi
log_since "load $loads" | grep -q 'dst_echo: a client was turned away: 8 are here' || fail "turning a client away is not logged"
exec {hold}>&-
wait "$held"
wait_until 60 client exchange 8 || fail "8 clients are not served when the others have gone"
rmmod dst_echo

say "this machine alone, by IPv4 or IPv6, unless it is public"
ip address add 10.9.0.1/32 dev lo
at_exit ip address del 10.9.0.1/32 dev lo
serve
expect_equal "listener" "127.0.0.1:$port" "$(ss -Hltn "sport = $port" | awk '{ print $4 }')"
if host=10.9.0.1 client exchange 1 2>/dev/null; then fail "another address than loopback is served"; fi
rmmod dst_echo
serve ipv6=1
expect_equal "listener" "[::1]:$port" "$(ss -Hltn "sport = $port" | awk '{ print $4 }')"
host=::1 client exchange 40
if client exchange 1 2>/dev/null; then fail "IPv4 is served too"; fi
rmmod dst_echo
serve public=1
host=10.9.0.1 client exchange 10
rmmod dst_echo
serve public=1 ipv6=1
host=10.9.0.1 client exchange 10
host=::1 client exchange 10
rmmod dst_echo

# free_memory: in MiB, once it does not grow any more: sockets and pages of the past come back late.
free_memory() {
	local most=0 same=0 now
	while ((same < 8)); do
		echo 3 >/proc/sys/vm/drop_caches
		now=$(awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo)
		if ((now > most)); then most=$now same=0; else same=$((same + 1)); fi
		sleep 0.3
	done
	echo "$most"
}
# What TCP has: sockets with and without an owner. Those that wait for late packets are no sockets any more.
sockets() { awk '/^TCP:/ { print $3 + $5 }' /proc/net/sockstat; }

# unload_under_load: takes the server away while clients stream and others are idle.
unload_under_load() {
	serve workers=$((1 + $1 % 3))
	mkfifo "$work/hold.$1"
	client hold 200 <"$work/hold.$1" >"$work/held" 2>&1 &
	held=$!
	exec {hold}>"$work/hold.$1"
	client stream 30 >"$work/stream" 2>&1 &
	streaming=$!
	wait_until 120 grep -q connected "$work/held" || fail "the idle clients are not served: $(cat "$work/held")"
	wait_until 120 grep -q running "$work/stream" || fail "the streams do not run: $(cat "$work/stream")"
	# One thread has all of them to serve.
	(($1 % 3)) || client exchange 10 || fail "others are not served while some stream"
	begin=${EPOCHREALTIME/./}
	timeout 60 rmmod dst_echo || fail "the module does not unload under load"
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	wait "$streaming" || fail "streaming clients: $(cat "$work/stream")"
	exec {hold}>&-
	wait "$held"
	expect_threads 0
	say "unloaded in $took ms; $(tail -n 1 "$work/stream")"
}
say "unload under load"
unload_under_load 1
unload_under_load 2
memory=$(free_memory) before=$(sockets)
for ((i = 3; i < rounds + 3; i++)); do unload_under_load "$i"; done
# The buffers alone of a round's 240 clients are nearly four.
memory_is_back() {
	after=$(free_memory)
	((memory - after < 2 * rounds))
}
wait_until 60 memory_is_back || fail "$((memory - after)) MiB are gone after $rounds rounds"
say "$rounds rounds: $memory MiB free before, $after after"
sockets_are_gone() { (($(sockets) <= before)); }
wait_until 60 sockets_are_gone || fail "$(($(sockets) - before)) sockets are left: $(ss -tanp)"
