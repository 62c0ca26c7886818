#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An open storage is deleted by force only, and that within ten seconds, whatever its peers and its I/O do: with live
# and with dead peers. Its I/O fails, nothing is left, and the module can be removed when nothing is in use.
# needs: losetup ip fio mkfs.ext4 dmsetup dm-delay
# timeout: 400
# log-allow: Buffer I/O error|EXT4-fs|JBD2|I/O error
. "$(dirname "$0")/lib.sh"

module_load
network server client
disk far 64M
disk near 64M
listen=$(address server):1025
client() { on client dst "$@"; }
on server dst export add "$far" --listen "$listen" --allow "$(address client)" >/dev/null
form() { client create storage "$listen" "$near" >/dev/null; }

# nothing_left: no trace of the storage but its export.
nothing_left() {
	[[ ! -e /sys/devices/storage ]] || fail "/sys/devices/storage is left $1"
	[[ ! -e /dev/dst ]] || fail "/dev/dst is left $1"
	[[ ! -e /sys/block/dst ]] || fail "/sys/block/dst is left $1"
	expect_error 'no storage "storage"' client status storage
}
# unused: the server has noticed that the client has gone.
unused() { [[ $(on server dst --json export list | grep -o '"clients":[0-9]*') == '"clients":0' ]]; }

# delete_by_force WHEN: deletes and measures.
delete_by_force() {
	local begin=${EPOCHREALTIME/./} ms
	client delete --force storage >/dev/null || fail "a deletion by force fails $1"
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	say "deleted by force $1 in $ms ms"
	((ms < 10000)) || fail "a deletion by force takes $ms ms $1"
}

# busy SECONDS-OF-OUTPUT: fio in the background on the whole storage, deep; its pid in "fio".
busy() {
	fio --name=busy --filename=/dev/dst --ioengine=libaio --direct=1 --rw=randrw --bs=64k --iodepth=64 \
		--time_based --runtime=300 --output="$work/fio" >/dev/null 2>&1 &
	fio=$!
	at_exit kill -KILL "$fio"
}
wrote() { (($(cat /sys/devices/storage/write_ios) > $1)); }
in_flight() { (($(cat /sys/devices/storage/n-0/in_flight) + $(cat /sys/devices/storage/n-0/queued) > 0)); }

say "refused while it is open"
form
mkfs.ext4 -q -F /dev/dst
mounted /dev/dst "$work/mounted"
echo content >"$work/mounted/file"
sync
expect_error "/dev/dst is open; unmount it" client delete storage
expect_error "dst delete storage --force" client delete storage
expect_error "in use" rmmod dst_blk
expect_equal "the storage after the refusal" running "$(cat /sys/devices/storage/state)"
echo 3 >/proc/sys/vm/drop_caches
expect_equal "the file after the refusal" content "$(cat "$work/mounted/file")"
umount "$work/mounted"
expect_error "in use" rmmod dst_blk
client delete storage >/dev/null
nothing_left "after a deletion in order"

say "by force while it is mounted"
form
mounted /dev/dst "$work/mounted"
delete_by_force "while it is mounted"
[[ ! -e /sys/devices/storage ]] || fail "/sys/devices/storage is left while the disk is open"
echo 3 >/proc/sys/vm/drop_caches
if cat "$work/mounted/file" 2>/dev/null; then fail "a storage that was deleted is read"; fi
expect_error "in use" rmmod dst_blk
umount "$work/mounted"
nothing_left "after the last close"
form
mounted /dev/dst "$work/mounted"
expect_equal "the file after all" content "$(cat "$work/mounted/file")"
umount "$work/mounted"

say "by force under load"
busy
wait_until 60 wrote 100 || fail "fio does not write: $(cat "$work/fio")"
expect_error "/dev/dst is open" client delete storage
delete_by_force "under load"
ended() { ! kill -0 "$fio" 2>/dev/null; }
wait_until 60 ended || fail "fio goes on after the deletion"
if wait "$fio"; then fail "fio had no error though its disk was deleted"; fi
nothing_left "after the deletion under load"
wait_until 60 unused || fail "the server still has clients: $(on server dst connection list)"

say "by force with a dead peer and I/O that waits for it"
form
busy
wait_until 60 wrote 100 || fail "fio does not write: $(cat "$work/fio")"
cable server down
still() {
	local before
	before=$(cat /sys/devices/storage/write_ios)
	wait_until 1 false || true
	[[ $(cat /sys/devices/storage/write_ios) == "$before" ]] && in_flight
}
wait_until 60 still || fail "the I/O goes on without the peer"
delete_by_force "with a dead peer"
wait_until 60 ended || fail "fio goes on after the deletion with a dead peer"
if wait "$fio"; then fail "fio had no error though its peer was dead"; fi
nothing_left "after the deletion with a dead peer"
cable server up

say "in order with a dead peer and nothing open"
wait_until 60 form || fail "the storage does not form again after its client was cut off: $(form 2>&1)"
cable server down
begin=${EPOCHREALTIME/./}
client delete storage >/dev/null
ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
((ms < 10000)) || fail "a deletion in order with a dead peer takes $ms ms"
nothing_left "after the deletion in order with a dead peer"
cable server up

say "while it starts"
cable server down
client create storage --connect-timeout 100 "$listen" "$near" >/dev/null 2>&1 &
creator=$!
there() { [[ -e /sys/devices/storage ]]; }
wait_until 60 there || fail "the storage was not added"
delete_by_force "while it starts"
if wait "$creator"; then fail "a start succeeds although the storage was deleted"; fi
nothing_left "after the deletion while it started"
cable server up

say "formed again at once while writes are still at the device"
disk slow_disk 16M
dmsetup create slow --table "0 $(sectors "$slow_disk") delay $slow_disk 0 0 $slow_disk 0 1500"
at_exit dmsetup remove --retry slow
slow_device=$(dmsetup info -c --noheadings -o blkdevname slow)
slow=$(address server):1026
on server dst export add "/dev/$slow_device" --listen "$slow" --allow "$(address client)" >/dev/null
# The device takes so long that what is in flight is there nearly all of the time.
at_device() { (($(cat /sys/devices/slowly/n-0/in_flight) == 16 && $(cat /sys/devices/slowly/write_ios) > 0)); }
for round in 1 2 3; do
	client create slowly "$slow" >/dev/null || fail "round $round: the storage does not form at once"
	fio --name=busy --filename=/dev/dst --ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=16 \
		--time_based --runtime=300 --output="$work/fio" >/dev/null 2>&1 &
	fio=$!
	wait_until 60 at_device || fail "round $round: no write reaches the device"
	client delete --force slowly >/dev/null
	wait_until 60 ended || fail "round $round: fio goes on after the deletion"
done
client create slowly "$slow" >/dev/null || fail "the storage does not form at once after the rounds"
client delete slowly >/dev/null
on server dst export del "$slow" >/dev/null || wait_until 60 on server dst export del "$slow"

say "the module"
on server dst export del "$listen" --force >/dev/null
module_unload
[[ ! -e /sys/module/dst_blk ]] || fail "the module is left"
