#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Exports and storages over IPv6, link-local addresses and names included; each in the network namespace of whoever
# made it, with events and addresses of its own.
# needs: losetup ip cmp
# timeout: 120
. "$(dirname "$0")/lib.sh"

module_load
network server client
disk one 16M
disk two 16M
disk three 16M
pattern $((24 << 20)) 6 >"$work/content"
global="[$(address6 server)]:1025"
local=$(ip -n server -6 -o address show dev eth0 scope link | awk '{ sub("/.*", "", $4); print $4 }')
linked="[$local%eth0]:1026"
printf '127.0.0.1 localhost\n%s server6\n' "$(address6 server)" >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
at_exit umount -l /etc/hosts

on server dst export add "$one" --listen "$global" --allow "$(address6 client)" >/dev/null
on server dst export add "$two" --listen "$linked" --allow fe80::/10 >/dev/null
on server dst export add "$three" --listen "$(address server):1027" --allow "$(address client)" >/dev/null
on client dst create storage server6:1025 "$linked" "$(address server):1027" >/dev/null
expect_equal "type of node 0" "R: $global" "$(cat /sys/devices/storage/n-0/type)"
types=$(cat /sys/devices/storage/n-*/type)
[[ $types == *"[$local"* ]] || fail "no node is at $local: $types"
dd if="$work/content" of=/dev/dst bs=1M oflag=direct status=none
cmp -n $((24 << 20)) /dev/dst "$work/content"
cmp -n $((12 << 20)) "$(disk_file "$one")" "$work/content"

say "each in its own namespace"
# The same addresses in another namespace are other machines.
ip netns add other
at_exit ip netns del other
ip -n other link set lo up
ip -n other address add "$(address6 server)/128" dev lo
ip -n other address add "$(address server)/32" dev lo
expect_error "connection refused: nothing is exported there" on other dst create another --device dst-other "$global"
disk four 16M
on other dst export add "$four" --listen "$global" --allow "$(address6 server)" >/dev/null
on other dst create another --device dst-other "$global" >/dev/null
dd if=/dev/zero of=/dev/dst-other bs=1M count=4 oflag=direct status=none
cmp -n $((24 << 20)) /dev/dst "$work/content"
# A storage that is served stays where it was made, whoever deletes it.
dst delete another >/dev/null
expect_error "there is no such export" on client dst export del "$global"
wait_until 60 on other dst export del "$global" || fail "the export stays in use"
# Without an interface a link-local address means nothing.
expect_error "" on client dst create second --device dst-second "[$local]:1026"

say "the namespace of a storage outlives its name"
ip netns del client
dd if="$work/content" of=/dev/dst bs=1M count=20 oflag=direct status=none
cmp -n $((20 << 20)) /dev/dst "$work/content"
dst delete storage >/dev/null
gone() { ! ip -n wire link show port-client 2>/dev/null; }
wait_until 60 gone || fail "the namespace stays after its storage was deleted"
module_unload
