#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What was flushed survives nodes that lose their power and everything that was not flushed; and the same test reports a
# loss when flushes are suppressed on purpose.
#
#   usage: power-cut.sh          ROUNDS=N: so many cuts during raw load, a third as many of each kind with a filesystem
#                                SEED=N: where the cuts fall, what is lost, what is written
#
#   client ---- storage1 ---- disks (forgetful.py)       a cut: SIGKILL for the QEMU of one storage machine or of both,
#          \--- storage2 ---- disks (forgetful.py)       in the end for that of the client too
#
# The disks are a program of ours outside the machines, to which QEMU talks over NBD. A disk image would not do: what a
# killed QEMU has written lies in the host's page cache, and is not lost. helpers/forgetful.py has a volatile cache of its
# own and, when QEMU is gone, forgets a random part of exactly what was not flushed: any sector of it by itself, so that
# there are torn and reordered writes, which is all that a disk may do and more than a real one would.
#
# Each storage lies half on storage1 and half on storage2; the loads write around the boundary.
#
#   through        exports complete a write when it is stable: every write that has ended must be there
#   back           exports with --write-back: what a flush covers must be there
#   quiet          the same; after a loss the next flush fails, once, and those that wait; without a loss none
#   through-deaf   control: the storage machines are told that their disks have no cache, so nothing is flushed
#   back-deaf      control: the disks answer flushes and do nothing
#
# The controls differ from "through" and "back" in nothing else but that they are used raw: with labels that are lost as
# well, the client would not know its nodes again.

set -euo pipefail
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/scripts/artefacts.sh"
. "$top/scripts/qemu.sh"
. "$top/scripts/machines.sh"

rounds=${ROUNDS:-3}
seed=${SEED:-1}
file_rounds=$(((rounds + 1) / 3 > 0 ? (rounds + 1) / 3 : 1))
# Seconds for which a task may wait.
outage=300
exports=(through back quiet through-deaf back-deaf)
storages=(storage1 storage2)
note "power cuts: ROUNDS=$rounds SEED=$seed"
RANDOM=$((seed % 32768))
begin=$SECONDS
"$top/scripts/setup" --quiet
load_kernels
"$top/scripts/build-module" stock
"$top/scripts/build-dst"
module=/share/build/$STOCK_RELEASE/dst_blk.ko
helpers=/share/src/tests/machines/helpers
disks=()

