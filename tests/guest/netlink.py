#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The netlink family as the kernel's own client library finds it: netlink.py SPEC PART ARGUMENT..."""

import errno
import os
import socket
import struct
import subprocess
import sys
import time

from pyynl.lib.ynl import NlError, YnlFamily

SPEC = sys.argv[1]
family = YnlFamily(SPEC, schema="")


def fail(text):
    sys.exit(f"FAILED: {text}")


def check(condition, what, extra=""):
    if not condition:
        fail(f"{what} {extra}")


def refused(what, number, text, attribute, operation, **attributes):
    """The operation must be refused with the error, a text and the attribute that is at fault or missing."""
    try:
        answer = family.do(operation, attributes)
        fail(f"{what}: not refused, {answer}")
    except NlError as error:
        ack = error.nl_msg.extack or {}
        found = ack.get("bad-attr", "." + str(ack.get("miss-type")))
        good = error.error == number and (text or "") in ack.get("msg", "") and attribute in (None, found)
        check(good, what, f"{error} {ack}")


def v4(ip, port):
    return {"family": 2, "ip": ip, "port": port}


def permissions():
    """What somebody who may not is told."""
    for operation, attributes in (("info-get", {}), ("storage-get", {"name": "s"}), ("storage-add", {"name": "s"}),
                                  ("export-del", {"id": 1}), ("node-suspend", {"storage": "s", "index": 0}),
                                  ("node-resume", {"storage": "s", "index": 0}),
                                  ("node-migrate", {"storage": "s", "index": 0, "kind": "local", "path": "/dev/x"}),
                                  ("node-replace", {"storage": "s", "index": 0, "kind": "local", "path": "/dev/x"}),
                                  ("job-begin", {"kind": "verify", "storage": "s"}), ("job-get", {"id": 1}),
                                  ("job-pause", {"id": 1}), ("job-resume", {"id": 1}), ("job-cancel", {"id": 1}),
                                  ("job-set", {"id": 1, "min-rate": 4096})):
        refused(operation, errno.EPERM, "CAP_SYS_ADMIN", None, operation, **attributes)
    for operation in ("storage-get", "node-get", "export-get", "connection-get", "job-get"):
        try:
            fail(f"a dump of {operation} is not refused: {family.dump(operation, {})}")
        except NlError as error:
            check(error.error == errno.EPERM, f"dump of {operation}", error)
    try:
        YnlFamily(SPEC, schema="").ntf_subscribe("events")
        check(sys.argv[3] == "may-listen", "a subscription to events is not refused")
    except PermissionError:
        check(sys.argv[3] != "may-listen", "a subscription is refused to root of the network namespace")


