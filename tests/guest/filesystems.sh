#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ext4, xfs and btrfs on the storage go through rounds of mkfs, mount, copy, sync, unmount, mount and compare.
# needs: ip losetup mkfs.ext4 mkfs.xfs mkfs.btrfs xfs btrfs
# timeout: 400
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

# ROUNDS of ext4 and of xfs, a fifth as many of btrfs.
rounds=${ROUNDS:-2}
export TMPDIR=$work
network client one two
disk a 110M
disk b 110M
disk c 140M
module_load
serve one "$a"
serve two "$b"
on client dst create storage "$(address one):1025" "$(address two):1025" "$c"

# A tree of small files, and large ones so that data lies on all nodes.
mkdir "$work/tree"
cp -a /etc "$work/tree/etc"
pattern $((24 << 20)) 1 >"$work/tree/large"
for number in 1 2 3 4; do pattern $((number << 20)) "$number" >"$work/tree/pattern$number"; done
round=$tests/../soak/filesystem-round
"$round" ext4 /dev/dst "$work/tree" "$rounds" || fail "ext4: see above"
"$round" xfs /dev/dst "$work/tree" "$rounds" || fail "xfs: see above"
"$round" btrfs /dev/dst "$work/tree" $(((rounds + 4) / 5)) || fail "btrfs: see above"
for node in /sys/devices/storage/n-*; do
	(($(cat "$node/write_bytes") > 0)) || fail "nothing was written to ${node##*/}"
done

# A round does notice a changed bit behind the back of a node.
cat >"$work/spoil" <<-END
	#!/bin/bash
	"$tests/../soak/spoil" "$work/tree/large" "$a" "$b" "$c"
END
chmod +x "$work/spoil"
for type in ext4 xfs; do
	expect_error "the files differ" "$round" --before-compare "$work/spoil" "$type" /dev/dst "$work/tree" 1
done

storage_delete storage
unserve one "$a"
unserve two "$b"