finish() {
	[[ ${#disks[@]} -eq 0 ]] || kill "${disks[@]}" 2>/dev/null || true
	machines_end
}
trap finish EXIT
trap 'exit 130' INT TERM
machines_begin storage1 storage2 client

step() { note "$(printf '%4d s  %s' $((SECONDS - begin)) "$*")"; }
must() { machine_run "$@" || die "on $1 this failed: $2"; }
# on_client COMMAND: with the functions of power-client.sh.
on_client() { machine_run client "set -u; . $helpers/power-client.sh; $1"; }

# Each disk of 16 MiB: 4 MiB hold the label, and the boundary of the nodes does not lie at a round number.
disks_begin() {
	local machine name
	local -a sizes=()
	for name in "${exports[@]}"; do
		sizes+=("$name=$((16 * 1024 * 1024 - 13 * 512))")
		[[ $name != back-deaf ]] || sizes[-1]+=,deaf
	done
	for machine in "${storages[@]}"; do
		"$top/scripts/in-root" --bind "$top" --bind "$machines_folder" --chdir "$top" \
			python3 -B tests/machines/helpers/forgetful.py --socket "$machines_folder/$machine.disks" \
			--seed "$seed.$machine" "${sizes[@]}" >"$machines_folder/$machine.disks.log" 2>&1 &
		disks+=($!)
		machines_retry 60 grep -qsx ready "$machines_folder/$machine.disks.log" ||
			die "the disks of $machine do not start: $(cat "$machines_folder/$machine.disks.log")"
	done
}

# disks_store: as if the disks had had time to store all that they have in their caches.
disks_store() {
	local machine
	local -A before=()
	for machine in "${storages[@]}"; do before[$machine]=$(stored "$machine"); done
	kill -USR1 "${disks[@]}"
	for machine in "${storages[@]}"; do
		machines_retry 60 has_stored "$machine" $((before[$machine] + 1)) || die "the disks of $machine do not store"
	done
}
stored() { grep -cx stored "$machines_folder/$1.disks.log" || true; }
has_stored() { (($(stored "$1") >= $2)); }

# storage_start MACHINE...: switches storage machines on and lets them export their disks.
storage_start() {
	local machine name
	local -a options
	for machine; do
		options=()
		for name in "${exports[@]}"; do
			options+=(--disk "nbd+unix:///$name?socket=$machines_folder/$machine.disks")
		done
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
			for name in ${exports[*]}; do
				disk=\$(dirname \"\$(grep -lx disk\$i /sys/block/vd*/serial)\")
				grep -qx 'write back' \$disk/queue/write_cache
				[[ \$name != through-deaf ]] || echo 'write through' >\$disk/queue/write_cache
				write_back=
				[[ \$name == through* ]] || write_back=--write-back
				dst export add /dev/\${disk##*/} --listen $(machine_address "$machine"):\$((1025 + i)) \
					--allow 10.70.0.0/24 \$write_back >/dev/null
				i=\$((i + 1))
			done"
	done
}

# storages_make: the client, which is on, puts the storages together.
storages_make() {
	# I/O stands still as long as a machine is off: a minute, some where the host is slow. What waits for longer has hung.
	must client "
		set -eu
		dmesg -n 5
		echo $outage >/proc/sys/kernel/hung_task_timeout_secs
		modprobe -a ext4 xfs
		insmod $module
		port=1025
		for name in ${exports[*]}; do
			raw=
			[[ \$name != *-deaf ]] || raw=--raw
			dst create \$name --device dst-\$name \$raw storage1:\$port storage2:\$port >/dev/null
			cache='write back'
			[[ \$name != through* ]] || cache='write through'
			grep -qx \"\$cache\" /sys/block/dst-\$name/queue/write_cache
			port=\$((port + 1))
		done"
}
client_start() { machine_start client --mem 768M --cpus 2; }

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
			die "the kernel of $machine had complained before the cut"
	done
}

# choose VARIABLE CHOICE...
choose() {
	local -n chosen=$1
	shift
	chosen=${*:RANDOM % $# + 1:1}
}

# After a random time of load: the cut, and the machines are back.
cut_during_load() {
	local delay=$((RANDOM % 3000))
	sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
	step "cut: $*"
	power_off "$@"
}

# expect WHAT WANTED STATUS FILE
expect() {
	cat "$4"
	[[ $3 != "$2" ]] || return 0
	tail -n 20 "$machines_folder"/storage?.disks.log
	die "$1: status $3 instead of $2 (SEED=$seed ROUNDS=$rounds)"
}

raw_round() {
	local name status unflushed loses when middle commands=
	choose machines storage1 storage2 'storage1 storage2'
	read -ra victims <<<"$machines"
	# Alternately something and nothing that was not flushed is on a node that will lose its power.
	case $((round % 2)):$machines in
	1:storage1) choose unflushed 1 12 ;;
	1:storage2) choose unflushed 2 12 ;;
	1:*) choose unflushed 1 2 12 ;;
	0:storage1) choose unflushed '' 2 ;;
	0:storage2) choose unflushed '' 1 ;;
	0:*) unflushed= ;;
	esac
	loses=$((round % 2))
	when=early
	(((round - 1) / 2 % 2 == 0)) || when=late
	for name in "${exports[@]}"; do
		middle="\$(cat /sys/devices/$name/n-0/size)"
		if [[ $name == quiet ]]; then
			commands+="begin $name python3 -B /share/src/tests/guest/helpers/flush-loss.py /dev/dst-$name $middle \
				'$unflushed' $loses $when /tmp/$name; "
		else
			commands+="begin $name python3 -B $helpers/power-load.py ${name%-deaf} /dev/dst-$name $middle \
				$seed.$round.$name /tmp/$name; "
		fi
	done
	on_client "$commands made busy ${exports[*]} && touch /tmp/{through,back,through-deaf,back-deaf}/cut" ||
		die "the load does not begin"
	cut_during_load "${victims[@]}"
	on_client 'touch /tmp/quiet/off'
	[[ $when == late ]] || on_client 'made waiting quiet' || die "no flush is waiting while the power is off"
	storage_start "${victims[@]}"
	step "${victims[*]} on again"
	for name in "${exports[@]}"; do
		status=0
		on_client "finish $name" >"$machines_folder/result" || status=$?
		if [[ $name == *-deaf ]]; then
			expect "round $round: $name, which suppresses flushes, has to lose what was flushed, and nothing else" 2 \
				$status "$machines_folder/result"
		else
			expect "round $round: $name" 0 $status "$machines_folder/result"
		fi
	done
}

