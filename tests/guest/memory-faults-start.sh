#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every allocation that the start of a storage makes fails once, one after the other: it succeeds, and then the disk
# works, or says why not, and then the storage is as it was.
# needs: losetup ip python3
# kernel: debug
# timeout: 600
# What the kernel itself says, with where, when a slab cache finds no memory; each other fault has more to say than that.
# log-allow: Call Trace:$
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/faults.sh"

ip link set lo up
disk exported 16M
disk local 16M
module_load workers=1
part starts "$exported" "$local"
module_unload
still_searches
