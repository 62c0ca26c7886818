#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A node moves to another device while its storage is written, and machines lose their power at any moment of that: the
# owner, the old device's, the new one's, several at once. No acknowledged write is lost, and the storage comes back on
# one of the two devices, whatever command line starts it.
#
#   usage: migrate-crash.sh      ROUNDS=N: so many cuts, in turn of the owner alone, of a storage machine alone, of both
#                                SEED=N: who is cut and when, what is lost, what is written, which start comes first
#
#             dst job migrate: node 1 from "one" to "two", or back
#   client ---- one ---- disks (forgetful.py)         a cut: SIGKILL for QEMU
#     |    \--- two ---- disks (forgetful.py)
#     |
#   the host's folder: what was acknowledged (power-load.py with a journal)
#
# The disks forget what was not flushed when their machine is cut, and only then. All storages move at the same time, two
# of them in each direction, so that a storage machine is old to some and new to others; their node 0 stays on one of the
# two. They begin and are limited at random, and the client's network is slow, so that the switch of a node from one
# device to the other, which is a number of short messages, takes seconds: one cut finds each of them somewhere else.
# Where it was, the labels on the disks tell.
#
#   through-a, -b     exports complete a write when it is stable: what has ended must be there
#   back-a, -b        exports with --write-back: what a flush covers must be there
#   control           the same, but the disks ignore flushes of the data of node 1 (not of its label)
#
# After a cut of the owner each way to start the storage is tried: with the old device, the new one, both, both the other
# way round. Those that Documentation/admin/guide.md says are refused must be refused, change no label, and say which
# device they take; the others bring all data, in an order by chance. If the owner lives, the job says what it waits for
# or why it has ended, goes on when the machine is back, and the load never notices.
#
# The control moves to a machine before that is cut: then the check has to find lost writes. While the owner alone is cut
# nothing is lost there. A start that is refused has to be one that would lose writes, too: the check is given the data of
# the wrong device of the control, in the middle of the copy or some time after the switch, and has to find that.

set -euo pipefail
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/scripts/artefacts.sh"
. "$top/scripts/qemu.sh"
. "$top/scripts/machines.sh"

rounds=${ROUNDS:-3}
seed=${SEED:-1}
storages=(through-a through-b back-a back-b control)
real=("${storages[@]:0:4}")
sides=(one two)
# Which machine has node 1 now, and which node 0.
declare -A at=([through-a]=one [through-b]=two [back-a]=one [back-b]=two [control]=one)
declare -A stay=([through-a]=one [through-b]=one [back-a]=two [back-b]=two [control]=one)
# Bytes and sectors of a node.
node=$((8 << 20))
boundary=$((node / 512))
label=$((4 << 20))
# Seconds for which a task may wait.
outage=300
# The load has some sectors in each MiB, and has a chunk of 64 across the boundary.
span=1024
spread=28
middle=$((boundary - 32 + 64 * spread))
note "crashes of a migration: ROUNDS=$rounds SEED=$seed"
RANDOM=$((seed % 32768))
begin=$SECONDS
"$top/scripts/setup" --quiet
load_kernels
"$top/scripts/build-module" stock
"$top/scripts/build-dst"
module=/share/build/$STOCK_RELEASE/dst_blk.ko
helpers=/share/src/tests/machines/helpers
disks=()
declare -A from=() to=() stages=() extra=() seen=()