# What stands on each storage. The disks are smaller than mkfs.xfs likes.
declare -A kind=()
declare -A make=([ext4]="mkfs.ext4 -qF" [xfs]="mkfs.xfs --unsupported -qf")
declare -A check=([ext4]="e2fsck -fn" [xfs]="xfs_repair -n -o force_geometry")

# kinds NUMBER NAME...: ext4 and xfs in turn, the first of them by NUMBER; a control shows with ext4 what it has to.
kinds() {
	local name number=$1
	shift
	for name; do
		kind[$name]=ext4
		[[ $name == *-deaf ]] || ((number % 2)) || kind[$name]=xfs
		number=$((number + 1))
	done
}

# files_begin NAME...: a new filesystem on each storage, and load on it.
files_begin() {
	local name
	for name; do
		must client "${make[${kind[$name]}]} /dev/dst-$name >/tmp/mkfs 2>&1 || { cat /tmp/mkfs; false; }"
		must client "mkdir -p /mnt/$name && mount /dev/dst-$name /mnt/$name && : >/share/run/$name.files"
	done
	# The controls, too, lose only what comes now.
	disks_store
	for name; do
		on_client "begin files-$name python3 -B $helpers/power-files.py write /mnt/$name $seed.files$round.$name \
			/share/run/$name.files /tmp/files-$name"
	done
	on_client "made busy ${*/#/files-}" || die "a call failed on a filesystem before a cut (SEED=$seed)"
}

# files_check NAME: what was made durable must be there, and the filesystem as it should be.
files_check() {
	must client "echo 3 >/proc/sys/vm/drop_caches; python3 -B $helpers/power-files.py check /mnt/$1 /share/run/$1.files"
	must client "umount /mnt/$1 && ${check[${kind[$1]}]} /dev/dst-$1 >/tmp/check 2>&1 || { cat /tmp/check; false; }"
}

# A filesystem does not notice that a node with write-through loses its power.
files_round_storage() {
	choose machines storage1 storage2 'storage1 storage2'
	read -ra victims <<<"$machines"
	kinds "$round" through
	files_begin through
	cut_during_load "${victims[@]}"
	storage_start "${victims[@]}"
	step "${victims[*]} on again"
	on_client 'finish files-through' || die "a call failed on the filesystem (SEED=$seed)"
	files_check through
	step "${kind[through]} is clean"
}

# Everything loses its power, and a client that knows nothing finds the files.
files_round_all() {
	local name
	kinds $((round + 1)) through back through-deaf
	files_begin through back through-deaf
	cut_during_load client storage1 storage2
	client_start
	storage_start storage1 storage2
	machine_wait client
	storages_make
	step "all machines on again"
	for name in through back; do
		must client "mkdir -p /mnt/$name && mount /dev/dst-$name /mnt/$name"
		files_check "$name"
		step "${kind[$name]} on $name is clean"
	done
	machine_run client "
		mkdir -p /mnt/through-deaf
		mount /dev/dst-through-deaf /mnt/through-deaf 2>&1 || exit 1
		python3 -B $helpers/power-files.py check /mnt/through-deaf /share/run/through-deaf.files && status=0 || status=\$?
		umount /mnt/through-deaf
		exit \$status" && die "no file is lost although nothing was flushed (SEED=$seed)"
	return 0
}

step "switching on storage1, storage2 and client ($(kvm_works && echo KVM || echo 'no KVM here: emulated, slower'))"
disks_begin
client_start
storage_start storage1 storage2
machine_wait client
storages_make

for ((round = 1; round <= rounds; round++)); do
	step "round $round of $rounds: raw"
	raw_round
done
must client '(($(cat /sys/devices/{through,back}/n-*/retries | paste -sd+) > 0))'
must client '! grep -vx 0 /sys/devices/{through,through-deaf}/errors'
for ((round = 1; round <= file_rounds; round++)); do
	step "filesystem $round: the storage machines are cut off"
	files_round_storage
	step "filesystem $round: everything is cut off"
	files_round_all
done
for machine in client "${storages[@]}"; do
	must "$machine" "! dmesg | $complaints"
done
note "$rounds cuts during raw load, $((2 * file_rounds)) with a filesystem, in $((SECONDS - begin)) s: nothing that" \
	"was flushed is lost, and the controls lost it; SEED=$seed"
