# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the guest tests share. A test is a script of this folder:
#
#   #!/bin/bash
#   # SPDX-License-Identifier: GPL-2.0
#   # One sentence that says what is shown.
#   # needs: fio netem        commands and kernel modules without which it is skipped
#   # cpus: 2                  how many CPUs it takes; with fewer it is skipped
#   # timeout: 120            seconds, 60 if not given
#   # kernel: any             stock (default), meta, any: on which kernels it runs
#   # log-allow: REGEX        lines of the kernel log that are expected although they look bad
#   # outage: 240              seconds for which an outage on purpose may make tasks wait, 60 if not given; one that
#                              waits for longer has hung, and fails the test
#   . "$(dirname "$0")/lib.sh"
#
# It succeeds with exit status 0, skips with 4, asks for another guest with 5, fails with anything else. Every test starts without the module and is
# followed by the removal of all that this library made, whether it succeeded or not.

set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=/share/build/$(uname -r)/dst_blk.ko
work=$(mktemp -d "${DST_WORK:-/tmp}/test.XXXXXX")
export tests module work
cleanups=()

say() { printf '# %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
skip() { printf 'SKIP: %s\n' "$*"; exit 4; }
# unfit REASON: it is this guest that does not work as a machine does; the test is run again in a fresh one, twice at most.
unfit() { printf 'UNFIT: %s\n' "$*"; exit 5; }

# at_exit COMMAND...: runs COMMAND when the test ends; what was registered last runs first.
at_exit() { cleanups+=("$(printf '%q ' "$@")"); }

on_exit() {
	local status=$? last=$BASH_COMMAND i
	trap - EXIT
	set +e
	# The runner takes the first of these lines as the reason.
	((status == 0 || status == 4)) || printf 'FAILED: exit status %s at: %s\n' "$status" "$last" >&2
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do eval "${cleanups[i]}" >/dev/null 2>&1; done
	rm -rf "$work"
	exit "$status"
}
trap on_exit EXIT
trap 'exit 143' TERM INT
trap 'printf "FAILED: %s line %s: %s\n" "${0##*/}" "$LINENO" "$BASH_COMMAND" >&2' ERR

# wait_until SECONDS COMMAND...: tries COMMAND ten times a second until it succeeds; false when the time is up.
wait_until() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# expect_error TEXT COMMAND...: COMMAND must fail and say TEXT (a fixed string).
expect_error() {
	local text=$1 output
	shift
	if output=$("$@" 2>&1); then fail "'$*' succeeded; it should have said: $text"; fi
	[[ $output == *"$text"* ]] || fail "'$*' should have said '$text' and said: $output"
}

# expect_equal WHAT EXPECTED FOUND
expect_equal() { [[ $2 == "$3" ]] || fail "$1: expected '$2', found '$3'"; }

# need COMMAND-OR-MODULE...: skips the test where one is missing.
need() {
	local item
	for item; do
		command -v "$item" >/dev/null || modprobe -q "$item" 2>/dev/null || skip "this guest has no $item"
	done
}

# module_load [PARAMETER=VALUE...]: loads the module; at the end of the test all its storages and exports are removed.
module_load() {
	insmod "$module" "$@"
	# For the runner, which may have to name functions of a module that is out.
	[[ ! -e /sys/kernel/debug/kmemleak ]] || cat /sys/module/dst_blk/sections/.text >"${DST_WORK:-/tmp/test}.text"
	at_exit "$tests/clear"
}
# A kernel that proves its locks keeps a module in use as long as there are sockets to which it gave their lock classes,
# for a moment after a connection was closed.
pins_sockets() { [[ -e /proc/lockdep ]]; }
remove_module() { rmmod dst_blk 2>/dev/null; }
module_unload() {
	if pins_sockets; then wait_until 60 remove_module && return; fi
	rmmod dst_blk
}

# mounted DEVICE FOLDER [MOUNT-OPTION...]: mounts DEVICE until the test ends.
mounted() {
	local device=$1 folder=$2
	shift 2
	mkdir -p "$folder"
	mount "$@" "$device" "$folder"
	at_exit umount -l "$folder"
}

# network NAME...: one network namespace each, all on one Ethernet segment. The first has the addresses 10.7.0.1 and
# fd07::1, the second .2 and so on; the interface is eth0, and the segment's own end is "port-NAME" in namespace "wire".
network() {
	local name
	ip netns add wire
	at_exit ip netns del wire
	ip -n wire link add segment type bridge
	ip -n wire link set segment up
	network_names=()
	for name; do
		network_names+=("$name")
		ip netns add "$name"
		at_exit ip netns del "$name"
		ip link add eth0 netns "$name" type veth peer name "port-$name" netns wire
		ip -n wire link set "port-$name" master segment up
		ip -n "$name" link set lo up
		ip netns exec "$name" sysctl -qw net.ipv6.conf.eth0.accept_dad=0
		ip -n "$name" address add "$(address "$name")/24" dev eth0
		ip -n "$name" address add "$(address6 "$name")/64" dev eth0 nodad
		ip -n "$name" link set eth0 up
	done
	for name; do
		wait_until 60 ip netns exec "$name" ping -qc1 -W1 "$(address "$1")" || fail "the network of $name does not work"
	done
}
position() {
	local i
	for i in "${!network_names[@]}"; do
		[[ ${network_names[i]} != "$1" ]] || { echo $((i + 1)); return; }
	done
	fail "there is no machine $1"
}
address() { echo "10.7.0.$(position "$1")"; }
address6() { echo "fd07::$(position "$1")"; }
# on NAME COMMAND...: runs COMMAND in the machine's network namespace.
on() {
	local name=$1
	shift
	ip netns exec "$name" "$@"
}
# cable NAME up|down: plugs the machine's cable in or out.
cable() { ip -n wire link set "port-$1" "$2"; }
# disturb NAME NETEM-ARGUMENTS...: delay, loss and the like in both directions; "disturb NAME" alone ends it.
disturb() {
	local name=$1
	shift
	tc -n "$name" qdisc del dev eth0 root 2>/dev/null || true
	tc -n wire qdisc del dev "port-$name" root 2>/dev/null || true
	[[ $# -gt 0 ]] || return 0
	tc -n "$name" qdisc add dev eth0 root netem "$@"
	tc -n wire qdisc add dev "port-$name" root netem "$@"
}

# disk VARIABLE SECTORS|SIZE [LOSETUP-OPTION...]: a sparse disk in memory with any number of 512 byte sectors, that
# knows flush and discard; its device is put into VARIABLE.
disk() {
	local -n disk_out=$1
	local size=$2 file
	shift 2
	[[ $size =~ [a-zA-Z]$ ]] || size=$((size * 512))
	modprobe -q loop
	file=$(mktemp "$work/disk.XXXXXX")
	truncate -s "$size" "$file"
	disk_out=$(losetup --show -f "$@" "$file")
	at_exit losetup -d "$disk_out"
}
# disk_file DEVICE: the file that holds the content of a disk made with "disk".
disk_file() { losetup -nO BACK-FILE "$1"; }
sectors() { blockdev --getsz "$1"; }


# pattern BYTES [SEED]: that many bytes of a sequence that depends on the seed alone, no two sectors alike.
pattern() {
	python3 -c '
import random, sys
r, left = random.Random(int(sys.argv[2])), int(sys.argv[1])
while left > 0:
    sys.stdout.buffer.write(r.randbytes(min(left, 1 << 20)))
    left -= 1 << 20' "$1" "${2:-1}"
}

# log_since MARK: the kernel's messages since "log_mark MARK".
log_mark() { echo "mark: $1" >/dev/kmsg; }
log_since() { dmesg --notime | awk -v mark="mark: $1" '$0 == mark { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }'; }