finish() {
	[[ ${#disks[@]} -eq 0 ]] || kill "${disks[@]}" 2>/dev/null || true
	machines_end
}
trap finish EXIT
trap 'exit 130' INT TERM
machines_begin "${sides[@]}" client

step() { note "$(printf '%4d s  %s' $((SECONDS - begin)) "$*")"; }
# The end of the test: with all that tells where it was.
wrong() {
	[[ -z ${machine_pid[client]:-} ]] || machine_run client 'dst status; dst job list; dmesg | tail -n 20' >&2 || true
	tail -n 5 "$machines_folder"/*.disks.log >&2 || true
	die "round $round: $* (SEED=$seed ROUNDS=$rounds)"
}
must() { machine_run "$@" || wrong "on $1 this failed: $2"; }
python() {
	"$top/scripts/in-root" --bind "$top" --bind "$machines_folder" --chdir "$top" PYTHONPATH=tests/guest \
		"${environment[@]}" python3 -B "$@"
}
environment=()
# on_client COMMAND: with the functions of power-client.sh and migrate-client.sh.
on_client() {
	machine_run client "set -u; . $helpers/power-client.sh; . $helpers/migrate-client.sh
		export SPAN=$span SPREAD=$spread THREADS=4
		load() { JOURNAL=/share/run/\$2.journal begin load-\$2 python3 -B $helpers/power-load.py \$1 /dev/dst-\$2 $middle \
			$seed.$round.\$2 /tmp/load-\$2; }
		check() { JOURNAL=/share/run/\${1#/dev/dst-}.journal python3 -B $helpers/power-load.py check \$1 $middle; }
		$1"
}
round=0

# choose VARIABLE CHOICE...
choose() {
	local -n chosen=$1
	shift
	chosen=${*:RANDOM % $# + 1:1}
}
other() { if [[ $1 == one ]]; then echo two; else echo one; fi; }
# device STORAGE MACHINE: where its node 1 is, or could be; staying STORAGE: where its node 0 is.
number_of() {
	local i
	for i in "${!storages[@]}"; do [[ ${storages[i]} != "$1" ]] || echo "$i"; done
}
device() { echo "$(machine_address "$2"):$((1025 + $(number_of "$1")))"; }
staying() { echo "$(machine_address "${stay[$1]}"):$((1035 + $(number_of "$1")))"; }

# disks_of MACHINE: for each of its disks the storage, the node, and the port.
disks_of() {
	local name
	for name in "${storages[@]}"; do
		echo "$name 1 $((1025 + $(number_of "$name")))"
		[[ ${stay[$name]} != "$1" ]] || echo "$name 0 $((1035 + $(number_of "$name")))"
	done
}

disks_begin() {
	local machine name which rest
	local -a sizes
	for machine in "${sides[@]}"; do
		sizes=()
		while read -r name which rest; do
			sizes+=("$name.$which=$((node + label))")
			[[ $name.$which != control.1 ]] || sizes[-1]+=,deaf=$node
		done <<<"$(disks_of "$machine")"
		mkdir "$machines_folder/$machine.dump"
		"$top/scripts/in-root" --bind "$top" --bind "$machines_folder" --chdir "$top" \
			python3 -B tests/machines/helpers/forgetful.py --socket "$machines_folder/$machine.disks" --seed "$seed.$machine" \
			--dump "$machines_folder/$machine.dump" "${sizes[@]}" >"$machines_folder/$machine.disks.log" 2>&1 &
		disks+=($!)
		machines_retry 60 grep -qsx ready "$machines_folder/$machine.disks.log" ||
			die "the disks of $machine do not start: $(cat "$machines_folder/$machine.disks.log")"
	done
}

# disks_dump: the disks' content is in the folders MACHINE.dump.
disks_dump() {
	local machine
	local -A before=()
	for machine in "${sides[@]}"; do before[$machine]=$(dumped "$machine"); done
	kill -USR2 "${disks[@]}"
	for machine in "${sides[@]}"; do
		machines_retry 60 has_dumped "$machine" $((before[$machine] + 1)) ||
			die "the disks of $machine do not show what they hold"
	done
}
dumped() { grep -cx dumped "$machines_folder/$1.disks.log" || true; }
has_dumped() { (($(dumped "$1") >= $2)); }

# side_start MACHINE...: switches storage machines on and lets them export their disks.
side_start() {
	local machine name which port
	local -a options
	for machine; do
		options=()
		while read -r name which port; do
			options+=(--disk "nbd+unix:///$name.$which?socket=$machines_folder/$machine.disks")
		done <<<"$(disks_of "$machine")"
		machine_start "$machine" --mem 384M --cpus 1 "${options[@]}"
	done
	machine_wait "$@"
	# The serial number of a disk tells which it is, its name may be any.
	for machine; do
		must "$machine" "
			set -eu
			# To the console, which is looked at after a cut.
			dmesg -n 5
			insmod $module
			i=0
			while read -r name which port; do
				disk=\$(dirname \"\$(grep -lx disk\$i /sys/block/vd*/serial)\")
				write_back=--write-back
				[[ \$name != through-* ]] || write_back=
				dst export add /dev/\${disk##*/} --listen $(machine_address "$machine"):\$port --allow 10.70.0.0/24 \
					\$write_back >/dev/null
				i=\$((i + 1))
			done <<<'$(disks_of "$machine")'"
	done
}

client_start() { machine_start client --mem 768M --cpus 2; }
client_ready() {
	machine_wait client
	# I/O stands still as long as a machine is off: a minute, some where the host is slow. What waits for longer has hung.
	must client "dmesg -n 5; echo $outage >/proc/sys/kernel/hung_task_timeout_secs; modprobe -a sch_netem && insmod $module"
}
slow() { must client "tc qdisc replace dev eth0 root netem delay ${1}ms"; }

storages_make() {
	local name commands=
	for name in "${storages[@]}"; do
		commands+="dst create $name --device dst-$name $(staying "$name") $(device "$name" "${at[$name]}") >/dev/null ||
			fail $name; "
	done
	on_client "$commands
		grep -qx 'write through' /sys/block/dst-through-a/queue/write_cache || fail 'it has a cache'
		grep -qx 'write back' /sys/block/dst-back-a/queue/write_cache || fail 'it has no cache'
		[[ \$(cat /sys/devices/control/n-0/size) == $boundary ]] || fail 'the boundary lies somewhere else'" ||
		die "there are no storages"
}

# What the kernel complains about. An idle processor that is stuck is one that the host does not let run.
complaints="grep -E 'WARNING:|BUG:|Oops|general protection|blocked.* for more' | grep -v 'soft lockup.*\\[swapper/'"

# power_off MACHINE...: the power of all of them goes at the same moment.
power_off() {
	local machine
	local -a pids=()
	for machine; do pids+=("${machine_pid[$machine]}"); done
	kill -KILL "${pids[@]}"
	for machine; do machine_kill "$machine"; done 2>/dev/null
	for machine; do
		! eval "$complaints" <"$machines_folder/$machine/console.log" ||
			wrong "the kernel of $machine had complained before the cut"
	done
}

# In turn the owner alone, a storage machine alone, and both, or all. The control moves to a machine that is cut.
choose_victims() {
	local side
	side=$(other "${at[control]}")
	case $((round % 3)) in
	1) victims=(client) ;;
	2) victims=("$side") ;;
	0)
		victims=(client "$side")
		((RANDOM % 3)) || victims=(client one two)
		;;
	esac
}

