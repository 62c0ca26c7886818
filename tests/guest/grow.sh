#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A storage that runs gets more nodes: under load and with a filesystem on it, which is enlarged then; what cannot join is
# refused and changes nothing; labels that cannot be written everywhere are taken back; a growth that was cut short is
# finished or taken back by the next start, whichever nodes that is given; a device of an abandoned growth is recognised.
# Flushes reach the new node, and data lies where the map says, also over the former end and while much is parked.
# needs: ip losetup fio dmsetup mkfs.ext4 resize2fs
# timeout: 400
# log-allow: Buffer I/O error|I/O error|lost async page write
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one two
disk a 40M
disk b 24M
disk c 32M
disk d 16M
module_load
serve one "$a"
serve two "$c" --write-back
one=$(address one):1025 two=$(address two):1025
on client dst create storage "$one" "$b" >/dev/null

size() { cat /sys/devices/storage/size; }
node_count() { tr "|" "\n" </sys/devices/storage/nodes | wc -l; }
last_start() { sed -n '$s/.* \([0-9]*\) \[[0-9]*\]$/\1/p' /sys/devices/storage/nodes; }
delete() { storage_delete storage; }
# flushes DEVICE: how often it was flushed.
flushes() { awk '{ print $16 }' "/sys/block/${1##*/}/stat"; }

say "under load, with a filesystem"
follow_events client
mkfs.ext4 -qF -E nodiscard /dev/dst
mounted /dev/dst "$work/fs"
pattern $((8 << 20)) 3 >"$work/content"
cp "$work/content" "$work/fs/before"
load() {
	while [[ ! -e $work/stop ]]; do
		fio --output="$work/load.log" --name=load --filename="$work/fs/load" --direct=1 --ioengine=libaio --iodepth=16 \
			--rw=randwrite --bs=4k --size=12m --number_ios=1000 --verify=crc32c --verify_fatal=1 || return 1
	done
}
# A kernel that lets nobody write to a mounted device is asked as resize2fs asks it.
enlarge() {
	! resize2fs /dev/dst >"$work/resize" 2>&1 || return 0
	grep -q "busy while opening" "$work/resize" && python3 -c '
import fcntl, os, struct, sys
EXT4_IOC_RESIZE_FS = 0x40086610
folder = os.open(sys.argv[1], os.O_RDONLY)
blocks = int(sys.argv[2]) * 512 // os.fstatvfs(folder).f_bsize
fcntl.ioctl(folder, EXT4_IOC_RESIZE_FS, struct.pack("Q", blocks))' "$work/fs" "$(size)"
}
load &
load=$!
at_exit wait "$load"
at_exit touch "$work/stop"
loaded() { [[ $(stat -c %b "$work/fs/load") -gt 2000 ]]; }
wait_until 60 loaded || fail "there is no load: $(cat "$work/load.log")"
before=$(size)
answer=$(on client dst add storage "$two" 2>&1) || fail "the storage does not grow: $answer"
[[ $answer == *"storage \"storage\" is running: /dev/dst,"*"3 nodes"* ]] || fail "dst add said: $answer"
[[ $answer == *"note: the device is larger"* ]] || fail "dst add said: $answer"
expect_equal "where the node begins" "$before" "$(last_start)"
expect_equal "nodes" 3 "$(node_count)"
(($(size) > before)) || fail "the storage has the size that it had"
expect_equal "the device's size" "$(size)" "$(sectors /dev/dst)"
expect_equal "the new node's state" up "$(node_file storage "$before" state)"
enlarge || fail "the filesystem cannot be enlarged: $(cat "$work/resize")"
cp "$work/content" "$work/fs/after"
# All that is left, so that the new node is used.
dd if=/dev/zero of="$work/fs/rest" bs=64k oflag=direct status=none 2>/dev/null || true
(($(node_file storage "$before" write_ios) > 0)) || fail "nothing is written to the new node"
before=$(flushes "$c")
touch "$work/fs/touched"
sync -f "$work/fs"
(($(flushes "$c") > before)) || fail "the new node, which has a volatile cache, is not flushed"
kill -0 "$load" || fail "the load ended: $(cat "$work/load.log")"
touch "$work/stop"
wait "$load" || fail "the load failed: $(cat "$work/load.log")"
wait_until 20 grep -q 'node 2 of storage (R: .*) is up' "$work/events" || fail "no event: $(cat "$work/events")"

