#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tree under /sys/devices is what Documentation/ABI says: every documented file is there and can be read, every file
# is documented, and what it says is true, also while storages come and go.
# needs: losetup ip python3
# timeout: 600
. "$(dirname "$0")/lib.sh"

abi=/share/src/Documentation/ABI/testing/sysfs-devices-dst
module_load
network server client
disk far 8M
disk near 8M
listen=$(address server):1025
tree=/sys/devices/storage
on server dst export add "$far" --listen "$listen" --allow "$(address client)" >/dev/null

# documented PREFIX: the files that the documentation has there.
documented() { sed -n "s|^What:[[:space:]]*/sys/devices/<storage>/$1\([a-z_][a-z_]*\)$|\1|p" "$abi" | sort; }
# existing FOLDER: the files that are there; "uevent" has every kobject of a device.
existing() { find "$1" -maxdepth 1 -type f ! -name uevent -printf '%f\n' | sort; }
# is FILE TEXT: after a while, as nodes may come up and I/O be counted a moment after who waits for them goes on.
says() { [[ $(cat "$tree/$1") == "$2" ]]; }
is() { wait_until 60 says "$1" "$2" || fail "$1: expected '$2', found '$(cat "$tree/$1")'"; }

# readable FOLDER: every file can be read but the one that is there to be written, and has one line.
readable() {
	local file
	for file in $(existing "$1"); do
		if [[ $file == remove_all_nodes ]]; then
			expect_equal "the mode of $file" 200 "$(stat -c %a "$1/$file")"
			continue
		fi
		case ${file##*/} in
		workers | worker_nice | worker_cpus) expect_equal "the mode of $file" 644 "$(stat -c %a "$1/$file")" ;;
		*) expect_equal "the mode of $file" 444 "$(stat -c %a "$1/$file")" ;;
		esac
		expect_equal "lines of $1/$file" 1 "$(wc -l <"$1/$file")"
	done
}

say "before the start"
on client dst create storage --no-start "$listen" "$near" >/dev/null
expect_equal "files of a storage" "$(documented '')" "$(existing $tree)"
readable $tree
is state configuring
is size 0
is nodes "sectors (start [size]): - [-] | - [-]"
[[ -z $(find $tree -maxdepth 1 -name 'n-*') ]] || fail "nodes are shown before the start"
echo 1 >$tree/remove_all_nodes
is nodes "sectors (start [size]):"
on client dst delete storage >/dev/null
[[ ! -e $tree ]] || fail "the folder of a deleted storage is left"

say "while it runs"
on client dst create storage --connections 1 "$listen,size=801" "$near,size=1001" >/dev/null
expect_equal "folders of the nodes" "n-0 n-801" "$(cd $tree && echo n-*)"
for node in $tree/n-0 $tree/n-801; do
	expect_equal "files of $node" "$(documented 'n-<start>\/')" "$(existing "$node")"
	readable "$node"
done
readable $tree
is alg linear
is name storage
is disk dst
is size 1802
is state running
is reason ""
is waits_for ""
is nodes "sectors (start [size]): 0 [801] | 801 [1001]"
is raw 0
is ro 0
is epoch 1
is openers 0
is in_flight 0
is errors 0
is n-0/type "R: $listen"
is n-801/type "L: $near"
is n-0/start 0
is n-801/start 801
is n-0/size 801
is n-801/size 1001
is n-0/index 0
is n-801/index 1
is n-0/state up
is n-0/queued 0
is n-0/reconnects 0
[[ $(cat $tree/uuid) =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || fail "uuid: $(cat $tree/uuid)"
[[ $(cat $tree/n-0/uuid) != "$(cat $tree/n-801/uuid)" ]] || fail "two nodes have the same identity"
if echo 1 2>/dev/null >$tree/remove_all_nodes; then fail "the nodes of a running storage were removed"; fi
is state running

say "workers"
is workers 2
is worker_nice 0
is worker_cpus ""
last=$(($(nproc) - 1))
echo 5 >$tree/workers
echo -7 >$tree/worker_nice
echo $last >$tree/worker_cpus
is workers 5
is worker_nice -7
is worker_cpus $last
for value in workers=1 workers=1025 workers=-3 workers= workers=4x worker_nice=20 worker_nice=a worker_cpus=3- worker_cpus=999; do
	if echo "${value#*=}" 2>/dev/null >"$tree/${value%%=*}"; then fail "$value was taken"; fi
done
is workers 5
is worker_nice -7
is worker_cpus $last
echo >$tree/worker_cpus
is worker_cpus ""

say "counters"
read_ios=$(cat $tree/read_ios) read_bytes=$(cat $tree/read_bytes)
node_writes=$(cat $tree/n-0/write_bytes)
dd if=/dev/zero of=/dev/dst bs=4096 count=8 oflag=direct status=none
dd if=/dev/dst of=/dev/null bs=4096 count=4 iflag=direct status=none
is in_flight 0
# What udev looks at comes on top of the reads.
is write_ios 8
is write_bytes 32768
expect_equal "bytes written to node 0" 32768 $(($(cat $tree/n-0/write_bytes) - node_writes))
is n-801/write_bytes 0
(($(cat $tree/read_ios) >= read_ios + 4)) || fail "4 reads are counted as $(cat $tree/read_ios) - $read_ios"
(($(cat $tree/read_bytes) >= read_bytes + 16384)) || fail "16384 bytes are counted as $(cat $tree/read_bytes) - $read_bytes"
exec 5</dev/dst
is openers 1
exec 5<&-
cable server down
dd if=/dev/dst of=/dev/null bs=4096 count=1 skip=20 iflag=direct status=none &
reader=$!
waiting() { (($(cat $tree/in_flight) == 1)); }
wait_until 60 waiting || fail "a read that waits is not in flight"
lost() { [[ $(cat $tree/state) == degraded && $(cat $tree/n-0/state) == reconnecting ]]; }
wait_until 60 lost || fail "60 s after the cable was pulled: $(cat $tree/state), node $(cat $tree/n-0/state)"
[[ -n $(cat $tree/waits_for) ]] || fail "the storage does not say what it waits for"
[[ $(cat $tree/waits_for) == *"$listen"* ]] || fail "it waits for '$(cat $tree/waits_for)'"
cable server up
back() { [[ $(cat $tree/state) == running && $(cat $tree/n-0/state) == up ]]; }
wait_until 60 back || fail "after the cable was plugged in again: $(cat $tree/state)"
wait "$reader" || fail "the read failed"
is waits_for ""
is n-0/reconnects 1
on client dst delete storage >/dev/null

say "read while storages come and go"
on client dst create held --no-start --device dst-held "$near" >/dev/null
exec 6</sys/devices/held/state
expect_equal "a file that is read once" configuring "$(head -n 1 <&6)"
on client dst delete held >/dev/null
if cat <&6 2>/dev/null; then fail "a file of a deleted storage is read"; fi
exec 6<&-
touch "$work/go" "$work/reads"
for _ in 1 2; do
	while [[ -e $work/go ]]; do
		cat $tree/* $tree/n-*/* >/dev/null 2>&1 || true
		echo >>"$work/reads"
	done &
done
for _ in 1 2 3 4 5 6; do
	on client dst create storage --force "$near" >/dev/null
	on client dst delete storage >/dev/null
done
rm "$work/go"
wait
(($(wc -l <"$work/reads") >= 6)) || fail "nobody has read"
module_unload