# Loads on all storages; then all begin to move. For one, the target, the moment of the cut is chosen.
load_and_move() {
	local name commands='' rate
	for name in "${storages[@]}"; do
		case $name in
		through-*) commands+="load through $name; " ;;
		*) commands+="load back $name; " ;;
		esac
		from[$name]=${at[$name]} to[$name]=$(other "${at[$name]}")
	done
	on_client "$commands made busy ${storages[*]/#/load-} && touch /tmp/load-{back-a,back-b,control}/cut" ||
		wrong "the load does not begin"
	step "the load is there"
	control_moves
	step "control: ${control}"
	slow 100
	choose target "${real[@]}"
	for name in "${real[@]}"; do
		choose rate 1M 2M 100M
		extra[$name]="$(device "$name" "${to[$name]}") $((RANDOM % 3)).$((RANDOM % 10)) --rate-limit $rate"
	done
	on_client "for_all move_later <<<'$(for name in "${real[@]}"; do echo "$name ${extra[$name]}"; done)'" ||
		wrong "a node does not begin to move"
}

# While no disk is cut it stays in the middle of the copy, else it has moved to a machine that is cut, and is written there.
control_moves() {
	local device
	device=$(device control "${to[control]}") control=moved
	if [[ ${victims[*]} == client ]]; then
		control=copying
		# Some minutes, and at least one extent is there.
		on_client "move control $device --rate-limit 64K && until_copied control 10"
	else
		on_client "move control $device && end_of control $device || exit 1
			least=\$((\$(cat /sys/devices/control/write_ios) + 100))
			until ((\$(cat /sys/devices/control/write_ios) >= least)); do sleep 0.1; done"
	fi || wrong "the control does not move as it should"
}

