# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Several virtual machines on one private Ethernet segment, each with a channel for commands. Sourced after lib.sh,
# artefacts.sh and qemu.sh.
#
#   machines_begin NAME...            names the machines: the first gets 10.70.0.1, the second .2, ...; every
#                                     machine knows all names
#   machine_start NAME [OPTION...]    switches one on (options as in guest_option); machine_wait waits until it answers
#   machine_run NAME COMMAND          runs COMMAND there; the output appears as it comes, the status is returned
#   machine_show NAME COMMAND         the same, after a line that shows the command
#   machine_kill NAME                 cuts the power;  machine_stop switches off in order
#   machines_end                      ends everything; for an EXIT trap
#
# The segment is a QEMU process without a machine that joins one socket per guest to a hub, so that no guest's death
# takes the network away.

# shellcheck source=tests/death.sh
. "$top/tests/death.sh"

declare -A machine_options=() machine_pid=() machine_in=() machine_out=() machine_count=() machine_number=()
machines_folder=
machines_hub=
machines_names=()

machines_begin() {
	local name i=0
	local -a hub
	machines_folder=$(mktemp -d "${TMPDIR:-/tmp}/dst-machines.XXXXXX")
	machines_names=("$@")
	emulator
	hub=("${emulator[@]}" -name dst-segment -machine none -nodefaults -display none)
	for name; do
		i=$((i + 1))
		machine_number[$name]=$i
		hub+=(-netdev "stream,id=$name,server=on,addr.type=unix,addr.path=$machines_folder/$name.net"
			-netdev "hubport,id=hub-$name,hubid=0,netdev=$name")
	done
	"${hub[@]}" </dev/null >"$machines_folder/hub.log" 2>&1 &
	machines_hub=$!
	for name; do
		machines_retry 60 test -S "$machines_folder/$name.net" ||
			die "the network between the machines did not come up: $(cat "$machines_folder/hub.log")"
	done
}

machines_retry() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# The address of a machine.
machine_address() { echo "10.70.0.${machine_number[$1]}"; }

machine_start() {
	local name=$1 run=$machines_folder/$1 hosts='' other in out
	shift
	printf -v "machine_options[$name]" '%q ' "$@"
	mkdir -p "$run"
	touch "$run/agent"
	rm -f "$run/status"
	mkfifo "$run/channel.in" "$run/channel.out" 2>/dev/null || true
	exec {in}<>"$run/channel.in" {out}<>"$run/channel.out"
	machine_in[$name]=$in machine_out[$name]=$out machine_count[$name]=0
	for other in "${machines_names[@]}"; do hosts+=${hosts:+,}$other:$(machine_address "$other"); done
	guest_defaults
	guest_option --name "$name"
	guest_option --net "$machines_folder/$name.net,$(printf '52:54:00:07:00:%02x' "${machine_number[$name]}")"
	guest_option --append "dst.address=$(machine_address "$name")/24 dst.hosts=$hosts"
	while [[ $# -gt 0 ]]; do
		guest_option "$1" "$2" || die "unknown option $1 of a machine"
		shift 2
	done
	guest_command "$run"
	"${qemu[@]}" -chardev "pipe,id=agent,path=$run/channel" \
		-device virtserialport,chardev=agent,name=dst.agent </dev/null >"$run/qemu.log" 2>&1 &
	machine_pid[$name]=$!
}

# How long a machine may take until it answers, in seconds; one that takes longer hangs, however busy the host is.
machines_patience=600

# machine_line NAME [SECONDS]: reads one line from the machine into "line"; false when the machine is dead, or says nothing
# for so long.
machine_line() {
	local out=${machine_out[$1]} part end=$((SECONDS + ${2:-1000000}))
	line=
	# A line may come in pieces.
	while ! IFS= read -r -t 1 -u "$out" part; do
		line+=$part
		if ! kill -0 "${machine_pid[$1]}" 2>/dev/null; then
			printf '%s: the machine has died (%s); its console ends with:\n' "$1" "$(machine_death "$1")" >&2
			tail -n 30 "$machines_folder/$1/console.log" "$machines_folder/$1/qemu.log" >&2
			return 1
		fi
		if ((SECONDS > end)); then
			printf '%s: nothing was heard for %s s; its console ends with:\n' "$1" "$2" >&2
			tail -n 30 "$machines_folder/$1/console.log" "$machines_folder/$1/qemu.log" >&2
			return 1
		fi
	done
	line+=$part
}

machine_death() { death_of "$machines_folder/$1/console.log"; }

machine_wait() {
	local line name attempt
	for name; do
		attempt=1
		until machine_line "$name" "$machines_patience"; do
			# Of its CPUs, and before it has done anything.
			[[ $attempt -lt 3 && $(machine_death "$name") == again* ]] || return 1
			attempt=$((attempt + 1))
			note "$name is switched on again"
			eval "machine_start $name ${machine_options[$name]}"
		done
		[[ $line == @ready* ]] || die "$name said '$line' instead of being ready"
	done
}

machine_run() {
	local name=$1 number line
	shift
	number=$((machine_count[$name] + 1))
	machine_count[$name]=$number
	printf '%s\n' "$*" >"$machines_folder/$name/command.$number"
	echo "$number" >&"${machine_in[$name]}"
	while machine_line "$name"; do
		# Output that does not end with a newline stands before the closing line.
		if [[ $line =~ ^(.*)@done\ $number\ ([0-9]+)$ ]]; then
			[[ -z ${BASH_REMATCH[1]} ]] || printf '%s\n' "${BASH_REMATCH[1]}"
			return "${BASH_REMATCH[2]}"
		fi
		printf '%s\n' "$line"
	done
	return 125
}

machine_show() {
	local bold='' plain=''
	[[ ! -t 1 ]] || bold=$'\e[1m' plain=$'\e[0m'
	printf '\n%s%s# %s%s\n' "$bold" "$1" "$2" "$plain"
	machine_run "$@"
}

machine_kill() {
	kill -KILL "${machine_pid[$1]}" 2>/dev/null || true
	wait "${machine_pid[$1]}" 2>/dev/null || true
	machine_forget "$1"
}

machine_stop() {
	echo end >&"${machine_in[$1]}"
	machines_retry 120 machine_is_off "$1" || { note "$1 does not switch off"; machine_kill "$1"; return 1; }
	wait "${machine_pid[$1]}" 2>/dev/null || true
	machine_forget "$1"
}
machine_is_off() { ! kill -0 "${machine_pid[$1]}" 2>/dev/null; }

machine_forget() {
	local in=${machine_in[$1]} out=${machine_out[$1]}
	exec {in}>&- {out}>&-
	unset "machine_pid[$1]" "machine_in[$1]" "machine_out[$1]"
}

machines_end() {
	local name
	for name in "${!machine_pid[@]}"; do machine_kill "$name"; done
	[[ -z $machines_hub ]] || kill "$machines_hub" 2>/dev/null || true
	[[ -z $machines_folder ]] || rm -rf "$machines_folder"
}
