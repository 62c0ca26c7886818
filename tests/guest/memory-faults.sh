#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every allocation of the modules fails once, one after the other: loading, adding, changing, showing, deleting and
# unloading succeed or say why not, and after a failure all is as it was. Lost connections come back all the same.
# needs: losetup ip python3
# kernel: debug
# timeout: 300
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

[[ -d /share/build/ynl/pyynl ]] || skip "build/ynl is missing: tests/run puts the kernel's netlink client there"
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
faults=/sys/kernel/debug
[[ -d $faults/failslab && -d $faults/fail_page_alloc ]] || skip "this kernel does not fail on purpose"
export PYTHONPATH=/share/build/ynl PYTHONDONTWRITEBYTECODE=1

# set_fault FILE VALUE: for both, small pieces of memory and pages.
set_fault() {
	local kind
	for kind in failslab fail_page_alloc; do echo "$2" >"$faults/$kind/$1"; done
}
quiet() {
	set_fault probability 0
	set_fault task-filter N
	set_fault require-start 0
	set_fault require-end 0xffffffffffffffff
}
at_exit quiet
part() { python3 "$tests/helpers/memory-faults.py" /share/src/Documentation/netlink/specs/dst.yaml "$@"; }

say "loading and unloading"
part modules "$module" workers=1
part modules "${module%/*}/dst_echo.ko" port=0

say "what the administrator asks for"
ip link set lo up
disk exported 16M
disk local 16M
module_load workers=1
part controls
part exports "$exported"
module_unload

say "connections that are lost: some of their allocations, as there are hundreds"
module_load workers=1
STEP=${STEP:-29} part outages "$exported" "$local"
module_unload
