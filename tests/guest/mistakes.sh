#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every mistake in a configuration is refused with a message that names it, and changes nothing: no storage, export or
# disk is left, and no byte of any device is another one.
# needs: losetup ip mkfs.ext4 cmp md5sum
# timeout: 600
. "$(dirname "$0")/lib.sh"

module_load
network server client
for name in first second third served shop; do
	disk "$name" 5M
	pattern $((1 << 19)) "${#name}" >"$work/content"
	dd if="$work/content" of="${!name}" bs=64k conv=notrunc status=none
done
disk tiny 2M
export_address=$(address server):1025
client() { on client dst "$@"; }

# look: all that a refused command must leave as it was.
look() {
	ls /sys/devices
	find /dev -maxdepth 1 -name 'dst*'
	tail -n +1 /sys/devices/*/{alg,disk,state,size,nodes,uuid,epoch} 2>/dev/null || true
	on server dst export list | awk '{ print $1, $2 }'
	md5sum "$work"/disk.*
}
wrong=0 count=0 first_wrong=
# wrong TEXT: notes it; the test goes on with the other mistakes.
wrong() {
	printf 'MISTAKE %s\n' "$1"
	first_wrong=${first_wrong:-${1//$'\n'/ }}
	wrong=$((wrong + 1))
}
# mistake CODE TEXT COMMAND...: it must end with CODE and a message that has TEXT, and change nothing.
mistake() {
	local code=$1 text=$2 output status=0
	shift 2
	count=$((count + 1))
	output=$("$@" 2>&1) || status=$?
	look >"$work/after"
	if [[ $status != "$code" || $output != *"$text"* ]]; then
		wrong "$*: wanted $code and '$text', had $status and: $output"
	fi
	if ! diff "$work/before" "$work/after" >"$work/diff"; then
		wrong "$* has changed something: $(cat "$work/diff")"
		# So that what comes next is judged by itself.
		[[ $status != 0 || $2 != create ]] || client delete "$3"
		settled
	fi
}
# settled: what is there is noted, once a storage that has just started has all its nodes.
settled() {
	wait_until 60 all_nodes_are_up || fail "a storage stays degraded"
	look >"$work/before"
}
all_nodes_are_up() { ! grep -qs degraded /sys/devices/*/state; }

on server dst export add "$served" --listen "$export_address" --allow "$(address client)" >/dev/null
settled

