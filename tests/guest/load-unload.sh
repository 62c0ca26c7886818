#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Loading, configuring, using and removing the module leaves no memory, thread, file or socket behind, however often:
# ROUNDS times (5 if not given), with worker pools of different sizes and ways to end.
# needs: losetup ip cmp
# timeout: 400
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-5}
network server client
disk far 16M
disk near 16M
listen=$(address server):1025
pattern $((1 << 20)) 5 >"$work/content"

# The disks' content lies in memory; all of it is there from the beginning.
for device in "$far" "$near"; do dd if=/dev/zero of="$device" bs=1M count=16 oflag=direct status=none; done

free_memory() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo
}
# Memory comes back late at times: RCU, the caches of the CPUs, other programs that end.
limit=$((24 + rounds / 4))
memory_is_back() { ((before - $(free_memory) < limit)); }
slabs() { awk '$1 ~ /^dst_/ { print $1 }' /proc/slabinfo; }
threads() { pgrep -l '^dst_' || true; }
# One that has ended is told of for a moment more.
threads_are_gone() { [[ -z $(threads) ]]; }
sockets() { on server ss -Htan; on client ss -Htan; }

# round NUMBER
round() {
	insmod "$module" workers=$(($1 % 3))
	[[ -n $(threads) ]] || fail "the module has no threads: the check for them is wrong"
	on server dst export add "$far" --listen "$listen" --allow "$(address client)" >/dev/null
	on client dst create storage "$listen" "$near" >/dev/null
	dd if="$work/content" of=/dev/dst bs=256k oflag=direct status=none
	cmp -n 1048576 /dev/dst "$work/content"
	expect_error "in use" rmmod dst_blk
	case $(($1 % 4)) in
	0) on client dst delete storage >/dev/null; on server dst export del "$listen" --force >/dev/null ;;
	1) on server dst export del "$listen" --force >/dev/null; on client dst delete storage --force >/dev/null ;;
	2) on client dst delete storage >/dev/null ;;
	3)
		on client dst delete storage >/dev/null
		# What is only configured does not hold the module; but it has a connection, which does where lockdep pins
		# whoever made a socket's lock class.
		pins_sockets || on client dst create storage --no-start "$listen" "$near" >/dev/null
		;;
	esac
	module_unload
	wait_until 60 threads_are_gone || fail "threads are left: $(threads)"
	[[ -z $(slabs) ]] || fail "caches are left: $(slabs)"
	[[ ! -e /dev/dst && ! -e /sys/devices/storage ]] || fail "a storage is left"
	! grep -q dst /proc/devices || fail "a device number is left"
}
at_exit "$tests/clear"

# All kinds of rounds once, so that what the kernel keeps from then on is there.
for ((i = 0; i < rounds + 4; i++)); do
	((i != 4)) || before=$(free_memory)
	round "$i"
	# The disks can be opened exclusively: nobody holds them.
	mkfs.ext4 -q -F -E nodiscard "$far" >/dev/null
	wipefs -qa "$far"
done
wait_until 60 memory_is_back || fail "$((before - $(free_memory))) MiB are gone after $rounds rounds"
say "$rounds rounds: $before MiB free before, $(free_memory) after"
listening() { sockets | grep -q LISTEN; }
if listening; then fail "sockets are left: $(sockets)"; fi
