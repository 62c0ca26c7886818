#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The workers of a storage: their number, nice level and CPUs are changed while data is written and checked, before the
# start as well, and hold for workers that come later; what would let a device that hangs hold up others is refused.
# needs: losetup ip fio fsfreeze mkfs.ext4 python3 taskset
# timeout: 900
# cpus: 2
# outage: 240
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/hanging.sh"

module_load
disk near 24M
disk second 24M
disk outer 48M
dst create --no-start storage --raw "$near" "$second" >/dev/null

# The threads of the storage, by what "ps" and the scheduler know of them.
threads() { pgrep '^dst_io-' || true; }
count() { threads | wc -l; }
count_is() { (($(count) == $1)); }
# expect_threads WHAT NUMBER: there are so many; one that has ended is told of for a moment more.
expect_threads() { wait_until 60 count_is "$2" || fail "$1: expected '$2', found '$(count)': $(names)"; }
names() { ps -o comm= -p "$(threads | paste -sd,)" | sort | paste -sd' '; }
nice_levels() { ps -o ni= -p "$(threads | paste -sd,)" | tr -d ' ' | sort -u | paste -sd' '; }
cpus() { for thread in $(threads); do taskset -cp "$thread" | sed 's/.*: //'; done | sort -u | paste -sd' '; }
told() { dst status --json storage | python3 -c "import json, sys; print(json.load(sys.stdin)['storages'][0]['$1'])"; }

say "before the start"
expect_equal "workers" 3 "$(told workers)"
expect_error "3 to 1024 are possible" dst set storage --workers 2
expect_error "concerns: --workers" dst set storage --workers 2
expect_error "-20 to 19 are possible" dst set storage --worker-nice 20
expect_error "no list of CPUs" dst set storage --worker-cpus 0-x
expect_error "cannot have" dst set storage --worker-cpus 4000
echo 0 >/sys/devices/system/cpu/cpu1/online
at_exit eval "echo 1 >/sys/devices/system/cpu/cpu1/online"
expect_error "none of the CPUs 1 is online" dst set storage --worker-cpus 1
echo 1 >/sys/devices/system/cpu/cpu1/online
expect_error "there is no storage" dst set other --workers 4
expect_equal "what is told of a change" 'storage "storage" has 4 workers, nice level 3, on CPUs 1' \
	"$(dst set storage --workers 4 --worker-nice 3 --worker-cpus 1)"
expect_equal "threads" 0 "$(count)"
dst start storage >/dev/null
expect_equal "names" "dst_io-storage/0 dst_io-storage/1 dst_io-storage/2 dst_io-storage/3" "$(names)"
expect_equal "nice levels" 3 "$(nice_levels)"
expect_equal "CPUs" 1 "$(cpus)"

say "while data is written and read back"
fio --output="$work/fio.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=200 --rw=randwrite \
	--bsrange=512-256k --blockalign=512 --size=100% --verify=crc32c --verify_fatal=1 --verify_backlog=32 --loops=50 &
load=$!
at_exit kill -KILL "$load"
started() { (($(cat /sys/devices/storage/write_ios) > 0)); }
wait_until 60 started || fail "nothing is written"
for ((round = 0; round < ${ROUNDS:-12}; round++)); do
	workers=$((3 + (round * 5) % 7)) level=$((round - 6)) list=$((round % 2))
	before=$(cat /sys/devices/storage/write_ios)
	dst set storage --workers "$workers" --worker-nice "$level" --worker-cpus "$list" >/dev/null
	expect_threads "threads in round $round" "$workers"
	expect_equal "nice levels in round $round" "$level" "$(nice_levels)"
	expect_equal "CPUs in round $round" "$list" "$(cpus)"
	expect_equal "workers in round $round" "$workers" "$(told workers)"
	expect_error "3 to 1024 are possible" dst set storage --workers 2
	goes_on() { (($(cat /sys/devices/storage/write_ios) > before)); }
	wait_until 60 goes_on || fail "nothing is written after round $round"
done
dst set storage --worker-cpus any >/dev/null
expect_equal "CPUs" "$(taskset -cp "$(pgrep -x kthreadd)" | sed 's/.*: //')" "$(cpus)"
expect_equal "worker_cpus" "None" "$(told worker_cpus)"
kill -0 "$load" || { cat "$work/fio.log"; fail "fio has ended before the workers were changed"; }
kill -INT "$load"
wait "$load" || true
if grep -i 'verify\|bad magic' "$work/fio.log" | grep -qi 'fail\|bad'; then cat "$work/fio.log"; fail "fio found a difference"; fi
expect_equal "errors" 0 "$(cat /sys/devices/storage/errors)"
dst delete storage >/dev/null
expect_threads "threads after the deletion" 0

say "a start raises what was asked for before the nodes were there"
dst create --no-start storage --raw "$near" >/dev/null
dst set storage --workers 2 >/dev/null
dst add storage "$second" >/dev/null
expect_equal "workers" 3 "$(told workers)"
dst start storage >/dev/null
expect_threads "threads" 3
dst delete storage >/dev/null

# What crosses from a remote node with no room into that device is submitted by a worker.
say "a worker that hangs in a device is not waited for"
network server client
listen=$(address server):1025
on server dst export add "$near" --listen "$listen" --allow "$(address client)" >/dev/null
hanging hung "$outer"
on client dst create storage --raw --queue-depth 1 "$listen" "$hung" "$second" >/dev/null
boundary=$(($(sectors "$near") * 512))
dst set storage --workers 8 >/dev/null
# load NAME FIO-OPTION...: writes in the background until it is killed; its pid is put into NAME.
load() {
	local -n pid_out=$1
	fio --output="$work/$1.log" --name="$1" --filename=/dev/dst --direct=1 --ioengine=libaio --time_based --runtime=1000 "${@:2}" &
	pid_out=$!
	at_exit kill -KILL "$pid_out"
}
fsfreeze -f "$work/hung"
load near_load --rw=randwrite --bs=4k --iodepth=32 --size=8m
load hung_load --rw=randwrite --bs=4k --iodepth=400 --offset=$((boundary + (1 << 20))) --size=16m
# Otherwise the device would take what crosses into it, and nobody would sleep.
full() { read -r _ requests <"/sys/block/${hung#/dev/}/inflight" && ((requests >= 128)); }
wait_until 60 full || fail "the device that hangs has only these requests: $(cat "/sys/block/${hung#/dev/}/inflight")"
load cross_load --rw=write --bs=64k --iodepth=4 --offset=$((boundary - 32768)) --size=64k --numjobs=8
stuck() { for thread in $(threads); do if grep -q '^State:.D' "/proc/$thread/status"; then return 0; fi; done; false; }
wait_until 60 stuck || fail "no worker hangs"
timeout 60 dst set storage --workers 3 --worker-nice 1 >/dev/null || fail "the change waits for the device that hangs"
expect_threads "threads" 3
stuck || fail "the worker does not hang any more"
expect_error "3 to 1024 are possible" dst set storage --workers 2
sound=$(sed 's/.* \([0-9]*\) \[[0-9]*\]$/\1/' /sys/devices/storage/nodes)
timeout 60 dd if=/dev/zero of=/dev/dst bs=4k count=8 oflag=direct,seek_bytes seek=$((sound * 512)) status=none ||
	fail "I/O to a sound node does not go on"
fsfreeze -u "$work/hung"
kill -INT "$near_load" "$hung_load" "$cross_load"
wait || true
expect_equal "errors" 0 "$(cat /sys/devices/storage/errors)"
dst delete storage >/dev/null
expect_threads "threads after the deletion" 0
module_unload
