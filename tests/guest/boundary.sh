#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Single bios that cross several nodes in the middle of a page, with vectors that begin anywhere, match a reference file.
# needs: ip losetup python3
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one two three
disk a 801
disk b 7
disk c 1
disk d 1023
disk e 3
disk f 2049
module_load
serve one "$a"
serve two "$c"
serve three "$d"
on client dst create storage --raw "$(address one):1025" "$b" "$(address two):1025" "$(address three):1025" "$e" "$f"
total=$((801 + 7 + 1 + 1023 + 3 + 2049))
expect_equal "size" "$total" "$(sectors /dev/dst)"

python3 "$tests/helpers/vectors.py" /dev/dst "$work/reference" "${ROUNDS:-400}" 801 808 809 1832 1835 ||
	fail "the storage and the reference file differ"
storage_delete storage
unserve one "$a"
unserve two "$c"
unserve three "$d"
# The nodes' own files in the order of the layout are the reference file.
for device in "$a" "$b" "$c" "$d" "$e" "$f"; do cat "$(disk_file "$device")"; done | cmp - "$work/reference" ||
	fail "the nodes hold something else than the storage showed"
