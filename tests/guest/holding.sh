#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A storage of which a node was moving when its owner died comes back on one of the two devices, whichever of them the start
# is given: with the data of the device that the labels name, or not at all. What was cut short is finished. An image of
# earlier times, a clone and a copy that was not finished are refused; what is refused has changed nothing.
# needs: losetup ip python3 dmsetup
# timeout: 600
# log-allow: Buffer I/O error|I/O error|lost async page write
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
network client one two
disk a 8M
disk b 8M
disk c 8M
# Larger than the one that it takes over from.
disk new 12M
module_load

label() { python3 "$tests/helpers/label.py" "$@"; }
get() { label get "$1" "${@:2}" | tr '\n' ' ' | sed 's/ $//'; }
delete() { storage_delete storage; }
start() { dst create storage "$@"; }
# marker: what the first sector of node 1 says, which is different on the two devices.
marker() { dd if=/dev/dst bs=512 skip=8192 count=1 iflag=direct status=none | tr -d '\0'; }
mark() { printf %s "$2" | dd of="$1" bs=512 conv=sync oflag=direct status=none; }

start "$a" "$b" "$c" >/dev/null
expect_equal "the size" 24576 "$(cat /sys/devices/storage/size)"
delete
dst create other --device dst-other "$new" >/dev/null
dst delete other >/dev/null
read -r device_sectors data_sectors <<<"$(get "$new" device_sectors data_sectors)"
(($(get "$b" data_sectors) < data_sectors)) || fail "the new device has no more room than the old one"
old_node=$(get "$b" node)
new_node=00112233445566778899aabbccddeeff
mark "$b" OLD
mark "$new" NEW
epoch=$(get "$b" epoch)

# stage NAME: the labels at that moment of the way from b to new.
stage() {
	epoch=$((epoch + 10))
	label stage "$1" "$epoch" "$b" "$new" "$old_node/$new_node" "$device_sectors/$data_sectors" "$a" "$c"
}
look() { label look "$a" "$b" "$c" "$new"; }
# holds DEVICES: the storage starts with these, on the device that was expected, and is what it was.
holds() {
	local expected=$1 device=$b
	shift
	[[ $expected == OLD ]] || device=$new
	log_mark holds
	start "$@" >"$work/start" 2>&1 || fail "$stage: $*: $(cat "$work/start")"
	expect_equal "$stage: $*: the data" "$expected" "$(marker)"
	expect_equal "$stage: $*: the size" 24576 "$(cat /sys/devices/storage/size)"
	expect_equal "$stage: $*: the nodes" 3 "$(tr "|" "\n" </sys/devices/storage/nodes | wc -l)"
	expect_equal "$stage: $*: the index in sysfs" 1 "$(node_file storage 8192 index)"
	dst status storage | grep -q "1 .*$device" || fail "$stage: $*: node 1 is not on $device: $(dst status storage)"
	delete
	log_since holds >"$work/log"
	look | cut -d" " -f1,2 | tr "\n" , >"$work/labels"
	case $expected in
	OLD) expect_equal "$stage: $*: states and events" "1 0,1 0,1 0" "$(cut -d, -f1-3 "$work/labels")" ;;
	NEW) expect_equal "$stage: $*: states and events" "1 1,3 1,1 1,1 1," "$(cat "$work/labels")" ;;
	esac
}
# again: it has moved once and for all.
again() {
	expect_equal "$stage: the new device's label" "${new_node//?/0} 0" "$(get "$new" partner incompat)"
	start "$a" "$new" "$c" >"$work/start" 2>&1 || fail "$stage: it does not start again: $(cat "$work/start")"
	expect_equal "$stage: the data after that" NEW "$(marker)"
	delete
	expect_error "node 1 has moved from device 1 to another one" start "$a" "$b" "$c"
}
# refused TEXT DEVICES: they do not become a storage, and nothing has changed on them.
refused() {
	local text=$1
	shift
	look >"$work/before"
	expect_error "$text" start "$@"
	[[ ! -e /sys/devices/storage ]] || fail "$stage: $*: a storage is left"
	look >"$work/after"
	diff "$work/before" "$work/after" >"$work/diff" || fail "$stage: $*: labels have changed: $(cat "$work/diff")"
}
finished() { grep -q "a migration that was cut short is finished: node 1 is on L: $new" "$work/log"; }

