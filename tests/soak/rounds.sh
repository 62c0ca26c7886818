#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Filesystem rounds on a block device: mkfs, mount, copy, sync, unmount, mount again, compare, unmount.
#
#   usage: rounds.sh DEVICE ext4|xfs|btrfs ROUNDS FOLDER
#
# FOLDER is what is copied. Stops at the first difference or error; says after every hundredth round where it is.

set -euo pipefail

device=$1 kind=$2 rounds=$3 source=$4
mountpoint=$(mktemp -d "${DST_WORK:-/tmp}/rounds.XXXXXX")
trap 'umount "$mountpoint" 2>/dev/null; rmdir "$mountpoint"' EXIT

# No discard of the whole device in each round: that is not what is tested here.
case $kind in
ext4) mkfs=(mkfs.ext4 -q -F -E nodiscard) ;;
xfs) mkfs=(mkfs.xfs -q -f -K) ;;
btrfs) mkfs=(mkfs.btrfs -q -f -K) ;;
*) echo "rounds.sh: unknown filesystem $kind" >&2; exit 2 ;;
esac

for ((round = 1; round <= rounds; round++)); do
	"${mkfs[@]}" "$device"
	mount -t "$kind" "$device" "$mountpoint"
	cp -a "$source" "$mountpoint/copy"
	sync -f "$mountpoint"
	umount "$mountpoint"
	mount -t "$kind" -o ro "$device" "$mountpoint"
	if ! diff -r --no-dereference "$source" "$mountpoint/copy"; then
		echo "FAILED: $kind: what was read in round $round differs" >&2
		exit 1
	fi
	umount "$mountpoint"
	if ((round % 100 == 0 || round == rounds)); then echo "$kind: $round rounds, ${SECONDS} s"; fi
done