say "what cannot join"
disk large 16M -b 4096
on two dst export add "$d" --listen "$(address two):1027" --allow 10.7.0.0/24 --read-only >/dev/null
disk used 16M
mkfs.ext4 -qF "$used"
disk other 16M
dst create other --device dst-other "$other" >/dev/null
dst delete other >/dev/null
before=$(size)
refuses() {
	expect_error "$@"
	expect_equal "size after a refusal" "$before" "$(size)"
	expect_equal "nodes after a refusal" 3 "$(node_count)"
}
refuses "logical block of 4096 bytes, the storage one of 512" dst add storage "$large"
refuses "the device cannot be written" on client dst add storage "$(address two):1027"
wait_until 60 on two dst export del "$d" || fail "the export is in use"
blockdev --setro "$d"
refuses "the device cannot be written" dst add storage "$d"
blockdev --setrw "$d"
refuses "the device holds an ext2" dst add storage "$used"
refuses "carries a label of the storage \"other\"" dst add storage "$other"
refuses "is node 1 of this storage already" dst add storage "$b"
refuses "is node 2 of this storage already" on client dst add storage "$two"
refuses "a node can only come behind its end" dst add storage "$d,start=0"
refuses "its next node is number 3" dst add storage "$d,index=5"
refuses "there is no such file" dst add storage /dev/nothing
dst suspend storage 0 >/dev/null
refuses "node 0 is suspended" dst add storage "$d"
dst resume storage 0 >/dev/null
refuses "nothing is exported there" on client dst add storage "$(address two):1026"
# Names of attributes and what to do next are those of any other refusal.
expect_error "--force" dst add storage "$used"
cmp "$work/content" "$work/fs/before" || fail "a file has changed"
cmp "$work/content" "$work/fs/after" || fail "a file has changed"
umount "$work/fs"
delete
on client dst create storage "$one" "$b" "$two" >/dev/null
mount /dev/dst "$work/fs"
cmp "$work/content" "$work/fs/after" || fail "a file has changed with the new start"
umount "$work/fs"
e2fsck -fn /dev/dst >/dev/null 2>&1 || fail "the filesystem is damaged: $(e2fsck -fn /dev/dst 2>&1)"
delete
expect_error "the node's storage has 3 nodes, but 2 were given" on client dst create storage "$one" "$b"

say "a label that cannot be written"
# table WRITES: the device behind export three is one that answers all requests, or all but writes.
table() { echo "0 $(sectors "$d") flakey $d 0 $1"; }
dmsetup create dst-flaky --table "$(table "3600 0")"
at_exit dmsetup remove --retry dst-flaky
flakey=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-flaky)
flaky() { dmsetup suspend dst-flaky; dmsetup load dst-flaky --table "$(table "$1")"; dmsetup resume dst-flaky; }
disk e 16M
disk f 16M
dst create storage "$e" "$flakey" >/dev/null
before=$(size)
flaky "0 3600 1 error_writes"
expect_error "cannot write the label" dst add storage "$f"
expect_equal "size after a growth that failed" "$before" "$(size)"
flaky "3600 0"
dd if=/dev/urandom of=/dev/dst bs=1M count=20 oflag=direct status=none
delete
# The node that could be told was told again, that there are two, and the other device belongs to nobody.
log_mark again
dst create storage "$e" "$flakey" >/dev/null
! log_since again | grep -q "cut short" || fail "the labels were not taken back"
delete
# Through an export, which has seen the growth that failed.
on two dst export add "$f" --listen "$(address two):1026" --allow 10.7.0.0/24 >/dev/null
at_exit on two dst export del --force "$f"
on client dst create storage --force "$one" "$flakey" >/dev/null
flaky "0 3600 1 error_writes"
expect_error "cannot write the label" on client dst add storage "$(address two):1026"
flaky "3600 0"
on client dst add storage "$(address two):1026" >/dev/null 2>&1 || fail "the storage does not grow after a growth that failed"
delete
on client dst create storage "$one" "$flakey" "$(address two):1026" >/dev/null
delete
wait_until 60 on two dst export del "$f" || fail "the export is in use"

say "over the former end, while much is parked"
on client dst create storage --force --queue-depth 2 "$one" "$b" >/dev/null
disturb one delay 5ms
parked() {
	while [[ ! -e $work/enough ]]; do
		fio --output="$work/parked.log" --name=parked --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=64 --fsync=8 \
			--rw=randwrite --bs=4k --size=8m --number_ios=400 --verify=crc32c --verify_fatal=1 || return 1
	done
}
parked &
parked=$!
at_exit wait "$parked"
at_exit touch "$work/enough"
wait_until 60 at_least 16 node_file storage 0 queued || fail "nothing is parked: $(cat "$work/parked.log")"
end=$(size)
on client dst add storage --force "$two" >/dev/null 2>&1 || fail "the storage does not grow while much is parked"
over() {
	fio --output="$work/over.log" --name=over --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=4 --bs=192k \
		--offset=$((end * 512 - (3 << 20))) --size=9m --verify=crc32c --verify_fatal=1 "$@" ||
		fail "the data over the former end: $(cat "$work/over.log")"
}
over --rw=write --fsync=8
touch "$work/enough"
wait "$parked" || fail "the load failed: $(cat "$work/parked.log")"
disturb one
delete
on client dst create storage "$one" "$b" "$two" >/dev/null
over --rw=read
delete

