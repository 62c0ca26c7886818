#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink family does what its specification says when the kernel's own client drives it: operations, refusals that
# name the attribute at fault, jobs and moves of nodes, strict checks, permissions, events, dumps that resume, namespaces.
# needs: losetup ip python3 setpriv unshare
# timeout: 180
. "$(dirname "$0")/lib.sh"

ynl=/share/build/ynl
[[ -d $ynl/pyynl ]] || skip "build/ynl is missing: tests/run puts the kernel's netlink client there"
export PYTHONPATH=$ynl PYTHONDONTWRITEBYTECODE=1
spec=/share/src/Documentation/netlink/specs/dst.yaml
part() { python3 "$tests/netlink.py" "$spec" "$@"; }

module_load
disk local 8M
disk exported 8M
ip link set lo up

say "the kernel's command, with its schema"
output=$(python3 "$ynl/pyynl/cli.py" --spec "$spec" --schema "$ynl/genetlink.yaml" --do info-get --json '{}')
[[ $output == *"'default-port': 1025"* ]] || fail "info-get with the kernel's command: $output"
python3 "$ynl/pyynl/cli.py" --spec "$spec" --no-schema --dump storage-get >/dev/null

for name in life jobs refusals strictness dumps; do
	say "$name"
	case $name in
	life) part $name "$local" "$exported" ;;
	jobs)
		# Unlike the others they begin with a disk that nobody has used.
		blkdiscard -f "$local" && blkdiscard -f "$exported"
		part $name "$local" "$exported"
		blkdiscard -f "$local" && blkdiscard -f "$exported"
		;;
	refusals) part $name "$local" ;;
	*) part $name ;;
	esac
done
say namespaces
ip netns add elsewhere
at_exit ip netns del elsewhere
ip -n elsewhere link set lo up
part namespaces

say "somebody who may not"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
"${nobody[@]}" python3 "$tests/netlink.py" "$spec" permissions may-not
"${nobody[@]}" --inh-caps=+net_admin --ambient-caps=+net_admin \
	python3 "$tests/netlink.py" "$spec" permissions may-not
# Root of a network namespace of its own may listen to the events of that namespace, and nothing else.
unshare --user --map-root-user --net python3 "$tests/netlink.py" "$spec" permissions may-listen
# The check can fail: with the right capability nothing is refused.
if "${nobody[@]}" --inh-caps=+sys_admin,+net_admin --ambient-caps=+sys_admin,+net_admin \
	python3 "$tests/netlink.py" "$spec" permissions may-listen 2>/dev/null; then
	fail "the check for refusals does not see what is permitted"
fi
module_unload
