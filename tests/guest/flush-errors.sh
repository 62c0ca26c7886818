#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A device says once that a flush has failed. Whoever asked for it, in the end those are told who rely on what was written: the next
# flush fails if one that was made for a suspension did, and one of each of a server's clients, who find that the cache has
# another name. It is told once: not on each connection, and not when one is made anew. A server that was started again,
# unnoticed, makes nothing stable for the one before.
# needs: ip losetup python3 dmsetup
# timeout: 240
# log-allow: Buffer I/O error|I/O error
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/replace.sh"

export PYTHONPATH=$tests:$tests/helpers PYTHONDONTWRITEBYTECODE=1
network client one two
disk a 24M
disk b 24M
disk c 24M
module_load
one=$(address one):1025

# A device that fails writes and flushes while it is told to.
table() { echo "0 $(sectors "$a") flakey $a 0 $1"; }
dmsetup create dst-flaky --table "$(table "3600 0")"
at_exit dmsetup remove --retry dst-flaky
flakey=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-flaky)
flaky() { dmsetup suspend --noflush dst-flaky; dmsetup load dst-flaky --table "$(table "$1")"; dmsetup resume dst-flaky; }
fails() { flaky "0 3600 1 error_writes"; }
heals() { flaky "3600 0"; }

# flush: asks for one, and has written nothing since the last.
flush() { python3 -c 'import os; os.fsync(os.open("/dev/dst", os.O_RDWR))'; }
write() { dd if=/dev/zero of=/dev/dst bs=4096 count=1 seek=7 oflag=direct status=none; }
suspend() { on client dst suspend storage 0 >/dev/null; }
resume() { on client dst resume storage 0 >/dev/null; becomes up; }
once() {
	! flush 2>/dev/null || fail "$1: it is not told"
	flush || fail "$1: it is told twice"
}

say "a device of this machine fails a flush that nobody has asked for"
on client dst create storage "$flakey" "$b" >/dev/null
flush || fail "a flush fails before anything was done"
write
fails
log_mark "silent"
suspend
heals
log_since "silent" | grep -q "node 0: L: $flakey: what it has acknowledged is not known to be stable" || fail "the log says nothing"
# The node's disk at another place, were it not for the loss.
dd if="$a" of="$c" bs=1M iflag=direct oflag=direct status=none
refuses "may be in its cache yet, or be lost" 0 "$c"
# That the next one goes well does not bring back what this one has lost.
resume
suspend
refuses "may be in its cache yet, or be lost" 0 "$c"
resume
once "at a device of this machine"
write
suspend
resume
flush || fail "a flush fails though the suspension's has not"
storage_delete storage

say "a server's device fails one"
on one dst export add "$flakey" --write-back --listen "$one" --allow 10.7.0.0/24 --shared >/dev/null
on client dst create storage --connections 4 "$one" "$b" >/dev/null
flush || fail "a flush fails before anything was done"
write
fails
log_mark "server silent"
suspend
heals
log_since "server silent" | grep -q "is not known to be stable" || fail "the log says nothing"
resume
# On whichever connection they come.
told=0
for ((i = 0; i < 12; i++)); do flush 2>/dev/null || told=$((told + 1)); done
expect_equal "flushes that tell of one" 1 "$told"
write
log_mark "server stable"
suspend
! log_since "server stable" | grep "is not known to be stable" || fail "what was flushed after a failure counts as lost"
resume
write
fails
! flush 2>/dev/null || fail "a flush succeeds that the device has failed"
heals
for ((i = 0; i < 12; i++)); do flush || fail "a failed flush is told twice"; done

say "it is not told again by connections that are made later"
write
fails
! flush 2>/dev/null || fail "a flush succeeds that the device has failed"
heals
write
before=$(node_file storage 0 reconnects)
on client ss -K "dport = :1025" >/dev/null
all_again() { (($(node_file storage 0 reconnects) >= before + 4)); }
wait_until 60 all_again || fail "the connections are not made again: $(dst status storage)"
becomes up
flush || fail "a failed flush is told again by connections that were made since"

say "to other clients, and to those that come"
on client python3 - "$(address one)" >"$work/asked" <<-'END' &
	import sys, time, peer
	def come(name):
	    client = peer.Peer(sys.argv[1])
	    reply = client.open(session=name, flags=peer.WANT_WRITE | peer.WANT_SHARED)
	    assert reply.status == peer.OK, reply.payload
	    return client
	def flush(client):
	    client.reply = client.ask(peer.FLUSH, epoch=client.epoch)
	    return client.reply.status
	def told(client):
	    return client.reply.cache != client.cache
	first, second = come(b"first-----------"), come(b"second----------")
	assert first.cache == second.cache != 0, (first.cache, second.cache)
	assert (flush(first), flush(second)) == (peer.OK, peer.OK)
	assert not told(first) and not told(second)
	print("stands", flush=True)
	while flush(first) == peer.OK and not told(first):
	    time.sleep(0.05)
	assert told(first), "a flush fails, and the cache is the same"
	print("failed", flush=True)
	while flush(first) != peer.OK:
	    time.sleep(0.05)
	# As often as it asks.
	for _ in range(3):
	    assert flush(second) == peer.OK and told(second), "another client is not told"
	assert second.reply.cache == first.reply.cache
	third = come(b"third-----------")
	assert third.cache == second.reply.cache, "what is told in the hello is something else"
	assert flush(third) == peer.OK and not told(third), "a client is told of what was before it"
	print("told", flush=True)
END
asker=$!
wait_until 60 grep -q stands "$work/asked" || fail "the clients do not come: $(cat "$work/asked")"
fails
wait_until 60 grep -q failed "$work/asked" || fail "no flush fails: $(cat "$work/asked")"
heals
wait "$asker" || fail "see above: $(cat "$work/asked")"
grep -q told "$work/asked" || fail "the clients have not come to the end"
storage_delete storage
on one dst export del --force "$flakey" >/dev/null

say "a cache becomes another one while requests are under way"
on two python3 "$tests/helpers/caches.py" "$(address two)" || fail "see above"

say "a server that was started again makes nothing stable for the one before"
serve one "$c" --write-back
on client dst create storage --force --keepalive 60 --request-timeout 60 "$one" "$b" >/dev/null
flush || fail "a flush fails before anything was done"
write
# Nobody tells the client.
cable one down
on one dst export del --force "$c" >/dev/null
serve one "$c" --write-back
cable one up
expect_equal "what the client thinks of the node" up "$(state)"
suspend
resume
once "by a server that was started again"
storage_delete storage
unserve one "$c"
module_unload
