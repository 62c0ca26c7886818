#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# With the udev rules a node is part of an array and nothing else, whatever its data look like, and a storage has names
# from its identity and from what is on it. Without them a node is found by the uuid of the storage's filesystem.
# needs: losetup udevadm mkfs.ext4 sfdisk lsblk
# timeout: 300
. "$(dirname "$0")/lib.sh"

daemon=/usr/lib/systemd/systemd-udevd
[[ -x $daemon ]] || skip "this guest has no udev"
rules=/run/udev/rules.d/60-dst.rules
mkdir -p "${rules%/*}"
# No link but those of the disks of this test.
at_exit rm -rf /run/udev /dev/disk
$daemon --daemon
at_exit udevadm control --exit
module_load
uuid=01234567-89ab-cdef-0123-456789abcdef

# look: udev looks at all disks anew.
look() {
	udevadm trigger --settle --action=change --subsystem-match=block
	udevadm settle --timeout=60
}
property() { udevadm info --query=property --property="$2" --value "$1"; }
# The kernel's events come when they come, and udev may be in the middle of one.
leads_to() { [[ $(readlink -f "/dev/disk/$1") == "$2" ]]; }
leads() { wait_until 60 leads_to "$1" "$2" || fail "/dev/disk/$1 leads to '$(readlink -f "/dev/disk/$1")', not to $2"; }
no_link() { [[ ! -L /dev/disk/$1 ]]; }
nowhere() { wait_until 60 no_link "$1" || fail "/dev/disk/$1 leads to $(readlink -f "/dev/disk/$1")"; }
with_rules() {
	sed 's|@sbindir@|/share/build|' /share/src/udev/60-dst.rules >"$rules"
	udevadm control --reload
}
without_rules() {
	rm -f "$rules"
	udevadm control --reload
}
udevadm verify --resolve-names=never <(sed 's|@sbindir@|/share/build|' /share/src/udev/60-dst.rules) >/dev/null 2>&1 || {
	cp /share/src/udev/60-dst.rules "$work/60-dst.rules"
	udevadm verify --resolve-names=never "$work/60-dst.rules"
}

disk first 24M -P
disk second 24M -P
with_rules
say "a storage has names"
dst create vol "$first" "$second" >/dev/null
udevadm settle --timeout=60
identity=$(cat /sys/devices/vol/uuid)
leads "by-id/dst-$identity" /dev/dst
leads by-id/dst-name-vol /dev/dst
mkfs.ext4 -q -U $uuid -L precious /dev/dst
# Closing the device is enough for udev to look again.
linked() { [[ -L /dev/disk/by-uuid/$uuid ]]; }
wait_until 60 linked || fail "the filesystem was not noticed"
udevadm settle --timeout=60
leads "by-uuid/$uuid" /dev/dst
leads by-label/precious /dev/dst
expect_equal "filesystem of the storage" ext4 "$(property /dev/dst ID_FS_TYPE)"

say "a node is no filesystem"
gone() { dst delete vol; }
wait_until 60 gone || fail "the storage stays in use"
udevadm settle --timeout=60
nowhere "by-id/dst-$identity"
nowhere by-id/dst-name-vol
look
for device in "$first" "$second"; do
	expect_equal "type of $device" dst_member "$(property "$device" ID_FS_TYPE)"
	expect_equal "usage of $device" raid "$(property "$device" ID_FS_USAGE)"
	expect_equal "array of $device" "$identity" "$(property "$device" ID_FS_UUID)"
	expect_equal "name of $device" vol "$(property "$device" ID_FS_LABEL)"
done
expect_equal "what lsblk says" dst_member "$(lsblk -dno FSTYPE "$first")"
nowhere "by-uuid/$uuid"
nowhere by-label/precious

say "control: without the rules it is taken for one"
without_rules
look
expect_equal "type of the first node" ext4 "$(property "$first" ID_FS_TYPE)"
leads "by-uuid/$uuid" "$first"
with_rules
look
nowhere "by-uuid/$uuid"

say "partitions of a storage, which its first node seems to have too"
dst create vol "$first" "$second" >/dev/null
echo 'start=2048, size=32768, type=linux' | sfdisk -q /dev/dst
wait_until 60 test -b /dev/dst1
udevadm settle --timeout=60
leads "by-id/dst-$identity-part1" /dev/dst1
leads by-id/dst-name-vol-part1 /dev/dst1
mkfs.ext4 -q -F -U $uuid /dev/dst1
wait_until 60 linked || fail "the filesystem was not noticed"
leads "by-uuid/$uuid" /dev/dst1
udevadm settle --timeout=60
wait_until 60 gone || fail "the storage stays in use"
blockdev --rereadpt "$first"
wait_until 60 test -b "${first}p1"
look
expect_equal "type of the node's partition" dst_member "$(property "${first}p1" ID_FS_TYPE)"
expect_equal "usage of the node's partition" raid "$(property "${first}p1" ID_FS_USAGE)"
nowhere "by-uuid/$uuid"
without_rules
look
leads "by-uuid/$uuid" "${first}p1"
with_rules

say "a disk without its label is a disk like others"
for device in "$first" "$second"; do dst label --wipe "$device"; done
look
expect_equal "type of the partition" ext4 "$(property "${first}p1" ID_FS_TYPE)"
leads "by-uuid/$uuid" "${first}p1"
module_unload
