#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the program tells about a running system: every field that the documentation promises is in its JSON, the values
# are true, the text says what is waited for, and exit codes are those of the table.
# needs: losetup ip python3
# timeout: 600
. "$(dirname "$0")/lib.sh"
. "$tests/helpers/data.sh"

document=/share/src/Documentation/admin/command-line.md
exits() {
	local code=$1 status=0
	shift
	"$@" >"$work/out" 2>&1 || status=$?
	expect_equal "the exit code of '$*' ($(cat "$work/out"))" "$code" "$status"
}

exits 3 dst status
exits 3 dst --json status
exits 0 dst --help
exits 2 dst --nonsense
module_load
exits 0 dst status
network server client
disk far 16M
disk near 16M
listen=$(address server):1025
on server dst export add "$far" --listen "$listen" --allow "$(address client)" --allow fd07::/64=ro --name disk1 \
	>/dev/null
on client dst create storage --connections 3 "$listen" "$near" >/dev/null
dd if=/dev/zero of=/dev/dst bs=4k count=4 oflag=direct status=none
on client dst create second --no-start --device dst-second 2>/dev/null && fail "a storage was made of nothing"

# comes_true COMMAND: it succeeds, after a while: a node may come up and I/O be counted a moment after who waits goes on.
comes_true() { wait_until 60 "$1" || "$1" || fail "$1: see above"; }

# has KIND COMMAND...: the objects of the JSON have exactly the fields that the documentation lists.
has() {
	local kind=$1
	shift
	"$@" >"$work/json"
	python3 - "$kind" "$document" "$work/json" <<-'END' || fail "the JSON of '$*' is not what the documentation says"
		import json, re, sys
		kind, document, file = sys.argv[1:]
		objects = json.load(open(file))
		assert objects["schema"] == 1, objects
		listed = re.search(r"Fields of (?:an?|the) %s: (.*?)\n\n" % kind, open(document).read(), re.S).group(1)
		fields = set(re.findall("`([a-z_]+)`", re.sub(r"\([^)]*\)", "", listed)))
		found = {"storage": lambda: objects["storages"], "export": lambda: objects["exports"],
		         "connection": lambda: objects["connections"], "module": lambda: [objects["module"]],
		         "node": lambda: objects["storages"][0]["nodes"]}[kind]()
		assert found, "there is none"
		for item in found:
		    have = set(item) - {"nodes", "jobs"}
		    assert have == fields, f"{kind}: missing {fields - have}, not documented {have - fields}"
	END
}
say "fields"
has storage on client dst --json status
has node on client dst --json status storage
has export on server dst --json export list
has connection on client dst --json connection list
has module dst --json info

say "pools"
# All are told of, and have something to do.
pools() {
	dst --json info | python3 -c '
import json, sys
info = json.load(sys.stdin)
pools = {pool["name"]: pool for pool in info.get("module", info)["pools"]}
for pool in pools.values():
    # A storage with a remote node and an export are there: their tasks live, and have run.
    if not pool["workers"] or not pool["tasks"] or not pool["polls"]:
        sys.exit(f"FAILED: the pool {pool} does nothing")'
}
comes_true pools

say "values"
storage_values() {
	on client dst --json status | python3 -c '
import json, sys
storage, = json.load(sys.stdin)["storages"]
near, listen = sys.argv[1:3]
def equal(what, have, want):
    if have != want:
        sys.exit(f"FAILED: {what} is {have!r}, not {want!r}")
equal("name", storage["name"], "storage")
equal("algorithm", storage["algorithm"], "linear")
equal("disk", storage["disk"].removeprefix("/dev/"), "dst")
equal("state", storage["state"], "running")
equal("sectors", storage["sectors"], 2 * 24576)
equal("node_count", storage["node_count"], 2)
equal("epoch", storage["epoch"], 1)
equal("openers", storage["openers"], 0)
equal("write_ios", storage["write_ios"], 4)
equal("write_bytes", storage["write_bytes"], 16384)
equal("kinds", [node["kind"] for node in storage["nodes"]], ["remote", "local"])
equal("states", [node["state"] for node in storage["nodes"]], ["up", "up"])
equal("starts", [node["start_sectors"] for node in storage["nodes"]], [0, 24576])
equal("path", storage["nodes"][1]["path"], near)
equal("type line", storage["nodes"][0]["type_line"], "R: " + listen)
' "$near" "$listen"
}
export_values() {
	on server dst --json export list | python3 -c '
import json, sys
export, = json.load(sys.stdin)["exports"]
assert (export["name"], export["clients"], export["writers"], export["state"]) == ("disk1", 1, 1, "listening"), export
assert export["write_bytes"] >= 16384, export
assert sorted((entry["prefix"], entry["access"]) for entry in export["allow"])[0] == ("10.7.0.2/32", "read-write"), export
'
}
node_connection() {
	on client dst --json connection list --storage storage | python3 -c '
import json, sys
connections = json.load(sys.stdin)["connections"]
assert len(connections) == 3, connections
for connection in connections:
    assert (connection["role"], connection["state"], connection["access"]) == ("node", "established", "read-write"), connection
    assert connection["peer"] == sys.argv[1], connection
assert sum(connection["sent_bytes"] for connection in connections) >= 16384, connections
assert sum(connection["requests"] for connection in connections) >= 4, connections
' "$listen"
}
export_connection() {
	on server dst --json connection list --export 1 | python3 -c '
import json, sys
connections = json.load(sys.stdin)["connections"]
assert len(connections) == 3, connections
for connection in connections:
    assert (connection["role"], connection["state"], connection["access"]) == ("export", "established", "read-write"), connection
    assert connection["local"] == sys.argv[1], connection
assert sum(connection["received_bytes"] for connection in connections) >= 16384, connections
assert sum(connection["requests"] for connection in connections) >= 4, connections
' "$listen"
}
for values in storage_values export_values node_connection export_connection; do comes_true $values; done

say "events"
follow_events client --json --count 3
disk other 16M
on client dst create passing --no-start --device dst-passing "$other" >/dev/null
on client dst delete passing >/dev/null
ended() { ! kill -0 "$events" 2>/dev/null; }
wait_until 60 ended || fail "nothing is heard of a storage that came and went: $(cat "$work/events")"
wait "$events" || fail "dst events: $(cat "$work/events")"
expect_equal "events" 3 "$(wc -l <"$work/events")"

say "what is waited for"
cable server down
dd if=/dev/dst of=/dev/null bs=4k count=1 skip=9 iflag=direct status=none &
reader=$!
told() { [[ $(on client dst status storage) == *degraded*"$listen"* ]]; }
wait_until 60 told || fail "dst status does not tell of the lost node: $(on client dst status storage)"
cable server up
wait "$reader" || fail "the read failed"
running() { [[ $(on client dst status storage) == *"running for"* ]]; }
wait_until 60 running || fail "dst status does not tell that the node is back: $(on client dst status storage)"

say "exit codes"
exits 5 on client dst status nothing
exits 5 on client dst delete nothing
exits 6 on client dst create storage "$near"
exits 7 on client dst create third --device dst-third "$(address server):1099"
exits 1 on client dst create third --device dst-third --alg stripe "$near"
exits 2 on client dst create third --device sda "$near"
exits 4 setpriv --reuid=65534 --regid=65534 --clear-groups dst status
exits 5 on server dst export del 77
exits 6 on server dst export del 1
expect_error '"exit_code":5' dst --json delete nothing
exits 0 on client dst delete storage
exits 0 on server dst export del 1 --force
module_unload
