#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every allocation of the modules fails once, one after the other: loading, requests about exports and empty storages,
# and unloading succeed or say why not, and after a failure all is as it was.
# needs: losetup ip python3
# kernel: debug
# timeout: 300
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"
. "$tests/helpers/faults.sh"

say "loading and unloading"
part modules "$module" workers=1
part modules "${module%/*}/dst_echo.ko" port=0

say "what the administrator asks for"
ip link set lo up
disk exported 16M
module_load workers=1
part controls
part exports "$exported"
module_unload
still_searches
