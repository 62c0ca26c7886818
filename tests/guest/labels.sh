#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Labels bring a storage back as it was and nothing else: the order counts, foreign nodes are refused, damage to one
# copy is survived and mended, epochs grow, an old owner and a foreign device at a known address are not written to.
# needs: losetup ip python3 cmp
# timeout: 600
. "$(dirname "$0")/lib.sh"

export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
module_load
network server client
disk far 8M
disk near 8M
disk stranger 8M
listen=$(address server):1025
client() { on client dst "$@"; }
serve() { on server dst export add "$1" --listen "$listen" --allow "$(address client)" --shared >/dev/null; }
unserve() { on server dst export del "$listen" --force >/dev/null; }
form() { client create storage "$listen" "$near" >/dev/null; }
end() { client delete storage >/dev/null; }
epoch() { cat /sys/devices/storage/epoch; }

# label DEVICE COPY EXPRESSION: a field of copy A or B of the label on the disk, or None if the checksum is wrong.
label() {
	sync
	python3 - "$(disk_file "$1")" "$2" "$3" <<-'END'
		import struct, sys, peer
		data = open(sys.argv[1], "rb").read()
		area = 4 << 20
		at = len(data) - area if sys.argv[2] == "A" else len(data) - 4096
		block = bytearray(data[at:at + 4096])
		crc = struct.unpack_from("<I", block, 12)[0]
		block[12:16] = bytes(4)
		number = lambda at, form="<Q": struct.unpack_from(form, block, at)[0]
		name = bytes(block[72:136]).rstrip(b"\0").decode("utf-8", "replace")
		good = block[:8] == b"DSTLABEL" and crc == peer.crc32c(block)
		print(eval(sys.argv[3], {}, {"epoch": number(208), "sequence": number(232), "index": number(168, "<I"),
		    "name": name, "storage": bytes(block[40:56]).hex(), "good": good}) if good else None)
	END
}
# spoil DEVICE COPY HOW: garbage, zeroes, or a byte that the checksum does not know of.
spoil() {
	local size at
	size=$(blockdev --getsize64 "$1")
	at=$((size - 4096))
	[[ $2 == B ]] || at=$((size - (4 << 20)))
	case $3 in
	garbage) head -c 4096 /dev/urandom ;;
	zeroes) head -c 4096 /dev/zero ;;
	byte) dd if="$1" bs=4096 skip=$((at / 4096)) count=1 iflag=direct status=none | python3 -c '
import sys
block = bytearray(sys.stdin.buffer.read())
block[100] ^= 1
sys.stdout.buffer.write(block)' ;;
	esac | dd of="$1" bs=4096 seek=$((at / 4096)) count=1 iflag=fullblock oflag=direct conv=notrunc status=none
}
# same WHEN: the storage starts and holds what was written, and its epoch has grown.
last=0
same() {
	form || fail "the storage does not start $1"
	cmp /dev/dst "$work/content" || fail "the storage holds other data $1"
	(($(epoch) > last)) || fail "epoch $(epoch) comes after $last $1"
	last=$(epoch)
	end
}

serve "$far"
form
expect_equal "the first epoch" 1 "$(epoch)"
last=1
sectors=$(sectors /dev/dst)
expect_equal "the size" 16384 "$sectors"
pattern $((sectors * 512)) 1 >"$work/content"
dd if="$work/content" of=/dev/dst bs=1M oflag=direct status=none
uuid=$(cat /sys/devices/storage/uuid)
end

say "again, in the right order"
same "again"
same "for the third time"
for device in "$far" "$near"; do
	for copy in A B; do
		expect_equal "what label $copy of $device says" "storage $last ${uuid//-/}" \
			"$(label "$device" $copy 'f"{name} {epoch} {storage}"')"
	done
done

say "in the wrong order, without a node, with a foreign one"
expect_error "give the nodes in their order" client create storage "$near" "$listen"
expect_error "the node's storage has 2 nodes, but 1 were given" client create storage "$listen"
client create other --device dst-other "$stranger" >/dev/null
client delete other >/dev/null
expect_error 'the node belongs to storage "other", not to "storage"' client create storage "$listen" "$stranger"
same "after the refusals"

