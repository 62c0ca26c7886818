#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two clients of one export: the second writer is refused and told who is there; when the first is dead, without a word, it
# is let in and takes the storage over, and what the first one had not got through never arrives. Two exports that exchange
# their addresses while a client is away are both refused, are not written to, and are taken back when they are back.
# needs: ip losetup python3 cmp
# timeout: 300
# log-allow: Buffer I/O error|I/O error
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

rounds=${ROUNDS:-1} seed=${SEED:-1}
say "ROUNDS=$rounds SEED=$seed"
export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
module_load
network client one two second
disk a 16M
disk b 16M
hash_of() { sync; md5sum <"$(disk_file "$1")"; }
is_up() { [[ $(node_file storage "$1" state) == up ]]; }
is_down() { ! is_up "$1"; }
# said_of ADDRESS: twice, so that whatever the first attempt would have written is there.
said_of() { (($(log_since swap | grep -c "node $1:1025: another node answers") >= 2)); }

# field NAME [NODE]: as "dst status --json" has it, of the storage or of a node.
field() {
	on client dst --json status storage | python3 -c '
import json, sys
told = json.load(sys.stdin)["storages"][0]
print((told["nodes"][int(sys.argv[2])] if sys.argv[2:] else told)[sys.argv[1]])' "$@"
}
# refused_at NODE ADDRESS TIME: the node waits for its own device, is tried again, and has been since before TIME.
refused_at() {
	expect_equal "node $1" "reconnecting: another node answers: its label is not the one before; the right device at $2:1025" \
		"$(field state "$1"): $(field reason "$1"); $(field waits_for "$1")"
	(($(field since_ms "$1") >= (SECONDS - $3 - 1) * 1000)) ||
		fail "node $1 is said to be in its state for $(field since_ms "$1") ms, after $((SECONDS - $3)) s"
}

swap() {
	local node start_b known status
	serve one "$a"
	serve two "$b"
	# One of a single connection, each of whose attempts is one of the whole node, and one of several.
	on client dst create storage --no-start --connections 1 "$(address one):1025" >/dev/null
	on client dst add storage --connections 3 "$(address two):1025" >/dev/null
	on client dst start storage >/dev/null
	start_b=$(node_file storage 0 size)
	expect_equal "the sizes of the nodes" "$start_b" "$(node_file storage "$start_b" size)"
	load_begin "$start_b" "$seed"
	load_goes_on 40 60 "before the swap"
	on one dst export del --force "$a" >/dev/null
	on two dst export del --force "$b" >/dev/null
	for node in 0 "$start_b"; do wait_until 60 is_down "$node" || fail "a node is up without an export"; done
	# Nothing that was on its way is at a disk any more.
	before_a=$(hash_of "$a") before_b=$(hash_of "$b")
	serve one "$b"
	serve two "$a"
	known=$SECONDS
	log_mark swap
	wait_until 90 said_of "$(address one)" || fail "the log does not say that the first node is another: $(log_since swap)"
	wait_until 90 said_of "$(address two)" || fail "the log does not say that the second node is another: $(log_since swap)"
	for node in 0 "$start_b"; do
		is_down "$node" || fail "a node is up at the other one's address"
	done
	refused_at 0 "$(address one)" "$known"
	refused_at 1 "$(address two)" "$known"
	# Nobody is to think that it has to be formed anew.
	expect_equal "the storage" "degraded, the right device at $(address one):1025" "$(field state), $(field waits_for)"
	status=$(on client dst status storage)
	[[ $(grep -c "next: it is tried again for ever; I/O to it waits meanwhile" <<<"$status") == 2 && $status != *"form"* ]] ||
		fail "dst status tells what to do next: $status"
	expect_equal "the disk at the first address" "$before_b" "$(hash_of "$b")"
	expect_equal "the disk at the second address" "$before_a" "$(hash_of "$a")"
	! load_is_over || fail "the load ended while the nodes were others: $(cat "$work/load.log")"
	on one dst export del --force "$b" >/dev/null
	on two dst export del --force "$a" >/dev/null
	serve one "$a"
	serve two "$b"
	for node in 0 "$start_b"; do wait_until 90 is_up "$node" || fail "a node is not taken back: $(dst status storage)"; done
	load_goes_on 40 60 "after the nodes were back"
	load_end 60 "swap of addresses"
	expect_equal errors 0 "$(cat /sys/devices/storage/errors)"
	# Had anything been written, that would have been seen.
	[[ $before_a != "$(hash_of "$a")" && $before_b != "$(hash_of "$b")" ]] || fail "the comparison does not see what is written"
	storage_delete storage
	unserve one "$a"
	unserve two "$b"
}

