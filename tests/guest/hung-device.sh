#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A device that hangs holds up nobody but its own users, with one worker in each pool: the server's other exports and the
# client's other storages go on, other bios to its own storage's other nodes as well, and when it works again all that
# stood still completes.
# needs: losetup ip fio mkfs.ext4 fsfreeze
# timeout: 300
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/hanging.sh"
. "$tests/helpers/data.sh"

network server client
disk outer_far 48M
disk outer_near 48M
disk sound 16M
disk near 16M
disk second 16M

hanging far_hung "$outer_far"
hanging near_hung "$outer_near"

module_load workers=1
hung_address=$(address server):1025 sound_address=$(address server):1026
on server dst export add "$far_hung" --listen "$hung_address" --allow "$(address client)" --queue-depth 512 >/dev/null
on server dst export add "$sound" --listen "$sound_address" --allow "$(address client)" >/dev/null
# The first storage has a device that hangs behind an export, and one of its own.
on client dst create storage --force "$hung_address" "$near_hung" "$second" >/dev/null
on client dst create other --device dst-other "$sound_address" "$near" >/dev/null

# load NAME DISK SECTOR MIB: writes with more requests than the device has, in the background; its pid is put into NAME.
load() {
	local -n pid_out=$1
	fio --output="$work/$1.log" --name="$1" --filename="$2" --direct=1 --ioengine=libaio --iodepth=400 --rw=randwrite --bs=4k \
		--offset=$(($3 * 512)) --size="$4m" --number_ios=1500 --verify=crc32c --verify_fatal=1 >/dev/null 2>&1 &
	pid_out=$!
	at_exit kill -KILL "$pid_out"
}
in_flight() { echo $(($(node_file storage "$1" in_flight) + $(node_file storage "$1" queued))); }
alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }
start_near=$(sed 's/.*| \([0-9]*\) \[.*|.*/\1/' /sys/devices/storage/nodes)
start_second=$(sed 's/.* \([0-9]*\) \[[0-9]*\]$/\1/' /sys/devices/storage/nodes)

fsfreeze -f "$work/far_hung"
fsfreeze -f "$work/near_hung"
load to_far /dev/dst 0 16
load to_near /dev/dst $((start_near + 4096)) 16
# Bios over the boundary of two nodes take the way that involves the tasks of both. Nobody else writes there.
fio --output="$work/cross.log" --name=cross --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=32 --rw=write --bs=64k \
	--offset=$((start_near * 512 - 32768)) --size=64k --loops=50 >/dev/null 2>&1 &
cross=$!
at_exit kill -KILL "$cross"
wait_until 60 at_least 200 in_flight 0 || fail "only $(in_flight 0) requests are on their way to the export that hangs"
wait_until 60 at_least 100 in_flight "$start_near" || fail "only $(in_flight "$start_near") to the device that hangs"

# goes_on DISK SECTOR WHERE
goes_on() {
	timeout 60 fio --output="$work/sound.log" --name=sound --filename="$1" --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bs=4k --offset=$(($2 * 512)) --size=8m --number_ios=300 --verify=crc32c --verify_fatal=1 >/dev/null ||
		{ cat "$work/sound.log"; fail "I/O to $3 does not go on while other devices hang"; }
}
goes_on /dev/dst-other 0 "another export of the same server"
goes_on /dev/dst-other "$(sed 's/.* \([0-9]*\) \[[0-9]*\]$/\1/' /sys/devices/other/nodes)" "a local node of another storage"
goes_on /dev/dst "$start_second" "a sound node of the same storage"
# Labels and connections too.
on client timeout 60 dst delete other || fail "another storage cannot be deleted"
on client timeout 60 dst create other --device dst-other "$sound_address" "$near" >/dev/null || fail "another storage cannot be formed"
alive "$to_far" || fail "the I/O to the export that hangs ended: $(cat "$work/to_far.log")"
alive "$to_near" || fail "the I/O to the device that hangs ended: $(cat "$work/to_near.log")"

fsfreeze -u "$work/far_hung"
fsfreeze -u "$work/near_hung"
for name in to_far to_near cross; do
	wait_until 120 gone "${!name}" || fail "the I/O '$name' did not go on: $(dst status)"
	wait "${!name}" || { cat "$work/$name.log"; fail "the I/O '$name' failed or left wrong data"; }
done
expect_equal errors 0 "$(cat /sys/devices/storage/errors)"
storage_delete storage
storage_delete other
