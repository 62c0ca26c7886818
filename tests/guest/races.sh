#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A data race between Rust code is found, and one between Rust and the C helper of an atomic operation; where every
# access is atomic or volatile, nothing is reported. Without this the kernel's silence in other tests would prove nothing.
# kernel: kcsan
# timeout: 120
# log-allow: KCSAN: data-race in .*6Number
. "$(dirname "$0")/lib.sh"

cases=${module%/*}/dst_test.ko
filter=/sys/module/kunit/parameters/filter_glob
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
# The cases themselves are for another test. A newline would belong to the pattern.
at_exit eval "printf '*.*' >$filter"
printf 'dst_control.*' >$filter

counted() { sed -n "s/^$1: //p" /sys/kernel/debug/kcsan; }
unload() { rmmod dst_test 2>/dev/null; }
at_exit wait_until 60 unload
# race NUMBER: lets the two threads of "race=NUMBER" run until "stop".
race() {
	log_mark "race $1"
	before=$(counted setup_watchpoints) races=$(counted data_races)
	insmod "$cases" race="$1"
}
stop() { wait_until 60 unload || fail "the module cannot be removed"; }
watched() { echo $(($(counted setup_watchpoints) - before)); }
titles() { log_since "race $1" | grep -a 'KCSAN: data-race'; }
found() { titles "$1" | grep -E "$2"; }

race 1
wait_until 120 found 1 'in .*6Number3add.* / .*6Number3add' || fail "two plain additions: $(titles 1; cat /sys/kernel/debug/kcsan)"
stop
say "two plain additions: found within $(watched) watched accesses"
race 2
wait_until 120 found 2 'in .*rust_helper_atomic.* / .*6Number4read|in .*6Number4read.* / .*rust_helper_atomic' ||
	fail "a plain read and an atomic addition: $(titles 2; cat /sys/kernel/debug/kcsan)"
stop
say "a plain read and an atomic addition: found within $(watched) watched accesses"

race 3
enough() { (($(watched) >= 2000)); }
wait_until 300 enough || fail "only $(watched) accesses were watched"
stop
! titles 3 || fail "atomic and volatile accesses are reported: $(titles 3)"
expect_equal "data races that were counted" "$races" "$(counted data_races)"
say "atomic and volatile accesses: $(watched) watched, and no race"

# The other modules are watched too.
for name in dst_blk dst_echo dst_test; do
	grep -q __tsan_read8 "${module%/*}/$name.ko" || fail "$name.ko is not watched"
done