say "the old device says where the node is"
for stage in plain copying recorded taken half told settled; do
	stage "$stage"
	case $stage in
	plain | copying) holds OLD "$a" "$b" "$c" ;;
	*) refused "node 1 has moved from device 1 to another one ($new); give that one" "$a" "$b" "$c" ;;
	esac
done

say "the new device alone"
for stage in plain copying recorded taken half told settled; do
	stage "$stage"
	case $stage in
	plain) refused "it has no label, but other nodes belong to a storage already" "$a" "$new" "$c" ;;
	copying | recorded)
		refused "device 1 is a copy of node 1 of which it is not known whether it was finished" "$a" "$new" "$c"
		;;
	*)
		holds NEW "$a" "$new" "$c"
		again
		[[ $stage != settled ]] || ! finished || fail "a migration that had ended is finished again"
		[[ $stage == settled ]] || finished || fail "$stage: the log does not tell: $(cat "$work/log")"
		;;
	esac
done

say "both devices"
for stage in copying recorded taken half told settled; do
	stage "$stage"
	case $stage in
	copying) holds OLD "$a" "$new" "$c" "$b" ;;
	*) holds NEW "$a" "$new" "$c" "$b" ;;
	esac
done
stage=copying
stage copying
holds OLD "$a" "$b" "$c" "$new"
grep -q "$new is not used: it is a copy of node 1 that was not finished" "$work/log" || fail "the log: $(cat "$work/log")"
stage=recorded
stage recorded
# By force it is the same storage.
holds NEW --force "$a" "$b" "$c" "$new,size=8192"
grep -q "$b is not used: node 1 has moved from there to another device" "$work/log" || fail "the log: $(cat "$work/log")"
again
finished || fail "the log does not tell: $(cat "$work/log")"

say "what is no node of it, or not in its place"
disk blank 8M
refused "device 1 is one of node 2" "$a" "$c" "$b" "$new"
# Also by force: they are not made a new storage of.
refused "wipe their labels" --force "$a" "$b" "$c"
refused "device 1 is one of node 2" --force "$a" "$c" "$b" "$new"
refused "the node has moved from this device to another one" --force "$a" "$b" "$c" "$new" "$blank"
refused "was given a size of 16384" "$a" "$b" "$c" "$new,size=16384"
refused "give the nodes in their order" "$c" "$new" "$a"
refused "no device has node 2 of the storage" "$a" "$b" "$new"
refused "it has no label, but other nodes belong to a storage already" "$a" "$new" "$c" "$blank"
# A clone, and an image of earlier times, alone and beside the device that holds the node.
label copy "$new" "$blank"
refused "devices 1 and 3 both hold node 1" "$a" "$new" "$c" "$blank"
label set "$b" incompat=0 state=1 events=0 "epoch=$epoch" "partner=${new_node//?/0}" place=
refused "device 1 held node 1 at an earlier time" "$a" "$b" "$c"
refused "devices 1 and 3 both hold node 1" "$a" "$new" "$c" "$b"
# By force that is a new storage, but not one that starts with data of yesterday.
start --force "$a" "$b" "$c" >/dev/null
delete
for device in "$a" "$b" "$c"; do
	expect_equal "the label of a new storage's node" "1 0" "$(get "$device" state events)"
done

say "read-only"
for stage in recorded taken; do
	stage "$stage"
	look >"$work/before"
	case $stage in
	recorded) refused "start it writable once" --read-only "$a" "$b" "$c" "$new" ;;
	*)
		start --read-only "$a" "$b" "$c" "$new" >/dev/null
		expect_equal "the data" NEW "$(marker)"
		delete
		;;
	esac
	look >"$work/after"
	diff "$work/before" "$work/after" || fail "$stage: a read-only start has changed labels"
