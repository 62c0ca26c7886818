#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A connection that is reset in the middle of anything that is said on it, that only one side knows of, or whose answers come
# late or twice costs the storage nothing but time, under a load that checks itself: no request is lost, failed, or done later
# than one that came after it.
#   ROUNDS=1   one round breaks off at chosen bytes of each message, each other one at every byte      SEED=1   chance
# needs: ip losetup python3
# timeout: 500
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

rounds=${ROUNDS:-1} seed=${SEED:-1}
say "ROUNDS=$rounds SEED=$seed"
export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
network client one middle
disk a 16M
disk b 16M
disk shared 8M
module_load
serve one "$a" --write-back
on one dst export add "$shared" --listen "$(address one):1026" --allow 10.7.0.0/24 --shared >/dev/null
# One that acknowledges everything and says nothing has to be noticed.
parts=(silent) options=(--keepalive 2)
mkdir "$work/middle"
# Not by the function "on", whose process would be killed instead of the program.
ip netns exec middle python3 "$tests/resets.py" "$(address middle)" "$(address one)" "$work/middle" "$rounds" "$seed" \
	"$b" "${parts[@]}" >"$work/middle.log" 2>&1 &
middle=$!
at_exit kill "$middle"
told() { fail "$1: $(cat "$work/middle.log")"; }
wait_until 60 test -e "$work/middle/ready" || told "the machine between does not start"
on client dst create storage "${options[@]}" "$(address middle):1025" "$b" >/dev/null
boundary=$(node_file storage 0 size)

load_begin "$boundary" "$seed"
touch "$work/middle/go"
is_over() { [[ -e $work/middle/done ]] || ! kill -0 "$middle" 2>/dev/null; }
limit=300
((rounds == 1)) || limit=$((5400 * rounds))
wait_until "$limit" is_over || told "it takes too long"
[[ -e $work/middle/done ]] || told "under a connection that breaks"
grep '^#' "$work/middle.log"
load_end 120 "all of it"
expect_equal errors 0 "$(cat /sys/devices/storage/errors)"
expect_equal "a write error" "" "$(node_file storage 0 write_error)"
load_notices "$a" $((boundary - 1100))
touch "$work/middle/idle"
is_quiet() { [[ -e $work/middle/quiet ]] || ! kill -0 "$middle" 2>/dev/null; }
wait_until 300 is_quiet || told "it takes too long without a load"
[[ -e $work/middle/quiet ]] || told "at the beginning or the end of a storage"
tail -n 2 "$work/middle.log"
touch "$work/middle/end"
wait "$middle" || told "the machine between"
unserve one "$a"

# Were a connection not closed when the client comes again, the rest of a write would land: two clients that are let in side
# by side are not kept apart, and there that is seen.
on client python3 - "$(address one)" <<-'END'
	import sys, peer
	def come(name):
	    client = peer.Peer(sys.argv[1], 1026)
	    assert client.open(session=name, flags=peer.WANT_WRITE | peer.WANT_SHARED | peer.WANT_RAW).status == peer.OK
	    return client
	late, other = come(b"late------------"), come(b"other-----------")
	old = peer.message(peer.WRITE, b"\x01" * 4096, tag=5, length=4096, epoch=late.epoch)
	late.send(old[:2000])
	assert other.ask(peer.WRITE, b"\x02" * 4096, length=4096, epoch=other.epoch).status == peer.OK
	late.send(old[2000:])
	assert late.receive().status == peer.OK
	assert other.ask(peer.READ, length=4096, epoch=other.epoch).payload == b"\x01" * 4096, "a write that comes late is not seen"
END
on one dst export del --force "$shared" >/dev/null