say "names, algorithms and places"
mistake 1 'there is no algorithm "stripe"' client create s --alg stripe "$first"
mistake 2 'the kernel uses this name' client create system "$first"
for name in /sys/devices/*/; do
	name=$(basename "$name")
	[[ $name != *[!a-zA-Z0-9._-]* ]] || continue
	output=$(client create "$name" --no-start "$first" 2>&1) && fail "the storage '$name' was made"
	[[ $output == *'the kernel uses this name'* || $output == *"/sys/devices"* ]] || fail "name $name: $output"
done
mistake 2 "letters, digits" client create 'a/b' "$first"
mistake 2 "more than 63" client create "$(printf 'x%.0s' {1..64})" "$first"
mistake 2 'partitions of a disk have names like this' client create s --device dst1 "$first"
mistake 2 'partitions of a disk have names like this' client create s --device dst-a0p1 "$first"
mistake 2 'begins with "dst-"' client create s --device sda "$first"
mistake 2 'begins with "dst-"' client create s --device dst- "$first"
mistake 1 "node 1: size 100000 sectors (48.8 MiB) was given, but the node has 2048 sectors (1 MiB)" \
	client create s "$first" "$second,size=100000"
mistake 1 "node 0 (start 0, size 2048) and node 1 (start 2000, size 2048) overlap" \
	client create s "$first" "$second,start=2000"
mistake 1 "sectors 2048 to 2999 lie on no node: node 0 ends before and node 1 begins after" \
	client create s "$first" "$second,start=3000"
mistake 1 "the storage does not begin at 0: the first node by start is node 0 at 8" client create s "$first,start=8"
mistake 2 "size" client create s "$first,size=x"

say "devices"
mistake 5 "there is no such file" client create s "$first" /dev/nothing
mistake 5 "it is not a block device" client create s "$first" /dev/null
mistake 5 "it is not a block device" client create s /etc/passwd
mistake 1 "has no room for the metadata area" client create s "$first" "$tiny"
mistake 6 "$first is node 0 of this storage already" client create s "$first" "$first"
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=0 "$third"
settled
mistake 6 "the device holds an ext2, ext3 or ext4 filesystem; use --force to overwrite it" client create s "$first" "$third"
mounted "$third" "$work/mounted" -o ro
settled
mistake 6 "it is in use (mounted" client create s "$first" "$third"
mistake 6 "it is in use (mounted" client create s --force "$first" "$third"
umount "$work/mounted"
ln -s "$first" "$work/another-name"
mistake 6 "is node 0 of this storage already" client create s "$first" "$work/another-name"

say "machines"
mistake 7 "connection refused: nothing is exported there" client create s "$first" "$(address server):1030"
mistake 7 "the network is unreachable" client create s "$first" 198.51.100.1:1025
mistake 7 "no route to the host" client create s --connect-timeout 30 "$first" 10.7.0.99:1025
mistake 5 "cannot look up" client create s "$first" no-such-machine.invalid:1025
mistake 4 "address list" on server dst create s "$first" "$export_address"
mistake 5 'no export "other"' client create s "$first" "$export_address,export=other"
mistake 6 "is node 0 of this storage already" client create s "$export_address" "$export_address"

say "exports"
serve() { on server dst export add "$@"; }
mistake 5 "there is no such device" serve /dev/nothing --listen "$(address server):1026"
mistake 5 "it is not a block device" serve /dev/null --listen "$(address server):1026"
mistake 6 "the device is in use" serve "$served" --listen "$(address server):1026"
mistake 6 "is in use by another program or export" serve "$shop" --listen "$export_address"
mistake 1 "is not an address of this machine" serve "$shop" --listen "$(address client):1026"
mistake 1 "any-address" serve "$shop" --listen 0.0.0.0:1026
mistake 2 "behind the / comes a number from 0 to 32" serve "$shop" --listen "$(address server):1026" \
	--allow 10.7.0.0/33
mistake 2 "write =ro or =rw" serve "$shop" --listen "$(address server):1026" --allow 10.7.0.0/24=rwx
mistake 5 "there is no such export" on server dst export del 77
mistake 5 "there is no such export" on server dst export set 77 --nobody
blockdev --setro "$shop"
mistake 4 "the device is read-only; export it with --read-only" serve "$shop" --listen "$(address server):1026"
blockdev --setrw "$shop"

say "a storage that is there"
client create s "$export_address" "$second" >/dev/null
settled
mistake 6 'there is a storage "s" already' client create s "$first"
mistake 6 '/dev/dst belongs to the storage "s"' client create t "$first"
mistake 6 "it is in use" client create t --device dst-t "$second"
mistake 6 "is writing to it; one client may" client create t --device dst-t "$export_address"
mistake 6 "is node 1 of this storage already" client add s "$second"
mistake 6 "the device holds an ext2, ext3 or ext4 filesystem" client add s "$third"
mistake 1 "has no room for the metadata area" client add s "$tiny"
mistake 5 "there is no such file" client add s /dev/nothing
mistake 7 "connection refused: nothing is exported there" client add s "$(address server):1030"
mistake 1 "a node can only come behind its end" client add s "$first,start=0"
mistake 6 "delete it to change it" client remove s 1
mistake 6 "is started already" client start s
client create t --device dst-a "$first" >/dev/null
settled
mistake 6 "partitions of" client create u --device dst-a1 "$shop"
client delete t
client create t --device dst-a1 "$first" >/dev/null
settled
mistake 6 "partitions of" client create u --device dst-a "$shop"
client delete t
client delete s

say "labels"
settled
mistake 1 'the node belongs to storage "t", not to "s"' client create s "$export_address" "$first"
mistake 1 'the node belongs to storage "s", not to "other"' client create other "$export_address" "$second"
mistake 1 "is number 1 of its storage (counted from 0), but was given as number 0" \
	client create s "$second" "$export_address"
mistake 1 "the node's storage has 2 nodes, but 1 were given" client create s "$export_address"
mistake 1 "it has no label, but other nodes belong to a storage already" \
	client create s "$export_address" "$shop"
mistake 1 "the node holds 2048 sectors (1 MiB) of the storage, but was given a size of 2000" \
	client create s "$export_address,size=2000" "$second"
mistake 6 "raw use would overwrite" client create s --raw "$export_address" "$shop"
mistake 6 "label" client create s --raw "$second" "$shop"
client create none --no-start "$first" >/dev/null
client remove none 0 >/dev/null
settled
mistake 1 "the storage has no nodes" client start none
client delete none

# The signature that was refused is overwritten on demand; so the refusal was what kept it.
client create forced --force "$third" >/dev/null
client delete forced
settled
# And a right configuration among the wrong ones still works.
client create s "$export_address" "$second" >/dev/null
client delete s
wait_until 60 on server dst export del 1 || fail "the export stays in use"
((wrong == 0)) || fail "$wrong of $count mistakes are not handled as they should be: $first_wrong"
say "$count mistakes were refused"
module_unload