# Waits for the moment of the cut: in the copy, most often in the seconds of the switch, or when all is over.
moment() {
	local delay=0 when
	choose when copy switch switch switch end
	case $when in
	copy) on_client "until_copied $target $((RANDOM % 100))" ;;
	switch)
		on_client "until_copied $target 100"
		delay=$((RANDOM % 3000))
		;;
	end) on_client "ended $target" ;;
	esac || wrong "the moment does not come"
	sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
	step "cut: ${victims[*]}, $target ($when$( ((!delay)) || echo " + $delay ms"))"
}

# look [moving]: which stage each storage is in, as the labels of its three disks have it: these are the rows of the table
# in src/core/label/succession.rs. While somebody changes labels, which are not read at the same time, it may be unknown.
look() {
	local name stage i=0 none=00000000000000000000000000000000
	local old old_events old_partner new new_events new_partner new_node events rest
	local -a files=() labels
	disks_dump
	for name in "${storages[@]}"; do
		files+=("$machines_folder/${from[$name]}.dump/$name.1" "$machines_folder/${to[$name]}.dump/$name.1"
			"$machines_folder/${stay[$name]}.dump/$name.0")
	done
	mapfile -t labels <<<"$(python tests/guest/helpers/label.py newest "${files[@]}")"
	printf '%s\n' "${labels[@]}" >"$machines_folder/labels"
	for name in "${storages[@]}"; do
		read -r old old_events old_partner rest <<<"${labels[i]}"
		read -r new new_events new_partner new_node rest <<<"${labels[i + 1]}"
		read -r rest events rest <<<"${labels[i + 2]}"
		case $old:$new in
		1:2) stage=copying ;;
		3:2) stage=recorded ;;
		3:1)
			stage=settled
			[[ $new_partner == "$none" ]] || stage=told
			((events == new_events)) || stage=taken
			;;
		*) stage=unknown ;;
		esac
		[[ $old != 3 || $old_partner == "$new_node" ]] || stage=unknown
		[[ $stage != unknown || ${1:-} == moving ]] || wrong "$name: the labels say $(printf "'%s' " "${labels[@]:i:3}")"
		stages[$name]=$stage
		i=$((i + 3))
	done
}

# The check has to find lost writes where no start may look for the data.
look_at_wrong_device() {
	local side=${to[control]} status=0
	case $control:${stages[control]} in
	copying:copying) ;;
	moved:settled) side=${from[control]} ;;
	*) wrong "the control is ${stages[control]}" ;;
	esac
	environment=("SPAN=$span" "SPREAD=$spread" "JOURNAL=$machines_folder/client/control.journal")
	python tests/machines/helpers/power-load.py look "$machines_folder/$side.dump/control.1" $middle $boundary \
		>"$machines_folder/wrong" || status=$?
	environment=()
	tail -n 1 "$machines_folder/wrong"
	((status == 2)) || wrong "the check finds nothing lost on the wrong device: $(cat "$machines_folder/wrong")"
}

rows() {
	local name
	for name in "${storages[@]}"; do
		echo "$name ${stages[$name]} $(staying "$name") $(device "$name" "${from[$name]}")" \
			"$(device "$name" "${to[$name]}") ${extra[$name]:-}"
	done
}

