#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Jobs: every sector is read, once, on local and remote nodes; a job is paused, goes on, is cancelled and slowed down; two
# never work on one node; one waits for a node that is suspended or away; a sector that cannot be read is named; one ends
# with its storage, whatever that waits for. All of it is told as events, in order, and can be asked for in sysfs. There is
# a limit to how many work, and to how many are remembered.
# needs: ip losetup fio dmsetup
# timeout: 520
# log-allow: Buffer I/O error|I/O error
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

network client one
disk a 48M
disk b 24M
module_load
serve one "$a"
on client dst create storage "$(address one):1025" "$b" >/dev/null
total=$(($(cat /sys/devices/storage/size) * 512))
start_b=$(sed 's/.* \([0-9]*\) \[[0-9]*\]$/\1/' /sys/devices/storage/nodes)

# job ID FILE: what a file in a job's directory says.
job() { cat "/sys/devices/storage/job-$1/$2"; }
is() { [[ $(job "$1" state) == "$2" ]]; }
# begun ARGUMENTS...: begins a verification, and tells its number.
begun() { dst --json job verify storage "$@" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
# device_reads DEVICE: sectors that were read from it so far.
device_reads() { awk '{ print $3 }' "/sys/block/${1##*/}/stat"; }
exits() {
	local expected=$1 status=0
	shift
	"$@" >/dev/null 2>&1 || status=$?
	expect_equal "exit status of '$*'" "$expected" "$status"
}
# told ID WHICH STATE...: whether the events of job ID, which is WHICH, tell of these states in this order, and maybe of
# others between them.
told() {
	local id=$1 which=$2 state
	shift 2
	sed -n "s/^.* job $id ($which) is \([a-z]*\), [0-9]* %.*/\1/p" "$work/events" | {
		while read -r state; do [[ $# == 0 || $state != "$1" ]] || shift; done
		(($# == 0))
	}
}
tells() { wait_until 20 told "$@" || fail "the events do not tell $*: $(cat "$work/events")"; }
busy_threads() { pgrep -c '^dst_job-' || true; }
no_threads() { (($(busy_threads) == 0)); }

say "every sector is read"
follow_events client
reads_a=$(device_reads "$a") reads_b=$(device_reads "$b") ios=$(node_file storage 0 read_ios)
dst job verify storage --watch >"$work/watch" || fail "the verification failed: $(cat "$work/watch")"
tail -n 1 "$work/watch" | grep -q '^done: .*(100 %)' || fail "the end of the job: $(cat "$work/watch")"
expect_equal "bytes that were read" "$total" "$(job 1 'done')"
expect_equal "bytes that there are" "$total" "$(job 1 total)"
expect_equal "the job's state" "done" "$(job 1 state)"
# The nodes' labels are no data, and udev may look at a device.
(($(device_reads "$a") - reads_a >= start_b)) || fail "the device behind the export was not read"
(($(device_reads "$b") - reads_b >= total / 512 - start_b)) || fail "the local device was not read"
expect_equal "reads of the disk at the first node" "$ios" "$(node_file storage 0 read_ios)"
wait_until 20 grep -q 'job 1 (verify of storage "storage") is running, 0 %' "$work/events" || fail "no event: $(cat "$work/events")"
wait_until 20 grep -q 'job 1 (verify of storage "storage") is done, 100 %' "$work/events" || fail "no event: $(cat "$work/events")"
wait_until 20 no_threads || fail "the thread of a job that has ended is left"
exits 0 dst job watch 1

say "slow, and then without a limit"
begin=$SECONDS
id=$(begun --rate-limit 8M --min-rate 8M)
at_end() { (($(job "$1" 'done') >= 24 << 20)); }
wait_until 60 at_end "$id" || fail "nothing is read: $(dst job show "$id")"
took=$((SECONDS - begin))
# 24 MiB at 8 MiB in a second.
((took >= 2)) || fail "24 MiB took $took s at 8 MiB/s"
rate=$(job "$id" rate)
((rate < 12 << 20)) || fail "the rate is $rate at a limit of 8 MiB/s"
dst job show "$id" | grep -q 'rate limit: 8 MiB/s; at least: 8 MiB/s' || fail "the job: $(dst job show "$id")"
[[ -n $(job "$id" time_left) ]] || fail "the time that is left is not told"
dst job set "$id" --rate-limit none >/dev/null
expect_equal "the limit" 0 "$(job "$id" rate_limit)"
wait_until 60 is "$id" "done" || fail "the job does not end: $(dst job show "$id")"

say "pause, resume, conflicts, cancel"
id=$(begun --rate-limit 1M --node 0)
expect_error "job $id (verify) works on node 0" dst job verify storage --node 0
expect_error "job $id (verify) works on node 0" dst job verify storage
exits 6 dst job verify storage
other=$(begun --node 1 --rate-limit 1M)
dst job cancel "$other" >/dev/null
wait_until 20 is "$other" cancelled || fail "the job on the other node is $(job "$other" state)"
expect_equal "why it ended" "an administrator has cancelled it" "$(job "$other" reason)"
tells "$other" 'verify of storage "storage", node 1' running cancelled
grep -q "job $other (.*) is cancelled, .* %: an administrator has cancelled it" "$work/events" ||
	fail "the event does not tell why: $(cat "$work/events")"
exits 1 dst job watch "$other"
dst job pause "$id" >/dev/null
wait_until 20 is "$id" paused || fail "the job is $(job "$id" state)"
expect_equal "extents in flight of a paused job" 0 "$(job "$id" in_flight)"
still=$(job "$id" 'done')
expect_error "job $id is paused already" dst job pause "$id"
wait_until 1 false || true
expect_equal "what a paused job has done" "$still" "$(job "$id" 'done')"
expect_error "works on node 0" dst job verify storage --node 0
echo resume >"/sys/devices/storage/job-$id/state"
goes_on() { (($(job "$1" 'done') > $2)); }
wait_until 20 goes_on "$id" "$still" || fail "the job does not go on: $(dst job show "$id")"
expect_error "job $id is not paused" dst job resume "$id"
echo 0 >"/sys/devices/storage/job-$id/rate_limit"
wait_until 60 is "$id" "done" || fail "the job does not end: $(dst job show "$id")"
tells "$id" 'verify of storage "storage", node 0' running paused running "done"
expect_error "job $id has ended" dst job cancel "$id"
expect_error "there is no job 4711" dst job show 4711
exits 5 dst job pause 4711
expect_error "has no such node" dst job verify storage --node 7
expect_error 'there is no storage "other"' dst job verify other
expect_error "the rate is too low" dst job verify storage --rate-limit 100
dst job list >"$work/list"
(($(grep -c '^[0-9].* verify ' "$work/list") == 4)) || fail "the list: $(cat "$work/list")"

say "the same in sysfs"
id=$(begun --node 1 --rate-limit 1M)
# writes ID FILE TEXT: what the shell says about it is kept.
writes() { { echo "$3" >"/sys/devices/storage/job-$1/$2"; } 2>&1; }
expect_error "Invalid argument" writes "$id" state stop
expect_error "Invalid argument" writes "$id" state resume
writes "$id" state pause
wait_until 20 is "$id" paused || fail "the job is $(job "$id" state)"
expect_error "already in progress" writes "$id" state pause
expect_equal "the least rate" 1048576 "$(job "$id" min_rate)"
for text in 4095 0 much; do expect_error "Invalid argument" writes "$id" min_rate "$text"; done
expect_equal "the least rate after refusals" 1048576 "$(job "$id" min_rate)"
writes "$id" min_rate 8192
expect_equal "the least rate" 8192 "$(job "$id" min_rate)"
dst job show "$id" | grep -q 'at least: 8 KiB/s' || fail "the job: $(dst job show "$id")"
writes "$id" state resume
wait_until 20 is "$id" running || fail "the job is $(job "$id" state)"
writes "$id" state cancel
wait_until 20 is "$id" cancelled || fail "the job is $(job "$id" state)"
expect_equal "why it ended" "an administrator has cancelled it" "$(job "$id" reason)"
for text in cancel pause resume; do expect_error "No such process" writes "$id" state "$text"; done
expect_error "No such process" writes "$id" min_rate 8192
tells "$id" 'verify of storage "storage", node 1' running paused running cancelled

say "two who do not know of each other"
id=$(begun --node 1 --rate-limit 8K --min-rate 4K)
# writes_often REQUEST: half of them or more are refused.
writes_often() { for _ in {1..150}; do writes "$id" state "$1" >"$work/refusal-$1" || true; done; }
writes_often pause &
other=$!
writes_often resume
wait "$other"
writes "$id" state cancel
wait_until 20 is "$id" cancelled || fail "the job is $(job "$id" state)"
tells "$id" 'verify of storage "storage", node 1' running pausing running cancelled
# Each state is told once, and none after a later one.
awk -v job="job $id (verify of storage \"storage\", node 1) is " '
	BEGIN {
		may["running", "pausing"] = may["running", "cancelling"] = 1
		may["pausing", "paused"] = may["pausing", "running"] = may["pausing", "cancelling"] = 1
		may["paused", "running"] = may["paused", "cancelling"] = 1
		may["cancelling", "cancelled"] = 1
	}
	/events were lost/ { before = "" }
	at = index($0, job) {
		state = substr($0, at + length(job))
		sub(/,.*/, "", state)
		if (before != "" && !((before, state) in may)) { print before " and then " state; wrong = 1 }
		before = state
		count++
	}
	END {
		print count " events"
		exit wrong || count < 20 || state != "cancelled"
	}' "$work/events" >"$work/order" || fail "the events of one job: $(cat "$work/order")"
sed 's/^/# /' "$work/order"

say "it gives way to the application"
fio --output="$work/load.log" --name=load --filename=/dev/dst --direct=1 --ioengine=libaio --iodepth=8 --rw=randread --bs=4k \
	--size=8m --time_based --runtime=300 &
load=$!
at_exit kill "$load"
reading() { (($(cat /sys/devices/storage/read_ios) > 300)); }
wait_until 180 reading || fail "the load does not read"
id=$(begun --node 0 --min-rate 1M)
slow() { (($(job "$id" rate) > 0 && $(job "$id" rate) < 3 << 20)); }
wait_until 60 slow || fail "beside I/O the rate is $(job "$id" rate)"
before=$(job "$id" 'done')
wait_until 30 goes_on "$id" $((before + (1 << 20))) || fail "beside I/O nothing is done: $(dst job show "$id")"
kill "$load"
wait "$load" || true
wait_until 60 is "$id" "done" || fail "without I/O the job does not end: $(dst job show "$id")"

say "a node that is suspended, and one that is away"
dst suspend storage 0 >/dev/null
id=$(begun)
waits_for() { [[ $(job "$1" waits_for) == "$2" ]]; }
wait_until 30 waits_for "$id" "node 0 to be resumed" || fail "the job waits for '$(job "$id" waits_for)'"
expect_equal "what was read of a suspended node" 0 "$(job "$id" 'done')"
dst status storage | grep -q "job $id: verify is running, .*; waits for node 0 to be resumed" ||
	fail "dst status: $(dst status storage)"
dst resume storage 0 >/dev/null
wait_until 60 is "$id" "done" || fail "the job does not go on: $(dst job show "$id")"
id=$(begun --rate-limit 4M --min-rate 4M)
wait_until 30 goes_on "$id" 4000000 || fail "nothing is read: $(dst job show "$id")"
on one dst export del --force "$a" >/dev/null
wait_until 60 waits_for "$id" "node 0 to be connected again" || fail "the job waits for '$(job "$id" waits_for)'"
expect_equal "the job's state" running "$(job "$id" state)"
serve one "$a"
dst job set "$id" --rate-limit none >/dev/null
wait_until 90 is "$id" "done" || fail "the job does not go on after an outage: $(dst job show "$id")"
expect_equal "bytes that were read" "$total" "$(job "$id" 'done')"

say "a storage that is deleted"
id=$(begun --rate-limit 1M)
on one dst export del --force "$a" >/dev/null
wait_until 60 waits_for "$id" "node 0 to be connected again" || fail "the job waits for '$(job "$id" waits_for)'"
begin=$SECONDS
dst delete --force storage >/dev/null || fail "the storage cannot be deleted while a job waits"
((SECONDS - begin <= 10)) || fail "the deletion took $((SECONDS - begin)) seconds"
dst job show "$id" | grep -q 'reason: the storage was deleted' || fail "the job: $(dst job show "$id")"
wait_until 20 no_threads || fail "the thread of a job is left"
serve one "$a"
on client dst create storage "$(address one):1025" "$b" >/dev/null
id=$(begun --rate-limit 1M --node 1)
storage_delete storage
dst --json job show "$id" | grep -q '"state":"cancelled"' || fail "the job: $(dst job show "$id")"
expect_error 'there is no storage "storage"' dst job verify storage

say "sectors that cannot be read"
disk c 16M
bad=20011
size=$(sectors "$c")
dmsetup create rotten --table "0 $bad linear $c 0
$bad 1 error
$((bad + 1)) $((size - bad - 1)) linear $c $((bad + 1))"
at_exit dmsetup remove --retry rotten
rotten=/dev/$(dmsetup info -c --noheadings -o blkdevname rotten)
# On a local node, behind another one.
unserve one "$a"
on client dst create storage --force "$b" "$rotten" >/dev/null
start=$(sed 's/.* \([0-9]*\) \[[0-9]*\]$/\1/' /sys/devices/storage/nodes)
id=$(begun)
wait_until 60 is "$id" failed || fail "the job is $(job "$id" state)"
expect_equal "the sector" $((start + bad)) "$(job "$id" bad_sector)"
grep -q "sector $((start + bad)) cannot be read, which is sector $bad of node 1" "/sys/devices/storage/job-$id/reason" ||
	fail "the reason: $(job "$id" reason)"
exits 1 dst job watch "$id"
tells "$id" 'verify of storage "storage"' running failed
grep -q "job $id (.*) is failed, .* %: sector $((start + bad)) cannot be read" "$work/events" ||
	fail "the event does not tell why: $(cat "$work/events")"
storage_delete storage
# And behind an export.
serve one "$rotten"
on client dst create storage --force "$(address one):1025" >/dev/null
id=$(begun)
wait_until 60 is "$id" failed || fail "the job is $(job "$id" state)"
expect_equal "the sector" "$bad" "$(job "$id" bad_sector)"
# It can be read again.
dmsetup suspend rotten
dmsetup reload rotten --table "0 $size linear $c 0"
dmsetup resume rotten
dst job verify storage --watch >/dev/null || fail "what was mended cannot be read"

say "sixteen at a time, and sixteen that have ended"
storage_delete storage
many=()
for number in {0..16}; do
	disk small 1M
	many+=("$small")
done
on client dst create storage --raw "${many[@]}" >/dev/null
ids=()
for number in {0..15}; do
	id=$(begun --node "$number" --rate-limit 8K --min-rate 4K)
	dst job pause "$id" >/dev/null || fail "job $id: $(dst job show "$id")"
	ids+=("$id")
done
expect_error "16 jobs are running or paused already; cancel one of them or wait" dst job verify storage --node 16
dst job cancel "${ids[7]}" >/dev/null
wait_until 20 is "${ids[7]}" cancelled || fail "the job is $(job "${ids[7]}" state)"
ids+=("$(begun --node 16 --rate-limit 8K --min-rate 4K)")
expect_error "16 jobs are running or paused already" dst job verify storage --node 7
for id in "${ids[@]}"; do [[ $id == "${ids[7]}" ]] || dst job cancel "$id" >/dev/null; done
for id in "${ids[@]}"; do wait_until 20 is "$id" cancelled || fail "job $id is $(job "$id" state)"; done
id=$(begun --rate-limit 8K --min-rate 4K)
# All but sixteen of those that have ended are forgotten, first who ended first, whoever began first.
expect_equal "the jobs that are there" "${ids[*]:0:7} ${ids[*]:8} $id" "$(dst job list | sed -n 's/^\([0-9][0-9]*\) .*/\1/p' | paste -sd' ')"
listed() { compgen -G '/sys/devices/storage/job-*' | wc -l; }
all_listed() { (($(listed) == 17)); }
wait_until 20 all_listed || fail "$(listed) jobs in sysfs: $(ls /sys/devices/storage)"

say "the module goes"
dst delete storage >/dev/null
unserve one "$rotten"
module_unload
no_threads || fail "a job's thread outlives the module"
