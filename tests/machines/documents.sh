#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every command of the README and of the administrator's guide, word for word: module and program are built as on an
# administrator's machine, and three virtual machines use what came out of that.
set -euo pipefail
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/scripts/artefacts.sh"
. "$top/scripts/qemu.sh"
. "$top/scripts/machines.sh"

load_kernels
work=$(mktemp -d "${TMPDIR:-/tmp}/dst-documents.XXXXXX")
finish() {
	machines_end
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# blocks FILE: the document's commands into the arrays "places" and "commands".
blocks() {
	local place command
	places=() commands=()
	python3 "$top/tests/machines/helpers/blocks.py" "$top/$1" >"$work/blocks" || die "$1 cannot be tested"
	while IFS= read -r -d '' place && IFS= read -r -d '' command; do
		places+=("$place")
		commands+=("$command")
	done <"$work/blocks"
}

# on_host COMMAND: the commands of the project itself. "make demo" and "make test" are what this test is a part of, so
# here is only seen that they exist.
on_host() {
	case $1 in
	# "make install" is run by reboot.sh, to another folder.
	'make demo' | 'make test' | 'make install') make -C "$top" --no-print-directory --dry-run "${1#make }" PROGRAM=dst >/dev/null ;;
	*) die "no test runs the command '$1'" ;;
	esac
}

# The machine on which an administrator builds: the tool root, which has the packages that the README names, with a
# checkout of its own. Three commands cannot be what they are there: "uname -r" answers for the kernel built for;
# "apt-get install" is tried by the package manager itself beforehand, and checked to leave nothing to install but the
# sources and headers of the kernel; "insmod" keeps the module for the machines.
build_all() {
	local i command tree packages
	mkdir -p "$work/checkout" "$work/result"
	(cd "$top" && git ls-files -z | xargs -0 tar -cf - --) | tar -C "$work/checkout" -xf -
	tree=$(kernel_tree "$STOCK_RELEASE")/linux
	mkdir "$work/bin"
	printf '#!/bin/sh\n[ "$*" != -r ] || exec echo %s\nexec /usr/bin/uname "$@"\n' "$STOCK_RELEASE" >"$work/bin/uname"
	printf '#!/bin/sh\ncp "$1" %s/\n' "$work/result" >"$work/bin/insmod"
	printf '#!/bin/sh\necho "$@" | tr " " "\\n" | grep -v "^install$" >%s/wanted\n' "$work" >"$work/bin/apt-get"
	chmod +x "$work"/bin/*
	{
		echo 'set -euo pipefail'
		echo "export PATH=$work/bin:\$PATH"
		for ((i = 0; i < ${#commands[@]}; i++)); do
			[[ ${places[i]} == build ]] || continue
			printf 'echo; printf "# %%s\\n" %q\n%s\n' "${commands[i]}" "${commands[i]}"
		done
	} >"$work/build.sh"
	# The kernel's tree stands where the script has put it when set-up ran it.
	"$top/scripts/in-root" --bind "$work" --bind "$tree:/usr/src/dst-linux-$STOCK_RELEASE" \
		--bind "$work/result:/usr/local/sbin" --chdir "$work/checkout" bash "$work/build.sh" ||
		die "what the README says about building does not work"
	packages=$(tr '\n' ' ' <"$work/wanted")
	# shellcheck disable=SC2086
	APT_CONFIG=$cache/apt/apt.conf apt-get --simulate install $packages >"$work/simulation" 2>&1 ||
		{ cat "$work/simulation"; die "the packages that the README names cannot be installed"; }
}

must() { machine_show "$1" "PATH=/share/result:\$PATH; $2" || die "on $1 this failed: $2"; }

# run_all: the commands for the machines, in their order.
run_all() {
	local i
	for ((i = 0; i < ${#commands[@]}; i++)); do
		case ${places[i]} in
		host) on_host "${commands[i]}" ;;
		build) ;;
		# For machines that boot with systemd, as those of reboot.sh do.
		*', installed') ;;
		'client, with the disk open')
			# It has grown, its last node has moved, and its first one is at another port.
			must client 'dst create storage storage1:1026 storage2:1025 /dev/vda /dev/vdc'
			machine_run client 'sleep 1000 </dev/dst >/dev/null 2>&1 & true'
			if machine_run client 'dst delete storage'; then die "an open storage was deleted"; fi
			must client "${commands[i]}"
			;;
		'client, without a write error')
			machine_run client "PATH=/share/result:\$PATH; ${commands[i]} 2>&1 | grep 'has no write error'" ||
				die "not refused as it should be: ${commands[i]}"
			;;
		storage1 | storage2 | client) must "${places[i]}" "${commands[i]}" ;;
		*) die "there is no such place: ${places[i]}" ;;
		esac
	done
}

blocks README.md
build_all
machines_begin storage1 storage2 client
for machine in storage1 storage2; do
	machine_start "$machine" --mem 512M --cpus 1 --disk 64M --share "result=$work/result"
done
machine_start client --mem 512M --cpus 1 --disk 64M --disk 64M --disk 64M --share "result=$work/result"
machine_wait storage1 storage2 client
for machine in storage1 storage2 client; do must "$machine" 'insmod /share/result/dst_blk.ko'; done
run_all
for machine in storage1 storage2; do
	# The client has said goodbye, and this machine may not have heard it yet.
	machine_run "$machine" 'PATH=/share/result:$PATH; for i in $(seq 60); do dst --json export list | grep -q "\"clients\":0" && break; sleep 1; done'
	must "$machine" 'dst export del /dev/vda'
done

blocks Documentation/admin/guide.md
# The guide shows one of the two.
must storage2 'dst export add /dev/vda --listen 10.70.0.2:1025 --allow 10.70.0.0/24'
run_all
# The disk is open until the process has ended.
must client 'kill $(pidof sleep); for i in $(seq 60); do rmmod dst_blk && break; sleep 1; done; test ! -e /sys/module/dst_blk'
for machine in storage1 storage2; do must "$machine" 'dst export del --force /dev/vda; rmmod dst_blk'; done
for machine in storage1 storage2 client; do
	machine_run "$machine" "! dmesg | grep -E 'WARNING:|BUG:|Oops|Call Trace|blocked for more'" ||
		die "the kernel of $machine complained, see above"
	machine_stop "$machine" || die "$machine did not switch off"
done
