# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the client of migrate-crash.sh does. Sourced in the guest after power-client.sh. Of the node that moves the *old*
# device is the one that held it when the move began, the *new* one the other.
#
#   move NAME DEVICE [OPTION...]   begins to move node 1 to DEVICE
#   move_later NAME DEVICE SECONDS [OPTION...]   the same after that time
#   until_copied NAME PERCENT      waits until so much is copied; ended: until the job has ended
#   end_of NAME DEVICE             waits until the node has moved; what has paused by itself or failed says why, and is
#                                  begun again, as an administrator would
#   says_why NAME                  waits until the job has ended or says what it waits for
#   refused NAME STAGE STAY OLD NEW
#                                  each start that must be refused is, and says which device it takes
#   comes_back NAME STAGE STAY OLD NEW LINE STATUS
#                                  the one with LINE works and the check of the data ends with STATUS; then all others in
#                                  turn, and the data is checked once more
#   for_all COMMAND                COMMAND with each line of the input, all at the same time
#
# A LINE is what a start is given in place of the node: "old", "new", "both" and "swapped": the other one behind all nodes.

lines=(old new both swapped)
fail() { echo "$*"; exit 1; }

job() { cat "/sys/devices/$1/job-$(cat "/tmp/$1.job")/$2"; }
move() {
	local name=$1 answer
	answer=$(dst --json job migrate "$name" 1 "${@:2}" 2>&1) || { echo "$name does not move to $2: $answer"; return 1; }
	[[ $answer =~ \"id\":\ *([0-9]+) ]] && echo "${BASH_REMATCH[1]}" >"/tmp/$name.job"
}
# move_later NAME DEVICE SECONDS [OPTION...]
move_later() { sleep "$3"; move "$1" "$2" "${@:4}"; }
has_ended() { [[ $(job "$1" state) =~ ^(done|failed|cancelled)$ ]]; }
until_copied() {
	local total
	total=$(job "$1" total)
	until (($(job "$1" "done") * 100 >= total * $2)) || has_ended "$1"; do sleep 0.05; done
}
ended() { until has_ended "$1"; do sleep 0.05; done; }

# Whatever job was begun last: one that waits for nobody goes on.
says_why() {
	local limit=$((SECONDS + 120)) state words
	while true; do
		state=$(job "$1" state) words=$(job "$1" waits_for)
		! has_ended "$1" || words=$(job "$1" reason)
		[[ -z $words && $state != "done" ]] || break
		((SECONDS < limit)) || fail "$1: the job is $state at $(job "$1" "done") bytes and does not say why: $(dst status "$1")"
		sleep 0.2
	done
	echo "$1: $state at $(job "$1" "done") bytes: $words"
}

end_of() {
	local name=$1 limit=$((SECONDS + 300)) state words tries=0
	while true; do
		state=$(job "$name" state)
		case $state in
		"done") break ;;
		failed | cancelled | paused)
			words=$(job "$name" reason) state=$(job "$name" state)
			[[ $state != paused ]] || words=$(job "$name" waits_for)
			[[ -n $words ]] || fail "$name: the job is $state and does not say why"
			echo "$name: $state: $words"
			((++tries <= 5)) || fail "$name: the job is $state again and again"
			case $state in
			paused) dst job resume "$(cat "/tmp/$name.job")" >/dev/null ;;
			failed | cancelled) move "$name" "$2" || exit 1 ;;
			esac
			;;
		esac
		((SECONDS < limit)) || fail "$name: the job is $state for ever: $(job "$name" waits_for); $(dst status "$name")"
		sleep 0.2
	done
	[[ $(place "$name") == "$2" ]] || fail "$name: the node has moved to $(place "$name"), not to $2"
}

place() { dst status "$1" | awk '$1 == 1 && /[LR]: / { sub(/.*[LR]: /, ""); print $1 }'; }

# judged STAGE LINE: which device the node has to be on; or "no" and which one is asked for.
judged() {
	case $1/$2 in
	copying/new | recorded/new) echo "no old" ;;
	copying/*) echo old ;;
	*/old) echo "no new" ;;
	*) echo new ;;
	esac
}

start() {
	local name=$1 limit=$((SECONDS + 180))
	case $2 in
	old) set -- "$3" "$4" ;;
	new) set -- "$3" "$5" ;;
	both) set -- "$3" "$4" "$5" ;;
	swapped) set -- "$3" "$5" "$4" ;;
	esac
	# The machines notice only after a while that their client has died.
	while ! dst create "$name" --device "dst-$name" "$@" >"/tmp/$name.start" 2>&1; do
		grep -q "is writing to it" "/tmp/$name.start" || return 1
		((SECONDS < limit)) || return 1
		sleep 1
	done
}

refused() {
	local name=$1 stage=$2 line wanted device text
	for line in "${lines[@]}"; do
		wanted=$(judged "$stage" "$line")
		case $wanted in
		"no old") device=$4 text="is a copy of node 1 of which it is not known whether it was finished" ;;
		"no new") device=$5 text="node 1 has moved from device 1 to another one" ;;
		*) continue ;;
		esac
		! start "$name" "$line" "${@:3}" || fail "$name, $stage: it starts with the wrong device ($line)"
		[[ $(cat "/tmp/$name.start") == *"$text"*"(R: $device)"*"(device 1 is R: "* ]] ||
			fail "$name, $stage: a start ($line) does not say '$text ... ($device)': $(cat "/tmp/$name.start")"
		[[ ! -e /sys/devices/$name ]] || fail "$name, $stage: a storage is left of a start that was refused"
	done
}

accepted() {
	local name=$1 stage=$2 line=$3 device=$5
	[[ $(judged "$stage" "$line") == old ]] || device=$6
	start "$name" "$line" "${@:4}" || fail "$name, $stage: it does not start ($line): $(cat "/tmp/$name.start")"
	[[ $(place "$name") == "$device" ]] || fail "$name, $stage: with the line $line node 1 is on $(place "$name"), not on $device"
}

# data NAME STATUS
data() {
	local status=0
	check "/dev/dst-$1" >"/tmp/$1.data" 2>&1 || status=$?
	cat "/tmp/$1.data"
	((status == $2)) || fail "$1: the check of the data has the status $status instead of $2"
}

comes_back() {
	local name=$1 stage=$2 line last=
	local -a devices=("${@:3:3}")
	accepted "$name" "$stage" "$6" "${devices[@]}"
	data "$name" "$7"
	delete "$name"
	# All has been brought to its end.
	[[ $stage == copying ]] || stage=settled
	refused "$name" "$stage" "${devices[@]}"
	for line in "${lines[@]}"; do
		[[ $(judged "$stage" "$line") != no* && $line != "$6" ]] || continue
		[[ -z $last ]] || delete "$name"
		accepted "$name" "$stage" "$line" "${devices[@]}"
		last=$line
	done
	data "$name" 0
}

delete() {
	local limit=$((SECONDS + 60))
	until dst delete "$1" >/dev/null 2>&1; do
		((SECONDS < limit)) || fail "$1 cannot be deleted: $(dst delete "$1" 2>&1)"
		sleep 0.2
	done
}

# One fails if any does; the first word of a line is a name of its own.
for_all() {
	local name status=0
	local -A running=()
	local -a words
	while read -ra words; do
		( "$1" "${words[@]}" ) >"/tmp/${words[0]}.log" 2>&1 </dev/null &
		running[${words[0]}]=$!
	done
	for name in "${!running[@]}"; do
		wait "${running[$name]}" || status=1
		cat "/tmp/$name.log"
	done
	return "$status"
}
