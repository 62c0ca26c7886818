#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A network that loses, reorders, doubles, spoils and delays packets, and that is gone for seconds and minutes, costs time
# and nothing else: no request fails, and every sector holds its last write.
#   ROUNDS=1   so often each of them      DOWN=3   for how many seconds the network is gone after that was noticed
#   SEED=1     what is written
# needs: ip losetup netem python3
# timeout: 300
# outage: 400
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/load.sh"

rounds=${ROUNDS:-1} seed=${SEED:-1} down=${DOWN:-3}
say "ROUNDS=$rounds SEED=$seed DOWN=$down"
network client one
disk a 16M
disk b 16M
module_load
serve one "$a" --write-back
on client dst create storage "$(address one):1025" "$b" >/dev/null
boundary=$(node_file storage 0 size)

# counter MACHINE NAME...: the sum of counters of its TCP.
counter() {
	local machine=$1
	shift
	on "$machine" cat /proc/net/netstat | awk -v wanted=" $* " '
		!/^TcpExt/ { next }
		!names { names = split($0, name); next }
		{ for (i = 2; i <= names; i++) if (index(wanted, " " name[i] " ")) sum += $i }
		END { print sum + 0 }'
}
doubles() { echo $(($(counter client TCPDSACKRecv TCPDSACKOldSent) + $(counter one TCPDSACKRecv TCPDSACKOldSent))); }
disordered() { echo $(($(counter client TCPOFOQueue) + $(counter one TCPOFOQueue))); }
spoilt() {
	{ on client cat /proc/net/snmp; on one cat /proc/net/snmp; } | awk '/^Tcp: [0-9]/ { sum += $16 } END { print sum }'
}
# dropped: packets that the qdiscs of both ends have lost; a new qdisc begins with none.
dropped() {
	{ tc -n wire -s qdisc show dev port-one; tc -n one -s qdisc show dev eth0; } |
		awk '/dropped/ { sum += $7 } END { print sum + 0 }'
}

# through WRITES "NETEM ARGUMENTS" COUNTER LEAST: the load does so many writes through such a network, and the network was
# such: COUNTER has grown by LEAST at least.
through() {
	local begin=$SECONDS before least=$4
	read -ra arguments <<<"$2"
	before=$("$3")
	[[ $3 != dropped ]] || before=0
	disturb one "${arguments[@]}"
	load_goes_on "$1" 240 "$2"
	wait_until 60 at_least $((before + least)) "$3" || fail "$2: $3 is $(($("$3") - before)) and should be $least at least"
	say "$2: $1 writes in $((SECONDS - begin)) s, $3 $(($("$3") - before)), $(node_file storage 0 reconnects) reconnects"
	disturb one
}
# answer_ms: how long a read of the remote node takes.
answer_ms() {
	local begin=${EPOCHREALTIME/./}
	dd if=/dev/dst of=/dev/null bs=4096 count=1 iflag=direct status=none
	echo $(((${EPOCHREALTIME/./} - begin) / 1000))
}

written() { node_file storage 0 write_ios; }
settled() {
	still=$(written)
	wait_until 1 false || (($(written) == still))
}
is_down() { [[ $(node_file storage 0 state) != up ]]; }
is_up() { [[ $(node_file storage 0 state) == up ]]; }
# gone_for SECONDS HOW WAITS-FOR...: the cable is out until WAITS-FOR is true, and SECONDS more.
gone_for() {
	local seconds=$1 how=$2 begin=$SECONDS
	shift 2
	cable one down
	wait_until 60 settled || fail "writes go on without a cable"
	wait_until 90 "$@" || fail "the cable was out $how, and the node is $(node_file storage 0 state)"
	wait_until "$seconds" false || expect_equal "writes that were answered without a cable" "$still" "$(written)"
	cable one up
	say "the cable was out for $((SECONDS - begin)) s ($how)"
	load_goes_on 40 120 "after the cable was out $how"
	wait_until 60 is_up || fail "after the cable was out $how the node is $(node_file storage 0 state)"
}

load_begin "$boundary" "$seed"
for ((round = 1; round <= rounds; round++)); do
	through 60 "loss 1%" dropped 1
	through 40 "loss 10%" dropped 5
	through 10 "loss 30%" dropped 5
	through 60 "delay 10ms reorder 25% 50%" disordered 1
	through 60 "duplicate 20%" doubles 1
	through 40 "corrupt 5%" spoilt 1
	disturb one delay 200ms
	load_goes_on 20 240 "delay 200ms"
	ms=$(answer_ms)
	say "delay 200ms: an answer takes $ms ms"
	((ms >= 400)) || fail "with a delay of 200 ms in each direction an answer takes $ms ms"
	disturb one
	gone_for 3 "for so short that nobody notices" is_up
	gone_for "$down" "until that was noticed, and on" is_down
done
load_end 120 "all of it"
expect_equal errors 0 "$(cat /sys/devices/storage/errors)"
load_notices "$a" $((boundary - 1100))
storage_delete storage
unserve one "$a"