done

say "a label that cannot be written"
size=$(sectors "$new")
table() { echo "0 $size flakey $new 0 $1"; }
dmsetup create dst-flaky --table "$(table "3600 0")"
at_exit dmsetup remove --retry dst-flaky
flakey=/dev/$(dmsetup info -c --noheadings -o blkdevname dst-flaky)
flaky() { dmsetup suspend dst-flaky; dmsetup load dst-flaky --table "$(table "$1")"; dmsetup resume dst-flaky; }
stage=recorded
stage recorded
flaky "0 3600 1 error_writes"
dst create storage --no-start "$a" "$b" "$c" "$flakey" >/dev/null
expect_error "cannot write the label" dst start storage
expect_equal "the old device's state" 3 "$(get "$b" state)"
expect_equal "nodes after a start that failed" 4 "$(tr "|" "\n" </sys/devices/storage/nodes | wc -l)"
flaky "3600 0"
dst start storage >/dev/null || fail "a start that has failed cannot be repeated"
expect_equal "the data" NEW "$(marker)"
expect_equal "the nodes" 3 "$(tr "|" "\n" </sys/devices/storage/nodes | wc -l)"
delete
stage recorded
dmsetup remove --retry dst-flaky
holds NEW "$a" "$b" "$c" "$new"

say "through exports"
one=$(address one):1025 two=$(address two):1025
stage recorded
serve one "$b"
serve two "$new"
from_client() { on client dst create storage "$@"; }
expect_error "node 1 has moved from device 1 to another one" from_client "$a" "$one" "$c"
expect_error "a copy of node 1 of which it is not known" from_client "$a" "$two" "$c"
from_client "$a" "$one" "$c" "$two" >"$work/start" 2>&1 || fail "it does not start through exports: $(cat "$work/start")"
expect_equal "the data" NEW "$(marker)"
dst status storage | grep -q "1 .*$two" || fail "node 1 is not at $two: $(dst status storage)"
on client dst suspend storage 1 | grep -q "node 1 of storage" || fail "the node has another number"
dst resume storage 1 >/dev/null
delete
from_client "$a" "$two" "$c" "$one" >/dev/null
expect_equal "the data after that" NEW "$(marker)"
delete
unserve one "$b"
unserve two "$new"
expect_equal "the new device's label" "1 1 ${new_node//?/0} 0" "$(get "$new" state events partner incompat)"

say "a growth after that"
disk d 8M
keep() { dd if="$1" of="$work/kept" bs=64k iflag=direct status=none; }
restore() { dd if="$work/kept" of="$1" bs=64k oflag=direct conv=fsync status=none; }
start "$a" "$new" "$c" >/dev/null
keep "$c"
dst add storage "$d" >/dev/null 2>&1 || fail "the storage does not grow"
delete
expect_equal "what the new node knows" 1 "$(get "$d" events)"
# The one that has moved is larger than its part of the storage, also while not all know of the new one.
restore "$c"
log_mark growth
start "$a" "$new" "$c" "$d" >/dev/null || fail "a growth that was cut short is not finished"
log_since growth | grep -q "a growth that was cut short is finished" || fail "the log does not tell"
expect_equal "the size" 32768 "$(cat /sys/devices/storage/size)"
delete
# The device that was left before the storage grew is known as that.
start "$a" "$new" "$c" "$d" "$b" >/dev/null || fail "the device that was left is in the way"
expect_equal "the data" NEW "$(marker)"
delete
# An image of it from before it was left looks like a node that missed the growth.
label set "$b" incompat=0 state=1 events=0 "partner=${new_node//?/0}" place=
refused "it is an image of earlier times" "$a" "$b" "$c" "$d"
label set "$b" events=1
start "$a" "$b" "$c" "$d" >/dev/null || fail "the events are not what the image was told by"
delete
module_unload
