#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every row of the truth table in Documentation/admin/command-line.md is true of the module.
# needs: losetup ip python3 blkdiscard
# timeout: 900
. "$(dirname "$0")/lib.sh"

document=/share/src/Documentation/admin/command-line.md
module_load

# The addresses of the table are all this machine's, but 10.0.0.1, which cannot be reached. The names are those of the
# table.
ip netns add table
at_exit ip netns del table
ip -n table link set lo up
for address in 192.168.4.80/32 192.168.4.81/32 10.0.0.2/32 fd00::80/128; do
	ip -n table address add "$address" dev lo
done
ip -n table route add unreachable 10.0.0.1
printf '127.0.0.1 localhost\n192.168.4.80 kano\n10.0.0.1 twins\n10.0.0.2 twins\n' >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
at_exit umount -l /etc/hosts

# sdb and sdc are local disks; the others are exported where the table has remote nodes.
declare -A device
for name in sdb sdc kano uganda second six twin; do
	disk made 12G
	device[$name]=$made
done
for name in sdb sdc; do
	[[ ! -e /dev/$name ]] || skip "this guest has a disk /dev/$name of its own"
	ln -s "${device[$name]}" "/dev/$name"
	at_exit rm -f "/dev/$name"
done

program() { on table dst "$@"; }

serve() { program export add "${device[$1]}" --listen "$2" --allow 0.0.0.0/0 --allow ::/0 >/dev/null; }

remotes() {
	serve kano 192.168.4.80:1025
	serve uganda 192.168.4.81:1025
	serve second 192.168.4.80:1026
	serve six '[fd00::80]:1025'
	serve twin 10.0.0.2:1025
}

# names LIST KEY: the values of KEY in the objects of LIST, from the program's JSON.
names() {
	python3 -c '
import json, sys
for item in json.load(sys.stdin)[sys.argv[1]]:
    print(item[sys.argv[2]])' "$1" "$2"
}

clean() {
	local item
	for item in $(program --json status | names storages name); do
		program delete --force "$item" >/dev/null
	done
	for item in $(program --json export list | names exports id); do
		program export del --force "$item" >/dev/null
	done
	for item in "${device[@]}"; do blkdiscard "$item"; done
}

situation() {
	case $1 in
	nothing) ;;
	forming | 'with a gap' | running | open)
		program create storage --no-start kano:1025,start=0,size=801 /dev/sdb,start=801,size=801 \
			192.168.4.81:1025,start=1602,size=801 >/dev/null
		case $1 in
		'with a gap') program remove storage 1 >/dev/null ;;
		running | open) program start storage >/dev/null ;;
		esac
		;;
	exported | 'in use')
		program export add /dev/sdc --listen kano:1025 --name disk1 --allow 0.0.0.0/0 >/dev/null
		[[ $1 == exported ]] || program create user --device dst-user kano:1025 >/dev/null
		;;
	*) fail "the truth table speaks of an unknown situation: $1" ;;
	esac
}

# The rows as lines of fields parted by tabs: number, situation, exit code, text, command.
rows() {
	python3 - "$document" <<-'END'
		import sys
		text = open(sys.argv[1]).read()
		text = text.split("<!-- truth table: begin -->")[1].split("<!-- truth table: end -->")[0]
		for line in text.strip().splitlines()[2:]:
		    number, before, command = (cell.strip() for cell in line.strip("|").split(" | ")[:3])
		    code, told = line.strip("| ").rsplit(" | ", 1)[-1].strip("| ").split(" ", 1)
		    print(number, before, code, told.strip("` "), command.strip("` "), sep="\t")
	END
}

rows >"$work/rows"
wrong=0 count=0
while IFS=$'\t' read -r -u 3 number before code text command; do
	read -ra words <<<"$command"
	[[ ${words[0]} == dst ]] || fail "row $number is no command of dst: $command"
	if [[ $code != 2 ]]; then
		clean
		# An export of the row itself takes the address of a remote node.
		case "$before $command" in
		exported* | 'in use'* | *' -d '*' -a '*) ;;
		nothing*' -a '* | forming* | 'with a gap'* | running* | open*) remotes ;;
		esac
		situation "$before"
	fi
	[[ $before != open || $code == 2 ]] || exec 4</dev/dst
	status=0
	output=$(program "${words[@]:1}" 2>&1 3<&- 4<&-) || status=$?
	exec 4<&-
	count=$((count + 1))
	if [[ $status != "$code" || $output != *"$text"* ]]; then
		wrong=$((wrong + 1))
		printf 'row %s, %s: %s\n  wanted %s and: %s\n  had    %s and: %s\n' \
			"$number" "$before" "$command" "$code" "$text" "$status" "$output"
	fi
done 3<"$work/rows"
clean
((count >= 91)) || fail "only $count rows were read"
((wrong == 0)) || fail "$wrong of $count rows are not true"
say "$count rows are true"