def events_of(listener, seconds=0.3):
    listener.check_ntf()
    found = []
    for event in listener.poll_ntf(duration=seconds):
        found.append(event)
    return found


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def life():
    """A storage and an export from their making to their end, with the events."""
    local, exported = sys.argv[3:5]
    listener = YnlFamily(SPEC, schema="")
    listener.ntf_subscribe("events")
    info = family.do("info-get", {})
    check(any("linear" in name for name in info["algorithm"]) and info["default-port"] == 1025, "info", info)
    made = family.do("export-add", {"path": exported, "address": v4("127.0.0.1", 1025), "name": "disk1", "allow": [
        {"ip": "127.0.0.0", "prefix-len": 8, "access": "read-write"}]})
    check(made["id"] > 0 and made["address"]["port"] == 1025, "export-add", made)
    family.do("storage-add", {"name": "s", "algorithm": "linear"})
    added = family.do("node-add", {"storage": "s", "kind": "remote", "address": v4("127.0.0.1", 1025)})
    check(added == {"storage": "s", "index": 0}, "node-add", added)
    check(family.do("node-add", {"storage": "s", "kind": "local", "path": local})["index"] == 1, "node-add")
    family.do("storage-start", {"name": "s"})
    # A start waits for the nodes, but not for long.
    wait_until(lambda: [node["state"] for node in family.dump("node-get", {"storage": "s"})] == ["up", "up"])
    wait_until(lambda: family.do("storage-get", {"name": "s"})["state"] == "running")
    events = []

    def states(kind):
        return [event["msg"]["state"] for event in events if event["name"] == kind]

    def told(kind, state):
        events.extend(events_of(listener))
        return state in states(kind)

    wait_until(lambda: told("storage-ntf", "running"))
    storage = family.do("storage-get", {"name": "s"})
    check(storage["state"] == "running" and storage["disk"] == "dst" and storage["node-count"] == 2, "storage", storage)
    check(len(storage["uuid"].replace("-", "")) == 32, "uuid", storage)
    nodes = family.dump("node-get", {"storage": "s"})
    check([node["index"] for node in nodes] == [0, 1], "nodes", nodes)
    check([node["state"] for node in nodes] == ["up", "up"], "nodes", nodes)
    check(nodes[0]["type"] == "R: 127.0.0.1:1025" and nodes[1]["type"] == f"L: {local}", "types", nodes)
    suspended = family.do("node-suspend", {"storage": "s", "path": local})
    check(suspended == {"storage": "s", "index": 1, "in-flight": 0, "queued": 0}, "node-suspend", suspended)
    node = family.do("node-get", {"storage": "s", "index": 1})
    check(node["state"] == "suspended" and node["waits-for"] == "to be resumed", "a suspended node", node)
    storage = family.do("storage-get", {"name": "s"})
    check(storage["state"] == "degraded" and storage["waits-for"] == "node 1 to be resumed", "its storage", storage)
    refused("suspended twice", errno.EALREADY, "is suspended already", None, "node-suspend", storage="s", index=1)
    check(family.do("node-resume", {"storage": "s", "index": 1}) == {"storage": "s", "index": 1}, "node-resume")
    refused("resumed twice", errno.EINVAL, "is not suspended", None, "node-resume", storage="s", index=1)
    refused("no write error", errno.EINVAL, "has no write error", None, "node-clear", storage="s", index=1)
    count = nodes[0]["connections"]
    wait_until(lambda: family.do("node-get", {"storage": "s", "index": 0})["established"] == count)
    connections = family.dump("connection-get", {})
    roles = sorted(c["role"] for c in connections)
    check(roles == ["export"] * count + ["node"] * count, "connections", connections)
    check(len({c["id"] for c in connections}) == 2 * count, "numbers of connections", connections)
    check(len(family.dump("connection-get", {"storage": "s"})) == count, "connections of the storage")
    check(len(family.dump("connection-get", {"export-id": made["id"]})) == count, "connections of the export")
    export = family.do("export-get", {"name": "disk1"})
    check(export["clients"] == 1 and export["writers"] == 1 and export["state"] == "listening", "export", export)
    refused("export in use", errno.EBUSY, "--force", None, "export-del", id=made["id"])
    family.do("export-set", {"id": made["id"], "allow": []})
    check("allow" not in family.do("export-get", {"id": made["id"]}), "an empty list")
    family.do("storage-del", {"name": "s"})
    family.do("export-del", {"id": made["id"], "del-flags": ["force"]})
    wait_until(lambda: told("storage-ntf", "stopping") and told("export-ntf", "stopping"))
    kinds = {event["name"] for event in events}
    check({"storage-ntf", "node-ntf", "export-ntf"} <= kinds, "events", kinds)
    found = states("storage-ntf")
    check(found[0] == "configuring" and "running" in found and found[-1] == "stopping", "states of the storage", found)
    found = [event["msg"]["state"] for event in events if event["name"] == "node-ntf" and event["msg"]["index"] == 1]
    check(found.count("suspended") == 1 and "up" in found[found.index("suspended"):], "states of the node", found)
    found = states("export-ntf")
    check(found[-1] == "stopping", "states of the export", found)


