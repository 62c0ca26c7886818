#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Clients that send garbage, lies or nothing cost themselves their connection and nobody else anything: a good client
# of the same machine keeps working, memory stays bounded, no byte of a disk changes that may not.
# needs: losetup ip python3 cmp
# timeout: 600
. "$(dirname "$0")/lib.sh"

export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
python3 "$tests/peer.py" golden "$tests/../golden" || fail "peer.py speaks another protocol than the module"

module_load
network server client evil
disk good 48M
disk victim 48M
disk packed 8M
pattern $((40 << 20)) 7 >"$work/victim"
dd if="$work/victim" of="$victim" bs=1M status=none
# The good client's disk may be read by everybody. The victim is the evil one's to write.
on server dst export add "$good" --listen "$(address server):1025" --allow "$(address client)" \
	--allow "$(address evil)=ro"
on server dst export add "$victim" --listen "$(address server):1026" --allow "$(address evil)" \
	--copy-from "$(address evil)"
on server dst export add "$packed" --listen "$(address server):1027" --allow "$(address evil)" --backlog 1
on client dst create storage "$(address server):1025"
pattern $((32 << 20)) 8 >"$work/good"
dd if="$work/good" of=/dev/dst bs=1M oflag=direct status=none

# The good client reads and compares as long as the test runs; each round counts.
cat >"$work/reader" <<-'END'
	set -e
	rounds=0
	while [[ ! -e $work/stop ]]; do
		at=$((rounds % 8))
		dd if=/dev/dst of="$work/read" bs=1M skip=$at count=1 iflag=direct status=none
		cmp -i "0:$((at << 20))" -n 1048576 "$work/read" "$work/good" || { echo differs >"$work/wrong"; exit 1; }
		rounds=$((rounds + 1))
		echo "$rounds" >"$work/rounds.new"
		mv "$work/rounds.new" "$work/rounds"
	done
END
echo 0 >"$work/rounds"
bash "$work/reader" &
reader=$!
at_exit kill "$reader"

# moves_on ROUNDS: the reader has done more than that many rounds.
moves_on() { (($(cat "$work/rounds") > $1)); }

# good_client_works WHEN: it reads and writes, with the right data.
good_client_works() {
	local before
	before=$(cat "$work/rounds")
	timeout 60 dd if="$work/good" of=/dev/dst bs=1M skip=8 seek=8 count=2 oflag=direct conv=notrunc status=none ||
		fail "the good client cannot write $1"
	wait_until 60 moves_on $((before + 1)) || fail "the good client does not read $1"
	[[ ! -e $work/wrong ]] || fail "the good client read other data $1"
	expect_equal "the state of the good storage $1" running "$(cat /sys/devices/storage/state)"
	expect_equal "reconnects of the good node $1" 0 "$(cat /sys/devices/storage/n-0/reconnects)"
}
free_memory() { awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo; }

good_client_works "before anything happens"
# Takes as long as a hello may; meanwhile the others go on.
on evil python3 "$tests/hostile.py" silence "$(address server)" >"$work/silence" 2>&1 &
silence=$!
for attack in framing hellos requests violations copies read_only truncated unread; do
	say "attack: $attack"
	on evil python3 "$tests/hostile.py" "$attack" "$(address server)"
	good_client_works "after $attack"
done
wait "$silence" || fail "$(cat "$work/silence")"
good_client_works "after silence"
cmp -n $((40 << 20)) "$(disk_file "$victim")" "$work/victim" || fail "the victim's disk has changed"

say "attack: crowd"
on evil python3 "$tests/hostile.py" crowd "$(address server)" &
crowd=$!
good_client_works "during the crowd"
wait "$crowd" || fail "the crowd left something behind"
good_client_works "after the crowd"

say "attack: greedy"
before=$(free_memory)
# Not by the function "on", whose process would be killed instead of the client.
ip netns exec evil python3 "$tests/hostile.py" greedy "$(address server)" >"$work/greedy" &
greedy=$!
at_exit kill "$greedy"
wait_until 60 grep -q asked "$work/greedy" || fail "the greedy clients did not get to ask: $(cat "$work/greedy")"
good_client_works "beside greedy clients"
# 8 clients have asked for 1 GiB. Each may hold the client memory (8 MiB) and what its socket buffers.
used=$((before - $(free_memory)))
say "greedy clients hold about $used MiB"
((used < 400)) || fail "8 clients that take nothing hold $used MiB"
kill "$greedy"
wait "$greedy" 2>/dev/null || true
gone() { [[ $(on server dst --json connection list --export 2) != *'"established"'* ]]; }
wait_until 60 gone || fail "connections of dead clients stay: $(on server dst connection list)"
given_back() { (($(free_memory) > before - 64)); }
wait_until 60 given_back || fail "of $before MiB only $(free_memory) are left after the greedy clients"
good_client_works "after greedy clients"

# The check of the victim's bytes can fail: a permitted write is seen by it.
on evil python3 - "$(address server)" <<-'END'
	import sys, peer
	client = peer.Peer(sys.argv[1], 1026)
	assert client.open(session=b"a good write----").status == peer.OK
	assert client.ask(peer.WRITE, b"\xee" * 512, offset=4096, length=512, epoch=client.epoch).status == peer.OK
END
if cmp -s -n $((40 << 20)) "$(disk_file "$victim")" "$work/victim"; then fail "a permitted write does not arrive"; fi

touch "$work/stop"
wait "$reader"
on client dst delete storage
wait_until 60 on server dst export del 1 || fail "the export stays in use"
on server dst export del 2 --force
on server dst export del 3 --force
module_unload