takeover() {
	local epoch i job
	serve one "$a"
	on client dst create storage --force "$(address one):1025" >/dev/null
	epoch=$(cat /sys/devices/storage/epoch)
	pattern 65536 "$seed" >"$work/first"
	pattern 65536 "$seed$seed" >"$work/newer"
	dd if="$work/first" of=/dev/dst bs=64k count=1 oflag=direct status=none
	expect_error "$(address client):" on second dst create other --device dst-other "$(address one):1025"
	expect_error "is writing to it; one client may" on second dst create other --device dst-other "$(address one):1025"
	# A reader is let in beside the writer, and is not let write.
	on second python3 - "$(address one)" <<-'END'
		import sys, peer
		client = peer.Peer(sys.argv[1])
		assert client.open(session=b"reader----------", flags=0).status == peer.OK
		first = client.ask(peer.READ, length=65536, epoch=client.epoch)
		assert first.status == peer.OK and len(first.payload) == 65536
		status = client.ask(peer.WRITE, b"\xee" * 4096, length=4096, epoch=client.epoch).status
		assert status == peer.READ_ONLY, status
		client.send(peer.message(peer.GOODBYE, length=1))
		client.until_closed()
	END
	cmp -n 65536 "$(disk_file "$a")" "$work/first" || fail "a reader has written"

	# The first one's cable is out, and writes of it are on their way.
	cable client down
	for i in {1..4}; do
		dd if="$work/first" of=/dev/dst bs=64k count=1 seek="$i" oflag=direct status=none 2>/dev/null &
	done
	wait_until 30 at_least 4 node_file storage 0 in_flight || fail "no write waits"
	on second python3 - "$(address one)" "$epoch" "$work/newer" <<-'END'
		import sys, time, peer
		refused = []
		def admitted():
		    global client
		    client = peer.Peer(sys.argv[1])
		    reply = client.open(session=b"second----------")
		    if reply.status != peer.OK:
		        assert reply.status == peer.BUSY, (reply.status, reply.payload)
		        refused.append(reply.payload)
		        client.close()
		    return reply.status == peer.OK
		begin = time.monotonic()
		assert not admitted(), "a second writer is let in as soon as the first one is silent"
		assert peer.wait_until(120, admitted), "a client that is dead bars the next one"
		print(f"# let in after {time.monotonic() - begin:.0f} s and {len(refused)} refusals")
		reply = client.ask(peer.CLAIM, epoch=int(sys.argv[2]) + 1)
		assert reply.status == peer.OK, (reply.status, reply.payload)
		with open(sys.argv[3], "rb") as file:
		    data = file.read()
		for block in range(6):
		    reply = client.ask(peer.WRITE, data, offset=block * len(data), length=len(data), epoch=int(sys.argv[2]) + 1)
		    assert reply.status == peer.OK, reply.status
		client.send(peer.message(peer.GOODBYE, length=1))
		client.until_closed()
	END
	before_a=$(hash_of "$a")
	cable client up
	# It comes back, is told that another one has the storage, and fails what it had.
	lost() { [[ $(node_file storage 0 state) == failed ]]; }
	wait_until 90 lost || fail "the first client has not lost the storage: $(dst status storage)"
	for job in $(jobs -p); do if wait "$job"; then fail "a write of the first client succeeded"; fi; done
	expect_equal "the disk after the first client came back" "$before_a" "$(hash_of "$a")"
	cmp -n 65536 "$(disk_file "$a")" "$work/newer" || fail "the second client's data is not there"
	say "the first client's node: $(node_file storage 0 state), $(node_file storage 0 reason)"
	if dd if="$work/first" of=/dev/dst bs=64k count=1 oflag=direct status=none 2>/dev/null; then
		fail "the first client still writes"
	fi
	expect_equal "the disk after that" "$before_a" "$(hash_of "$a")"
	dst delete --force storage >/dev/null
	unserve one "$a"
}

for ((round = 1; round <= rounds; round++)); do
	say "round $round: addresses are swapped"
	swap
	say "round $round: a client takes over"
	takeover
	for device in "$a" "$b"; do blkdiscard -f "$device"; done
done
