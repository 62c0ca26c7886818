# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices that hang when they are told to. Sourced after lib.sh.

# hanging NAME DEVICE: puts into NAME a loop device on a file of a filesystem on DEVICE, mounted at $work/NAME. It hangs
# while that is frozen (fsfreeze -f): once its 128 requests are taken, whoever submits another one sleeps.
hanging() {
	local -n hanging_out=$1
	mkfs.ext4 -qF "$2"
	mounted "$2" "$work/$1"
	dd if=/dev/zero of="$work/$1/file" bs=1M count=24 status=none
	hanging_out=$(losetup --show -f "$work/$1/file")
	at_exit losetup -d "$hanging_out"
	at_exit fsfreeze -u "$work/$1"
	sync
}
