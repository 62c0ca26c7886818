#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is written through the storage lies on the nodes' own devices where the layout says, and nowhere else.
# needs: ip losetup python3
# timeout: 180
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

# check NAME FLAG DEVICE:START:SIZE[,OPTIONS]...: one storage. START and SIZE are what the layout must be, OPTIONS what
# the client says of the node.
check() {
	local name=$1 flag=$2 node device start size options text='' place
	shift 2
	local -a arguments=() model=() types=()
	for node; do
		options=${node#"${node%%,*}"}
		IFS=: read -r device start size <<<"${node%%,*}"
		model+=("$(disk_file "$device"):$start:$size")
		text+="${text:+ | }$start [$size]"
		place=$device
		types+=("$start L: $device")
		if [[ -n ${machine[$device]:-} ]]; then
			place=$(address "${machine[$device]}"):1025
			types[-1]="$start R: $place"
			serve "${machine[$device]}" "$device"
		fi
		arguments+=("$place$options")
	done
	python3 "$tests/helpers/layout.py" prepare "$work" "${model[@]}"
	# shellcheck disable=SC2086
	on client dst create "$name" $flag "${arguments[@]}"
	expect_equal "nodes of $name" "sectors (start [size]): $text" "$(cat "/sys/devices/$name/nodes")"
	for node in "${types[@]}"; do
		expect_equal "type of the node at ${node%% *}" "${node#* }" "$(node_file "$name" "${node%% *}" type)"
	done
	python3 "$tests/helpers/layout.py" exercise "$work" "${model[@]}" || fail "$name: see above"
	storage_delete "$name"
	for device in "${!machine[@]}"; do
		[[ " $* " != *" $device:"* ]] || unserve "${machine[$device]}" "$device"
	done
	python3 "$tests/helpers/layout.py" compare "$work" "${model[@]}" || fail "$name: see above"
}

check sizes --raw "$a:0:801" "$b:801:1000,size=1000" "$c:1801:4099"
# The check itself notices one wrong byte.
corrupt "$a" 799
expect_error "node 0 holds something else in 1 sectors, the first at 799" \
	python3 "$tests/helpers/layout.py" compare "$work" "$(disk_file "$a"):0:801"
check starts --raw "$a:4099:801,start=4099" "$b:4900:1203" "$c:0:4099,start=0"
# The metadata area of small devices has 4 MiB, and what is left of a page at the end of the device is not used.
check labelled '' "$la:0:$((16400 - 8192))" "$lb:8208:$((20000 - 8192))" "$lc:20016:$((9000 - 8192))"