def refusals():
    """Each refusal names what is wrong."""
    device = sys.argv[3]
    add, node, export = "storage-add", "node-add", "export-add"
    refused("no name", errno.EINVAL, "missing", ".name", add, algorithm="linear")
    refused("unknown algorithm", errno.EINVAL, "no algorithm", ".algorithm", add, name="s", algorithm="foo")
    refused("long name", errno.EINVAL, None, ".name", add, name="x" * 64, algorithm="linear")
    refused("short uuid", errno.ERANGE, None, ".uuid", add, name="s", algorithm="linear", uuid=b"0123")
    refused("name of the kernel", errno.EINVAL, "the kernel uses", ".name", add, name="system", algorithm="linear")
    refused("name of a partition", errno.EINVAL, None, ".disk", add, name="s", algorithm="linear", disk="dst1")
    family.do(add, {"name": "s", "algorithm": "linear"})
    refused("twice", errno.EEXIST, "already", ".name", add, name="s", algorithm="linear")
    refused("its disk twice", errno.EEXIST, "belongs to", ".disk", add, name="t", algorithm="linear", disk="dst")
    refused("no path", errno.EINVAL, "path", ".path", node, storage="s", kind="local")
    refused("relative path", errno.EINVAL, "absolute", ".path", node, storage="s", kind="local", path="sdb")
    refused("path and address", errno.EINVAL, None, ".address", node, storage="s", kind="local", path=device,
            address=v4("127.0.0.1", 1))
    refused("no address", errno.EINVAL, "missing", ".address", node, storage="s", kind="remote")
    refused("no port", errno.EINVAL, "port", None, node, storage="s", kind="remote",
            address={"family": 2, "ip": "10.0.0.1"})
    refused("family", errno.EAFNOSUPPORT, "family 10", None, node, storage="s", kind="remote",
            address={"family": 10, "ip": "10.0.0.1", "port": 3})
    refused("no storage", errno.ENOENT, 'no storage "x"', ".storage", node, storage="x", kind="local", path=device)
    remote = {"storage": "s", "kind": "remote", "address": v4("127.0.0.1", 1)}
    refused("17 connections", errno.ERANGE, None, ".connections", node, connections=17, **remote)
    refused("no time to be silent", errno.EINVAL, "1000 to 86400000", ".keepalive", node, keepalive=999, **remote)
    refused("a long time-out", errno.EINVAL, "1 to 86400000", ".request-timeout", node,
            **{"request-timeout": 86400001}, **remote)
    refused("many tries", errno.EINVAL, "1 to 1000", ".request-tries", node, **{"request-tries": 1001}, **remote)
    refused("tries without a time-out", errno.EINVAL, "no", ".request-tries", node,
            **{"request-tries": 1, "request-timeout": 0}, **remote)
    refused("a flag that is only told", errno.EINVAL, "only told", ".flags", node, flags=["default-connections"],
            **remote)
    refused("no device", errno.ENOENT, "no such file", ".path", node, storage="s", kind="local", path="/dev/nothing")
    refused("nothing there", errno.ECONNREFUSED, "nothing is exported there", ".address", node, storage="s",
            kind="remote", address=v4("127.0.0.1", 9))
    refused("no node", errno.ENOENT, "no such node", ".index", "node-del", storage="s", index=7)
    for what in "node-suspend", "node-resume":
        refused("which node", errno.EINVAL, "which node?", ".index", what, storage="s")
        refused("no name", errno.EINVAL, "missing", ".storage", what, index=0)
        refused("no storage", errno.ENOENT, 'no storage "x"', ".storage", what, storage="x", index=0)
        refused("not started", errno.EINVAL, "is not started", ".storage", what, storage="s", index=0)
        refused("index out of range", errno.ERANGE, None, ".index", what, storage="s", index=65536)
    refused("nothing to start", errno.EINVAL, "no nodes", None, "storage-start", name="s")
    refused("any address", errno.EINVAL, "any-address", ".address", export, path=device, address=v4("0.0.0.0", 1025))
    refused("prefix", errno.EINVAL, "behind the prefix", None, export, path=device, address=v4("127.0.0.1", 1025),
            allow=[{"ip": "10.0.0.1", "prefix-len": 8, "access": "read-only"}])
    refused("257 entries", errno.E2BIG, "256", None, export, path=device, address=v4("127.0.0.1", 1025), allow=[
        {"ip": f"10.{i // 256}.{i % 256}.0", "prefix-len": 24, "access": "read-only"} for i in range(257)])
    change = "storage-set"
    refused("nothing to change", errno.EINVAL, "nothing to change", ".workers", change, name="s")
    refused("no workers", errno.EINVAL, "1 to 1024", ".workers", change, name="s", workers=0)
    refused("too many workers", errno.EINVAL, "1 to 1024", ".workers", change, name="s", workers=1025)
    refused("nice", errno.EINVAL, "-20 to 19", ".worker-nice", change, name="s", **{"worker-nice": 20})
    refused("nicer", errno.EINVAL, "-20 to 19", ".worker-nice", change, name="s", **{"worker-nice": -21})
    refused("no list", errno.EINVAL, "no list", ".worker-cpus", change, name="s", **{"worker-cpus": "0-"})
    refused("far CPU", errno.ERANGE, "cannot have", ".worker-cpus", change, name="s", **{"worker-cpus": "99999"})
    refused("long list", errno.EINVAL, None, ".worker-cpus", change, name="s", **{"worker-cpus": "0," * 64 + "0"})
    refused("whose", errno.ENOENT, "no storage", ".name", change, name="x", workers=3)
    family.do("storage-del", {"name": "s"})
    refused("deleted", errno.ENOENT, "no storage", ".name", "storage-del", name="s")