say "a growth that was cut short"
disk g 16M
disk h 16M
disk i 16M
disk j 16M
dst create storage "$g" "$h" >/dev/null
dd if=/dev/urandom of=/dev/dst bs=1M count=8 oflag=direct status=none
sum=$(dd if=/dev/dst bs=1M count=8 iflag=direct status=none | sha256sum)
delete
dst create storage "$g" "$h" >/dev/null
before=$(size)
keep() { dd if="$1" of="$work/kept" bs=64k iflag=direct status=none; }
restore() { dd if="$work/kept" of="$1" bs=64k oflag=direct conv=fsync status=none; }
content() { expect_equal "the content $1" "$sum" "$(dd if=/dev/dst bs=1M count=8 iflag=direct status=none | sha256sum)"; }
# Nothing but the label is written meanwhile: the last node to be told is one that was not.
keep "$h"
dst add storage "$i" >/dev/null 2>&1
delete
restore "$h"
log_mark back
dst create storage "$g" "$h" >/dev/null || fail "the storage does not start without the node that was to come"
log_since back | grep -q "a growth that was cut short is taken back: the storage has 2 nodes" || fail "the log does not tell"
expect_equal "size" "$before" "$(size)"
content "after the growth was taken back"
delete
log_mark finish
dst create storage "$g" "$h" "$i" >/dev/null || fail "the storage does not start with the node that was to come"
log_since finish | grep -q "a growth that was cut short is finished: the storage has 3 nodes" || fail "the log does not tell"
(($(size) > before)) || fail "the storage has the size that it had"
content "after the growth was finished"
delete
expect_error "has 3 nodes, but 2 were given" dst create storage "$g" "$h"

say "a device of an abandoned growth"
dst create storage "$g" "$h" "$i" >/dev/null
keep "$g"
dst add storage "$j" >/dev/null 2>&1
delete
# Told: h and i; not told: g. Taken back, and then another device comes.
restore "$g"
dst create storage "$g" "$h" "$i" >/dev/null
dst add storage "$f" --force >/dev/null 2>&1 || fail "the storage does not grow by another device"
delete
expect_error "the storage was once about to get the device of node 3" dst create storage "$g" "$h" "$i" "$j"
dst create storage "$g" "$h" "$i" "$f" >/dev/null || fail "the storage does not start with its nodes"
# The one that was to come is not taken for a node that missed the last growth.
disk k 16M
dst add storage "$k" >/dev/null 2>&1 || fail "the storage does not grow again"
delete
expect_error "the storage was once about to get the device of node 3" dst create storage "$g" "$h" "$i" "$j" "$k"
dst create storage "$g" "$h" "$i" "$f" "$k" >/dev/null || fail "the storage does not start with its nodes"
content "at the end"
delete

say "a deletion by force while a node is asked"
on client dst create storage "$one" "$b" "$two" >/dev/null
cable one down
on client dst add storage "$e" --force >"$work/add" 2>&1 &
add=$!
waits() { dst status storage | grep -q "an answer from $one"; }
wait_until 30 waits || fail "nothing waits for the node: $(cat "$work/add") $(dst status storage)"
begin=$SECONDS
dst delete storage --force >/dev/null
((SECONDS - begin <= 10)) || fail "the deletion took $((SECONDS - begin)) seconds"
! wait "$add" || fail "the storage grew without one of its nodes"
cable one up
wait_until 60 on one ping -qc1 -W1 "$(address client)" || fail "the network does not come back"
# The node gives up its former client once it has heard nothing of it for long enough.
start() { on client dst create storage "$one" "$b" "$two" >"$work/create" 2>&1; }
wait_until 90 start ||
	fail "the storage does not start after the deletion: $(cat "$work/create")"
expect_equal "nodes" 3 "$(node_count)"
delete

say "without labels"
dst create storage --raw "$e" --force >/dev/null
before=$(size)
dst add storage "$f" --force >/dev/null 2>&1 || fail "a storage without labels does not grow"
expect_equal "size" $((before * 2)) "$(size)"
dd if=/dev/urandom of=/dev/dst bs=1M oflag=direct status=none 2>/dev/null || true
delete
module_unload