say "with damaged labels"
while read -r device copy how; do
	unserve
	spoil "${!device}" "$copy" "$how"
	expect_equal "a label of which copy $copy has $how" None "$(label "${!device}" "$copy" epoch)"
	serve "$far"
	same "with $how in copy $copy of the $device node"
	expect_equal "the mended copy $copy of the $device node" "$last" "$(label "${!device}" "$copy" epoch)"
done <<-END
	near A garbage
	near B byte
	near A byte
	near B zeroes
	far A zeroes
	far B garbage
END
cp --sparse=always "$(disk_file "$near")" "$work/near"
for copy in A B; do spoil "$near" $copy byte; done
expect_error "checksum" form
[[ ! -e /sys/devices/storage ]] || fail "a refused storage is left"
for copy in A B; do spoil "$near" $copy zeroes; done
expect_error "it has no label, but other nodes belong to a storage already" form
dd if="$work/near" of="$near" bs=1M skip=4 seek=4 oflag=direct conv=notrunc status=none
same "after the labels were put back"

say "an owner whose epoch is over"
form
last=$(epoch)
dd if="$work/content" of=/dev/dst bs=64k count=1 oflag=direct status=none
on client python3 - "$(address server)" "$last" <<-'END'
	import sys, peer
	client = peer.Peer(sys.argv[1])
	flags = peer.WANT_WRITE | peer.WANT_SHARED
	assert client.open(session=b"another owner---", flags=flags).status == peer.OK
	reply = client.ask(peer.CLAIM, epoch=int(sys.argv[2]))
	assert reply.status == peer.STALE_EPOCH, (reply.status, reply.payload)
	reply = client.ask(peer.CLAIM, epoch=int(sys.argv[2]) + 1)
	assert reply.status == peer.OK, (reply.status, reply.payload)
END
if dd if=/dev/zero of=/dev/dst bs=64k count=1 oflag=direct status=none 2>/dev/null; then
	fail "the owner whose epoch is over still writes"
fi
cmp -n 65536 "$(disk_file "$far")" "$work/content" || fail "a write of the old owner has arrived"
expect_equal "the epoch in the label" $((last + 1)) "$(label "$far" A epoch)"
end
last=$((last + 1))
same "after another owner"

say "a foreign device at the address of a node"
# Its label has the epoch of the storage, so that it is not told by that.
client create other --device dst-other "$stranger" >/dev/null
while (($(cat /sys/devices/other/epoch) <= last)); do
	client delete other >/dev/null
	client create other --device dst-other "$stranger" >/dev/null
done
client delete other >/dev/null
form
last=$(epoch)
expect_equal "the epoch of the foreign device" "$last" "$(label "$stranger" A epoch)"
md5sum <"$(disk_file "$stranger")" >"$work/stranger"
unserve
serve "$stranger"
pattern 65536 2 >"$work/new"
dd if="$work/new" of=/dev/dst bs=64k count=1 oflag=direct status=none &
writer=$!
# Twice, so that whatever the first attempt would have written is there.
refused() { (($(on server dst --json export list | grep -o '"refused":[0-9]*' | cut -d: -f2) >= 2)); }
wait_until 60 refused || fail "the client did not try the foreign device: $(on client dst status)"
expect_equal "the foreign device" "$(cat "$work/stranger")" "$(md5sum <"$(disk_file "$stranger")")"
kill -0 "$writer" 2>/dev/null || fail "a write ended while the node's device was away"
unserve
serve "$far"
wait "$writer" || fail "a write failed though the node's device came back"
cmp -n 65536 "$(disk_file "$far")" "$work/new" || fail "a write that waited did not arrive at the right device"
dd if="$work/new" of="$work/content" conv=notrunc status=none
end
same "after the foreign device"

say "by force"
client create anew --force "$near" "$listen" >/dev/null
(($(cat /sys/devices/anew/epoch) > last)) || fail "the epoch of the new storage is that of the old one"
[[ $(cat /sys/devices/anew/uuid) != "$uuid" ]] || fail "the new storage has the old one's identity"
client delete anew >/dev/null
expect_error 'the node belongs to storage "anew"' form
unserve
module_unload