def refused_jobs(spare):
    """Each refusal of a job, and of a move, names what is wrong; none of them begins anything."""
    begin, verify = "job-begin", {"kind": "verify", "storage": "s"}
    refused("no kind", errno.EINVAL, "missing", ".kind", begin, storage="s")
    refused("no storage", errno.EINVAL, "missing", ".storage", begin, kind="verify")
    refused("a move as a job", errno.EINVAL, "node-migrate", ".kind", begin, kind="migrate", storage="s")
    refused("whose job", errno.ENOENT, 'no storage "x"', ".storage", begin, kind="verify", storage="x")
    refused("a long name", errno.EINVAL, None, ".storage", begin, kind="verify", storage="x" * 64)
    refused("which node", errno.ENOENT, "no such node", ".node-index", begin, **verify, **{"node-index": 7})
    for name in "rate-limit", "min-rate":
        refused(f"a {name} of little", errno.EINVAL, "too low", f".{name}", begin, **verify, **{name: 4095})
    rate = {"min-rate": 4096}
    for what, more in (("get", {}), ("pause", {}), ("resume", {}), ("cancel", {}), ("set", rate)):
        refused(f"{what}: no number", errno.EINVAL, "missing", ".id", f"job-{what}", **more)
        refused(f"{what}: whose number", errno.ENOENT, "no job 4711", ".id", f"job-{what}", id=4711, **more)
    there = {"kind": "local", "path": spare}
    for what in "node-migrate", "node-replace":
        refused(f"{what}: no storage", errno.EINVAL, "missing", ".storage", what, index=0, **there)
        refused(f"{what}: no node", errno.EINVAL, "missing", ".index", what, storage="s", **there)
        refused(f"{what}: no kind", errno.EINVAL, "missing", ".kind", what, storage="s", index=0, path=spare)
        refused(f"{what}: no path", errno.EINVAL, "missing", ".path", what, storage="s", index=0, kind="local")
        refused(f"{what}: no address", errno.EINVAL, "missing", ".address", what, storage="s", index=0, kind="remote")
        refused(f"{what}: not its kind", errno.EINVAL, "only a remote", ".export", what, storage="s", index=0,
                export="e", **there)
        refused(f"{what}: a relative path", errno.EINVAL, "absolute", ".path", what, storage="s", index=0, kind="local",
                path="sdb")
        refused(f"{what}: no device", errno.ENOENT, "no such file", ".path", what, storage="s", index=0, kind="local",
                path="/dev/nothing")
        refused(f"{what}: whose node", errno.ENOENT, 'no storage "x"', ".storage", what, storage="x", index=0, **there)
        refused(f"{what}: which node", errno.ENOENT, "no such node", ".index", what, storage="s", index=7, **there)
        refused(f"{what}: index out of range", errno.ERANGE, None, ".index", what, storage="s", index=65536, **there)
        refused(f"{what}: a flag that is only told", errno.EINVAL, "only told", ".flags", what, storage="s", index=0,
                flags=["default-connections"], **there)
        for name in "rate-limit", "min-rate":
            refused(f"{what}: a {name} of little", errno.EINVAL, "too low", f".{name}", what, storage="s", index=0,
                    **there, **{name: 4095})
    check(family.dump("job-get", {}) == [], "a job that was refused is there")


