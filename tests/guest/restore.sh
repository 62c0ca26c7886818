#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What "dst save" writes comes back with "dst restore" as it was: with data, limits and access lists. What is there is
# left alone, what is not there yet is waited for, and a storage whose labels are gone is not begun anew.
# needs: losetup ip python3
# timeout: 300
. "$(dirname "$0")/lib.sh"

module_load
network server client
disk far 8M
disk spare 8M
disk near 8M
listen=$(address server):1025
saved=$work/conf
server() { on server dst "$@"; }
client() { on client dst "$@"; }
# Everything but what changes by itself: counters, times, numbers of exports.
picture() {
	{
		dst --json export list | python3 -c '
import json, sys
keys = "name path address flags allow copy_from backlog queue_depth max_clients max_transfer_bytes client_memory_bytes " \
    "hello_timeout_ms idle_timeout_ms".split()
for e in json.load(sys.stdin)["exports"]: print({k: e[k] for k in keys})'
		dst --json status | python3 -c '
import json, sys
storage = "name algorithm disk uuid flags state sectors workers worker_nice worker_cpus".split()
node = "index kind path address export start_sectors size_sectors flags connections queue_depth max_transfer_bytes " \
    "connect_timeout_ms keepalive_ms request_timeout_ms request_tries retry_limit_ms"
for s in json.load(sys.stdin)["storages"]:
    print({k: s[k] for k in storage})
    for n in s["nodes"]: print({k: n[k] for k in node.split()})'
	} >"$1"
}

say "what is left to the module is not written"
server export add "$far" --listen "$listen" --allow "$(address client)" >/dev/null
client create storage "$listen" "$near" >/dev/null
server save "$saved.server" 2>&1 | tee "$work/note"
grep -q 'storage "storage" belongs to another network namespace' "$work/note" || fail "the client's storage is not left out"
client save "$saved.client"
keys() { sed -n 's/ *=.*//p' "$1" | sort -u | paste -sd' '; }
expect_equal "the keys of a plain export" 'allow device listen' "$(keys "$saved.server")"
expect_equal "the keys of a plain storage" 'algorithm device name place size start uuid' "$(keys "$saved.client")"

say "what is there is left alone"
server restore "$saved.server"
client restore "$saved.client" >"$work/out"
grep -qx 'storage "storage" is there' "$work/out" || fail "said: $(cat "$work/out")"

say "everything comes back as it was"
pattern 2000000 >"$work/data"
dd if="$work/data" of=/dev/dst bs=1M oflag=direct iflag=fullblock conv=sync status=none
client delete storage
wait_until 60 server export del "$listen" || fail "the export stays in use"
server export add "$spare" --listen "$(address server):1026" --name spare --read-only --allow 10.7.0.0/16=ro --backlog 7 --max-clients 3
server export add "$far" --listen "$listen" --name far --allow "$(address client)" --allow fd07::/64=ro --queue-depth 32 \
	--copy-from 10.7.0.99 --copy-from fd07:1::/32
client create storage --fail-fast --retry-limit 90 --connect-timeout 7.5 --connections 3 --keepalive 4.25 --request-timeout 12 \
	--request-tries 5 "$listen,export=far" "$near" >/dev/null
# For this there is no option.
client save "$saved.client" 2>/dev/null
sed -i "/^place = \"$listen\"/a max-transfer = 262144" "$saved.client"
client delete storage
client restore "$saved.client"
client set storage --workers 5 --worker-nice -3 --worker-cpus 0 >/dev/null
picture "$work/before"
server save "$saved.server" 2>/dev/null
client save "$saved.client" 2>/dev/null
cat "$saved.server" "$saved.client"
# What is compared differs from what comes without being asked for.
grep -qx 'copy-from = \["10.7.0.99/32", "fd07:1::/32"\]' "$saved.server" || fail "the file of the server lacks what it copies from"
for line in 'connections = 3' 'max-transfer = 262144' 'connect-timeout = 7.500' 'keepalive = 4.250' 'request-timeout = 12' \
	'request-tries = 5' 'retry-limit = 90' 'queue-depth = 32'; do
	grep -qx "$line" "$saved.client" || fail "the file of the client lacks: $line"
done
client delete storage
for name in spare far; do server export del "$name" --force; done
expect_error 'it was waited for 1 s' client restore --wait 1 "$saved.client"
client restore --wait 200 "$saved.client" >"$work/out" 2>&1 &
restore=$!
wait_until 60 grep -q 'storage "storage" waits' "$work/out"
server restore "$saved.server"
wait $restore || fail "the storage did not come back: $(cat "$work/out")"
picture "$work/after"
diff "$work/before" "$work/after" || fail "it is not what it was"
cmp -n 2000000 /dev/dst "$work/data"

say "access lists and workers are changed when asked, and nothing else is"
sed -i 's/^workers = .*/workers = 6/; s/^device = "\/dev\/dst"/device = "\/dev\/dst-b"/' "$saved.client"
expect_error 'device is /dev/dst, the file says /dev/dst-b' client restore "$saved.client"
expect_equal "workers" 5 "$(cat /sys/devices/storage/workers)"
expect_error 'the file says /dev/dst-b' client restore --change "$saved.client"
expect_equal "workers" 6 "$(cat /sys/devices/storage/workers)"
sed -i 's/dst-b/dst/' "$saved.client"

say "a storage whose labels are lost is not begun anew"
client delete storage
server export del far --force
for device in "$far" "$near"; do
	cp "$(disk_file "$device")" "$work/copy.${device##*/}"
	dst label "$device" | grep -q 'of storage "storage"' || fail "the label of $device: $(dst label "$device")"
	dst label --wipe "$device"
	expect_error 'has no label' dst label "$device"
done
server restore "$saved.server" >/dev/null
expect_error 'does not belong to the storage that asks for it' client restore --wait 5 "$saved.client"
[[ ! -e /sys/devices/storage ]] || fail "something was left behind"
server export del far --force
for device in "$far" "$near"; do
	dd if="$work/copy.${device##*/}" of="$device" bs=1M oflag=direct status=none
done
server restore "$saved.server" >/dev/null
client restore "$saved.client"
cmp -n 2000000 /dev/dst "$work/data"

say "without an identity it is a new storage"
client delete storage
server export del far --force
for device in "$far" "$near"; do blkdiscard -f "$device"; done
server restore "$saved.server" >/dev/null
expect_error 'does not belong to the storage that asks for it' client restore --wait 5 "$saved.client"
sed -i '/^uuid/d' "$saved.client"
client restore "$saved.client"

say "nor on local nodes alone"
client delete storage
client create --force storage "$near" >/dev/null
client save "$saved.local"
client delete storage
dst label --wipe "$near"
expect_error 'no node carries a label' client restore "$saved.local"
[[ ! -e /sys/devices/storage ]] || fail "something was left behind"
sed -i '/^uuid/d' "$saved.local"
client restore "$saved.local"

say "what is down is down, in the right order"
exec 3</dev/dst
expect_error '/dev/dst is open' dst down --storages --wait 1
expect_equal "exports" 2 "$(dst --json export list | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["exports"]))')"
exec 3<&-
dst down --wait 100 >"$work/out"
expect_equal "what went first" 'storage "storage" is gone' "$(head -n 1 "$work/out")"
expect_equal "what is left" 'nothing runs' "$(dst down)"
module_unload
expect_equal "without the module" 'nothing runs' "$(dst down)"