# The owner is back and knows nothing.
judge() {
	local name line
	step "${victims[*]} on again"
	look
	for name in "${real[@]}"; do count "owner lost" "${stages[$name]}"; done
	step "$(for name in "${storages[@]}"; do printf '%s: %s  ' "$name" "${stages[$name]}"; done)"
	look_at_wrong_device
	on_client "for_all refused <<<'$(rows)'" || wrong "a start should have been refused"
	cp "$machines_folder/labels" "$machines_folder/labels.before"
	look
	diff "$machines_folder/labels.before" "$machines_folder/labels" || wrong "a start that was refused has changed labels"
	for name in "${storages[@]}"; do
		case ${stages[$name]} in
		copying) choose line old both swapped ;;
		recorded) choose line both swapped ;;
		*) choose line new both swapped ;;
		esac
		extra[$name]="$line 0"
		[[ $name != control || ${victims[*]} == client ]] || extra[$name]="$line 2"
		[[ ${stages[$name]} == copying ]] || at[$name]=${to[$name]}
	done
	on_client "for_all comes_back <<<'$(rows)'" || wrong "a storage does not come back as it should"
	step "all are back"
}

# The owner goes on, and the machine comes back; "late": when what waits for it says so.
goes_on() {
	local name rows='' whose status wanted late=$((RANDOM % 2))
	look moving
	step "$(for name in "${real[@]}"; do printf '%s: %s  ' "$name" "${stages[$name]}"; done)"
	for name in "${real[@]}"; do
		whose=old
		[[ ${from[$name]} == "${victims[0]}" ]] || whose=new
		count "$whose lost" "${stages[$name]}"
		rows+="$name $(device "$name" "${to[$name]}")"$'\n'
	done
	if ((late)); then
		on_client "for_all says_why <<<'${rows%?}'" || wrong "a job does not say what it waits for"
	fi
	side_start "${victims[@]}"
	step "${victims[*]} on again"
	on_client "for_all end_of <<<'${rows%?}'" || wrong "a node does not arrive"
	must client 'tc qdisc del dev eth0 root'
	step "all have moved"
	must client "for name in ${storages[*]}; do touch /tmp/load-\$name/stop; done"
	for name in "${storages[@]}"; do
		status=0
		on_client "finish load-$name" || status=$?
		wanted=0
		[[ $name != control ]] || wanted=2
		((status == wanted)) || wrong "the load on $name ends with the status $status instead of $wanted"
		at[$name]=${to[$name]}
	done
}

count() { seen["$1: $2"]=$((${seen["$1: $2"]:-0} + 1)); }

step "switching on one, two and client ($(kvm_works && echo KVM || echo 'no KVM here: emulated, slower'))"
disks_begin
client_start
side_start "${sides[@]}"
client_ready
storages_make

for ((round = 1; round <= rounds; round++)); do
	choose_victims
	step "round $round of $rounds: ${victims[*]}"
	load_and_move
	moment
	power_off "${victims[@]}"
	if [[ ${victims[0]} == client ]]; then
		client_start
		side_start "${victims[@]:1}"
		client_ready
		judge
	else
		goes_on
	fi
done
for name in "${storages[@]}"; do
	must client "grep -qx 0 /sys/devices/$name/errors && dst delete $name >/dev/null"
done
for machine in client "${sides[@]}"; do
	must "$machine" "! dmesg | $complaints"
done
for stage in copying recorded taken told settled; do
	((rounds < 20 || ${seen["owner lost: $stage"]:-0} > 0)) || wrong "no owner was cut when a node was $stage"
done
for what in "${!seen[@]}"; do echo "  $what: ${seen[$what]}"; done | LC_ALL=C sort
note "$rounds cuts in $((SECONDS - begin)) s: nothing that was acknowledged is lost, each start takes the" \
	"device that holds the node or is refused, and the control lost writes; SEED=$seed"