def jobs():
    """Jobs from their beginning to their end, moves among them, with refusals and events."""
    local, spare = sys.argv[3:5]
    listener = YnlFamily(SPEC, schema="")
    listener.ntf_subscribe("events")
    family.do("storage-add", {"name": "s", "algorithm": "linear"})
    family.do("node-add", {"storage": "s", "kind": "local", "path": local})
    family.do("storage-start", {"name": "s"})
    wait_until(lambda: family.do("storage-get", {"name": "s"})["state"] == "running")
    refused_jobs(spare)

    def job(number):
        return family.do("job-get", {"id": number})

    def comes_to(number, state):
        wait_until(lambda: job(number)["state"] == state)
        check(job(number)["state"] == state, f"the job should be {state}:", job(number))

    verify, slow = {"kind": "verify", "storage": "s"}, {"rate-limit": 8192, "min-rate": 4096}
    made = family.do("job-begin", {**verify, **slow})
    check(list(made) == ["id"], "job-begin", made)
    first, told = made["id"], job(made["id"])
    check((told["kind"], told["state"], told["storage"]) == ("verify", "running", "s"), "job-get", told)
    check((told["rate-limit"], told["min-rate"]) == (8192, 4096), "its rates", told)
    check(told["total"] == 512 * family.do("storage-get", {"name": "s"})["sectors"], "its size", told)
    check("node-index" not in told and "bad-sector" not in told, "a job on all nodes", told)
    refused("beside a job", errno.EBUSY, f"job {first} (verify) works on all nodes", ".storage", "job-begin", **verify)
    for what in "node-migrate", "node-replace":
        refused(f"{what} beside a job", errno.EBUSY, "works on all nodes", ".storage", what, storage="s", index=0,
                kind="local", path=spare)
    refused("not paused", errno.EINVAL, "is not paused", ".id", "job-resume", id=first)
    check(family.do("job-pause", {"id": first}) is None, "job-pause")
    comes_to(first, "paused")
    refused("paused twice", errno.EALREADY, "is paused already", ".id", "job-pause", id=first)
    refused("nothing to change", errno.EINVAL, "nothing to change", ".rate-limit", "job-set", id=first)
    refused("a low limit", errno.EINVAL, "too low", ".rate-limit", "job-set", id=first, **{"rate-limit": 1})
    refused("a low rate", errno.EINVAL, "too low", ".min-rate", "job-set", id=first, **{"min-rate": 0})
    check((job(first)["rate-limit"], job(first)["min-rate"]) == (8192, 4096), "rates after refusals", job(first))
    family.do("job-set", {"id": first, "rate-limit": 0})
    check("rate-limit" not in job(first) and job(first)["min-rate"] == 4096, "no limit", job(first))
    family.do("job-set", {"id": first, "rate-limit": 4096, "min-rate": 5000})
    check((job(first)["rate-limit"], job(first)["min-rate"]) == (4096, 5000), "other rates", job(first))
    family.do("job-resume", {"id": first})
    comes_to(first, "running")
    family.do("job-cancel", {"id": first})
    comes_to(first, "cancelled")
    check(job(first)["reason"] == "an administrator has cancelled it", "why", job(first))
    for what, more in (("pause", {}), ("resume", {}), ("cancel", {}), ("set", {"min-rate": 4096})):
        refused(f"{what} after the end", errno.ESRCH, "has ended", ".id", f"job-{what}", id=first, **more)

    there = {"storage": "s", "index": 0, "kind": "local", "path": spare}
    made = family.do("node-migrate", {**there, **slow})
    second = made["job"]
    check(made == {"storage": "s", "index": 0, "job": second} and second > first, "node-migrate", made)
    told = job(second)
    check((told["kind"], told["node-index"], told["rate-limit"]) == ("migrate", 0, 8192), "the move", told)
    works = f"job {second} (migrate) works on node 0"
    refused("moved twice", errno.EBUSY, works, ".index", "node-migrate", **there)
    refused("replaced beside a move", errno.EBUSY, "is being moved", None, "node-replace", **there)
    refused("a job on the node", errno.EBUSY, works, ".node-index", "job-begin", **verify, **{"node-index": 0})
    refused("a job on all nodes", errno.EBUSY, works, None, "job-begin", **verify)
    family.do("job-cancel", {"id": second})
    comes_to(second, "cancelled")
    # Another disk in the place of the node: that is a move again.
    made = family.do("node-replace", {**there, "flags": ["force"]})
    third = made["job"]
    check(made == {"storage": "s", "index": 0, "state": "up", "job": third} and third > second, "node-replace", made)
    comes_to(third, "done")
    check(family.do("node-get", {"storage": "s", "index": 0})["path"] == spare, "the place of the node")
    check([told["id"] for told in family.dump("job-get", {})] == [first, second, third], "the dump of jobs")

    found = {}

    def told_all():
        for event in events_of(listener):
            if event["name"] == "job-ntf":
                found.setdefault(event["msg"]["id"], []).append(event["msg"]["state"])
        return found.get(third, [""])[-1] == "done"

    wait_until(told_all)
    states = found[first]
    check(states[0] == "running" and "paused" in states and "running" in states[states.index("paused"):] and
          states[-1] == "cancelled", "events of a job", states)
    check(found[second][0] == "running" and found[second][-1] == "cancelled", "events of a move", found)
    check(found[third][0] == "running" and found[third][-1] == "done", "events of a move", found)
    family.do("storage-del", {"name": "s"})


