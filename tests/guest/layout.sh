#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is written through the storage lies on the nodes' own devices where the layout says, and nowhere else.
# needs: ip losetup python3
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one two
disk a 801
disk b 1203
disk c 4099
disk la 16401
disk lb 20003
disk lc 9000
module_load
declare -A machine=([$a]=one [$b]=two [$la]=one [$lb]=two)

# place DEVICE: how the client names the device.
place() { if [[ -n ${machine[$1]:-} ]]; then echo "$(address "${machine[$1]}"):1025"; else echo "$1"; fi; }

# check NAME FLAG DEVICE:START:SIZE[,OPTIONS]...: one storage. START and SIZE are what the layout must be, OPTIONS what
# the client says of the node.
check() {
	local name=$1 flag=$2 node device start size options text='' total=0 i=0 extent at count from to
	shift 2
	local -a arguments=()
	for node; do
		options=${node#*,}
		[[ $node == *,* ]] || options=
		IFS=: read -r device start size <<<"${node%%,*}"
		i=$((i + 1))
		# Not empty before, so that a write to a wrong place shows even where it writes zeroes.
		pattern "$(stat -c %s "$(disk_file "$device")")" "$((i + ${#name}))" | dd of="$(disk_file "$device")" bs=1M conv=notrunc status=none
		cp "$(disk_file "$device")" "$work/expected.$i"
		[[ -z ${machine[$device]:-} ]] || serve "${machine[$device]}" "$device"
		arguments+=("$(place "$device")${options:+,$options}")
		text+="${text:+ | }$start [$size]"
		total=$((total + size))
	done
	# shellcheck disable=SC2086
	on client dst create "$name" $flag "${arguments[@]}"
	expect_equal "size of $name" "$total" "$(sectors /dev/dst)"
	expect_equal "nodes of $name" "sectors (start [size]): $text" "$(cat "/sys/devices/$name/nodes")"

	# What lay on the nodes is read in the order of the layout.
	i=0
	truncate -s $((total * 512)) "$work/whole"
	for node; do
		IFS=: read -r device start size <<<"${node%%,*}"
		i=$((i + 1))
		expect_equal "start of node $i" "$start" "$(node_file "$name" "$start" start)"
		expect_equal "size of node $i" "$size" "$(node_file "$name" "$start" size)"
		if [[ -n ${machine[$device]:-} ]]; then
			expect_equal "type of node $i" "R: $(place "$device")" "$(node_file "$name" "$start" type)"
		else
			expect_equal "type of node $i" "L: $device" "$(node_file "$name" "$start" type)"
		fi
		dd if="$work/expected.$i" of="$work/whole" bs=512 count="$size" seek="$start" conv=notrunc status=none
	done
	cmp "$work/whole" /dev/dst || fail "$name does not read what lies on its nodes"

	# Single sectors and long extents at, before, and over the boundaries, and over a whole node.
	pattern $((total * 512)) 99 >"$work/data"
	local -a extents=("0 1" "$((total - 1)) 1" "17 9" "$((total - 300)) 200")
	for node; do
		IFS=: read -r device start size <<<"${node%%,*}"
		((start > 0)) || continue
		extents+=("$((start - 1)) 2" "$((start + 40)) 1" "$((start - 61)) 64" "$((start - 130)) 7")
	done
	extents+=("700 1200")
	for extent in "${extents[@]}"; do
		read -r at count <<<"$extent"
		write_extent "$work/data" /dev/dst "$at" "$count"
	done
	# The model is kept apart: sector by sector.
	python3 - "$work" "$(printf '%s;' "${extents[@]}")" "$@" <<-'END'
		import sys
		work, extents, nodes = sys.argv[1], sys.argv[2], sys.argv[3:]
		data = open(work + "/data", "rb").read()
		for number, node in enumerate(nodes, 1):
		    start, size = (int(x) for x in node.split(",")[0].split(":")[1:])
		    with open(f"{work}/expected.{number}", "r+b") as file:
		        for extent in extents.strip(";").split(";"):
		            at, count = (int(x) for x in extent.split())
		            for sector in range(at, at + count):
		                if start <= sector < start + size:
		                    file.seek((sector - start) * 512)
		                    file.write(data[sector * 512:sector * 512 + 512])
	END
	storage_delete "$name"
	i=0
	for node; do
		IFS=: read -r device start size <<<"${node%%,*}"
		i=$((i + 1))
		[[ -z ${machine[$device]:-} ]] || unserve "${machine[$device]}" "$device"
		labels "$device" "$size" "$work/expected.$i" "$flag"
		same "$work/expected.$i" "$device" || fail "$name: node $i does not hold what was written through the storage"
	done
	# The check itself: one byte too many is seen.
	corrupt "$device" $((size / 2))
	! same "$work/expected.$i" "$device" || fail "a change of one byte on a node is not noticed"
}

same() { cmp -s "$1" "$(disk_file "$2")"; }

# labels DEVICE SIZE EXPECTED FLAG: without --raw the two copies of the label lie at the ends of the metadata area; they
# are taken over into EXPECTED, everything else there must be as it was.
labels() {
	local device=$1 size=$2 expected=$3 at whole
	[[ $4 != --raw ]] || return 0
	whole=$(($(sectors "$device") / 8 * 8))
	for at in "$size" $((whole - 8)); do
		expect_equal "label of $device at sector $at" DSTLABEL \
			"$(dd if="$(disk_file "$device")" bs=512 skip="$at" count=1 status=none | head -c 8 | tr -d '\0')"
		dd if="$(disk_file "$device")" of="$expected" bs=512 skip="$at" seek="$at" count=8 conv=notrunc status=none
	done
}

check sizes --raw "$a:0:801" "$b:801:1000,size=1000" "$c:1801:4099"
check starts --raw "$a:4099:801,start=4099" "$b:4900:1203" "$c:0:4099,start=0"
# The metadata area of small devices has 4 MiB, and what is left of a page at the end of the device is not used.
check labelled '' "$la:0:$((16400 - 8192))" "$lb:8208:$((20000 - 8192))" "$lc:20016:$((9000 - 8192))"