def attribute(kind, content):
    return struct.pack("HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def raw(command, attributes, flags=5, reserved=0):
    """Sends a message as it is given; returns the error and the whole answer."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    link.bind((0, 0))
    link.setsockopt(270, 11, 1)
    body = struct.pack("BBH", command, 1, reserved) + attributes
    link.send(struct.pack("IHHII", 16 + len(body), family.nlproto.family_id, flags, 1, 0) + body)
    answer = link.recv(65536)
    kind = struct.unpack_from("IH", answer)[1]
    return struct.unpack_from("i", answer, 16)[0] if kind == 2 else 0, answer


def strictness():
    """Nothing unknown or malformed is accepted."""
    family.do("storage-add", {"name": "s", "algorithm": "linear"})
    name = attribute(1, b"s\0")
    no_job, job_number = struct.pack("I", 4711), family.attr_sets["node"]["job"].value
    verify = attribute(2, bytes(4)) + attribute(3, b"s\0")
    move = name + attribute(2, bytes(4)) + attribute(3, bytes(4)) + attribute(4, b"/dev/x\0")
    check(raw(4, name)[0] == 0, "the raw message for storage-get is wrong")
    # Without what is wrong with them below these come as far as to what they are about.
    for command, content, text in ((22, verify, b"not started"), (25, attribute(1, no_job), b"no job"),
                                   (29, move, b"no such node"), (30, move, b"not started")):
        answer = raw(command, content)[1]
        check(text in answer, f"the raw message of command {command} is wrong:", answer[:200])
    for what, command, content in (
        ("attribute beyond the last", 4, name + attribute(200, b"abcd")),
        ("attribute of another operation", 4, name + attribute(2, b"linear\0")),
        ("short number", 1, attribute(1, b"t\0") + attribute(2, b"linear\0") + attribute(5, b"\1\0")),
        ("unknown flag", 1, attribute(1, b"t\0") + attribute(2, b"linear\0") + attribute(5, struct.pack("I", 1 << 9))),
        ("string without its end", 4, attribute(1, b"s")),
        ("trailing byte", 4, name + b"\1"),
        ("attribute longer than the message", 4, struct.pack("HH", 60, 1) + b"s\0\0\0"),
        ("attributes where none are taken", 17, name),
        ("no such command", 99, b""),
        ("notification as a command", 5, b""),
        ("nest that is none", 6, name + attribute(3, struct.pack("I", 1)) + attribute(5, bytes(8))),
        ("unknown in a nest", 6, name + attribute(3, struct.pack("I", 1)) + attribute(5 | 0x8000, attribute(9, b"ab\0\0"))),
        ("enum out of range", 6, name + attribute(3, struct.pack("I", 9))),
        ("name that is not UTF-8", 4, attribute(1, b"\xff\xfe\0")),
        ("suspension with a flag", 19, name + attribute(2, bytes(4)) + attribute(9, bytes(4))),
        ("short time limit", 19, name + attribute(2, bytes(4)) + attribute(34, b"\1\0")),
        ("time limit of a resumption", 20, name + attribute(2, bytes(4)) + attribute(34, bytes(4))),
        ("kind of jobs beyond the last", 22, attribute(2, struct.pack("I", 2)) + attribute(3, b"s\0")),
        ("state of a job that is to begin", 22, verify + attribute(5, bytes(4))),
        ("number of a job that is to begin", 22, verify + attribute(1, no_job)),
        ("rate of three bytes", 22, verify + attribute(14, b"\0\x20\0")),
        ("storage of a job that has a number", 23, attribute(1, no_job) + attribute(3, b"s\0")),
        ("short number of a job", 25, attribute(1, b"\1\0")),
        ("rate of a pause", 25, attribute(1, no_job) + attribute(14, bytes(8))),
        ("rate of a resumption", 26, attribute(1, no_job) + attribute(14, bytes(8))),
        ("reason of a cancellation", 27, attribute(1, no_job) + attribute(6, b"so\0")),
        ("kind of a job that is changed", 28, attribute(1, no_job) + attribute(15, bytes(8)) + attribute(2, bytes(4))),
        ("start of a node that moves", 29, move + attribute(7, bytes(8))),
        ("flag of a node that moves", 29, move + attribute(9, struct.pack("I", 1 << 9))),
        ("number of the job that moves a node", 30, move + attribute(job_number, no_job)),
        ("size of a node that is replaced", 30, move + attribute(8, bytes(8))),
    ):
        error, answer = raw(command, content)
        taken = any(text in answer for text in (b"not started", b"no job", b"no such node"))
        check(error < 0 and not taken, f"{what} is accepted:", answer[:200])
    check(raw(4, name, reserved=5)[0] == -errno.EINVAL, "a reserved field is accepted")
    family.do("storage-del", {"name": "s"})


def dumps():
    """Dumps of more than fits into a message go on where they stopped, and tell when something changed meanwhile."""
    count = 120
    for number in range(count):
        family.do("storage-add", {"name": f"many{number}", "algorithm": "linear", "disk": f"dst-m{number}x"})
    small = YnlFamily(SPEC, schema="", recv_size=4000)
    for what, client in (("large", family), ("small", small)):
        names = [storage["name"] for storage in client.dump("storage-get", {})]
        check(sorted(names) == sorted(f"many{i}" for i in range(count)), f"a dump with {what} buffers:", names)
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    link.bind((0, 0))
    link.send(struct.pack("IHHII", 20, family.nlproto.family_id, 0x301, 1, 0) + struct.pack("BBH", 4, 1, 0))
    # The kernel prepares as much as was asked for the last time: little, so that much is left to be told.
    link.recv(4096)
    family.do("storage-del", {"name": f"many{count - 1}"})
    interrupted = done = False
    while not done:
        data, offset = link.recv(65536), 0
        while offset < len(data):
            length, kind, flags = struct.unpack_from("IHH", data, offset)
            interrupted |= bool(flags & 0x10)
            done |= kind == 3
            offset += (length + 3) & ~3
    check(interrupted, "a dump during which something changed does not say so")
    link.close()
    # A dump that is not read to its end holds the module until the socket is closed.
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    link.bind((0, 0))
    link.send(struct.pack("IHHII", 20, family.nlproto.family_id, 0x301, 1, 0) + struct.pack("BBH", 4, 1, 0))
    check(subprocess.run(["rmmod", "dst_blk"], capture_output=True).returncode != 0, "rmmod works during a dump")
    link.close()
    for number in range(count - 1):
        family.do("storage-del", {"name": f"many{number}"})
    check(family.dump("storage-get", {}) == [], "storages are left")


def namespaces():
    """Events go to the namespace of what they tell of."""
    listener = YnlFamily(SPEC, schema="")
    listener.ntf_subscribe("events")
    script = f"""
import sys
from pyynl.lib.ynl import YnlFamily
family, listener = YnlFamily({SPEC!r}, schema=""), YnlFamily({SPEC!r}, schema="")
listener.ntf_subscribe("events")
family.do("storage-add", {{"name": "elsewhere", "algorithm": "linear"}})
print(next(listener.poll_ntf(duration=60))["msg"]["name"])
"""
    done = subprocess.run(["ip", "netns", "exec", "elsewhere", sys.executable, "-c", script], capture_output=True,
                          text=True, timeout=120)
    check(done.stdout.strip() == "elsewhere", "the event of a storage in its namespace:", done.stdout + done.stderr)
    check(events_of(listener) == [], "the event of a storage in another namespace")
    netns = family.do("storage-get", {"name": "elsewhere"})["netns"]
    check(netns != os.stat("/proc/self/ns/net").st_ino, "the namespace of a storage:", netns)
    family.do("storage-del", {"name": "elsewhere"})


globals()[sys.argv[2]]()
