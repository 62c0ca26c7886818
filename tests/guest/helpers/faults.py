# SPDX-License-Identifier: GPL-2.0
"""Lets the allocations of modules fail, each in turn, and looks what DST makes of it.

An allocation belongs to a module if a function of any module is on the stack; so work of kernel threads counts too. Its
number is exact: the kernel counts allocations only while it is to let each n-th fail, so requests for information are
made until one fails, and the n-th after that is the n-th of what is tested.

With STEP=n in the environment only each n-th allocation fails; SHIFT=n says which. ONLY=REGEX chooses operations. Where
one takes longer than WATCH seconds, what DST's tasks wait for is printed.
"""

import errno
import glob
import os
import re
import signal
import socket
import struct
import sys
import time

from pyynl.lib.ynl import NlError, YnlFamily

STEP, SHIFT = int(os.environ.get("STEP", 1)), int(os.environ.get("SHIFT", 0))
WATCH = int(os.environ.get("WATCH", 60))
FAULTS = "/sys/kernel/debug/"
KINDS = ("failslab", "fail_page_alloc")
# Where the kernel puts modules on this architecture.
MODULES = ("0xffffffffa0000000", "0xffffffffff000000")
# More than any operation allocates.
MOST = 5000
# What a request may answer when there is no memory. The kernel says ENFILE when it cannot allocate a socket.
CLEAN = {errno.ENOMEM, errno.ENOBUFS, errno.ENFILE}


def fail(text):
    sys.exit(f"FAILED: {text}")


def put(path, value):
    with open(path, "w") as file:
        file.write(str(value))


def get(path):
    with open(path) as file:
        return file.read().strip()


def patiently(condition, seconds=60):
    """Waits until the condition holds; whether it did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def of_kmemleak():
    """Where the code is that notes each allocation for the search for leaks, and allocates for that itself."""
    if not searches():
        return 0, 0
    begin, end = re.search(r"^(\w+) t __alloc_object\n(?:.*\n)*?(?!\1)(\w+)", get("/proc/kallsyms"), re.M).groups()
    return int(begin, 16), int(end, 16)


def searches():
    """Whether this kernel can search for leaks."""
    try:
        put("/sys/kernel/debug/kmemleak", "nothing")
    except OSError as error:
        # It knows no such command; where it was switched off it takes none.
        return error.errno == errno.EINVAL
    return False


def aim():
    """Only what modules, or what they call, allocate is to fail; also what may wait for memory, and single pages."""
    reject = of_kmemleak()
    for kind in KINDS:
        put(f"{FAULTS}{kind}/probability", 0)
        put(f"{FAULTS}{kind}/verbose", os.environ.get("VERBOSE", 0))
        put(f"{FAULTS}{kind}/ignore-gfp-wait", "N")
        put(f"{FAULTS}{kind}/stacktrace-depth", 32)
        put(f"{FAULTS}{kind}/require-start", MODULES[0])
        put(f"{FAULTS}{kind}/require-end", MODULES[1])
        put(f"{FAULTS}{kind}/reject-start", hex(reject[0]))
        put(f"{FAULTS}{kind}/reject-end", hex(reject[1]))
    put(f"{FAULTS}fail_page_alloc/min-order", 0)
    put(f"{FAULTS}fail_page_alloc/ignore-gfp-highmem", "N")


class Fault:
    """One allocation of the given kind that fails, made and taken back."""

    def __init__(self, kind, ask):
        self.folder, self.kind, self.ask = FAULTS + kind, kind, ask

    def set(self, interval, space):
        put(f"{self.folder}/probability", 0)
        put(f"{self.folder}/interval", interval)
        put(f"{self.folder}/space", space)
        put(f"{self.folder}/times", 1)
        put(f"{self.folder}/probability", 100)

    def arm(self, nth):
        """The nth allocation from now on fails."""
        if self.kind == "fail_page_alloc":
            # The room that is left is counted down by the pages of each allocation.
            self.set(1, nth)
            return
        if nth > 1:
            self.set(nth, 0)
            for _ in range(MOST):
                if get(f"{self.folder}/times") == "0":
                    break
                self.ask()
            else:
                fail("requests for information allocate nothing")
        self.set(nth, 0)

    def disarm(self):
        """Whether it has failed."""
        put(f"{self.folder}/probability", 0)
        return get(f"{self.folder}/times") == "0"


class Driver:
    """The module, over netlink."""

    def __init__(self, spec):
        self.family = YnlFamily(spec, schema="")
        self.link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.link.bind((0, 0))
        self.question = struct.pack("IHHII", 20, self.family.nlproto.family_id, 1, 1, 0) + struct.pack("BBH", 17, 1, 0)

    def ask(self):
        """One request for information, as cheap as it can be made."""
        self.link.send(self.question)
        self.link.recv(65536)

    def do(self, operation, **attributes):
        return self.family.do(operation, {name.replace("_", "-"): value for name, value in attributes.items()})

    def state(self):
        """All that can be seen of DST."""
        dump = self.family.dump
        return {
            "storages": [(s["name"], s["state"], s["node-count"], s.get("sectors"), s.get("logical-block"))
                         for s in dump("storage-get", {})],
            "nodes": [(n["index"], n["state"]) for n in dump("node-get", {})],
            "exports": [(e["name"], e["state"], e["clients"]) for e in dump("export-get", {})],
            "connections": sorted(c["role"] for c in dump("connection-get", {})),
            "directories": sorted(os.listdir("/sys/devices") + glob.glob("/sys/devices/*/n-*")),
            "disk": os.path.exists("/dev/dst"),
            # Without the numbers of exports and workers: others may have come in the place of those that were there.
            "threads": sorted(re.sub("(-[0-9]+)?/.*", "", name) for name in commands() if name.startswith("dst_")),
        }

    def attempt(self, fault, nth, act):
        """Runs act with an allocation failing: the error, its number, what it says, and whether there were so many."""
        fault.arm(nth)
        error = number = None
        text = ""
        try:
            act()
        except NlError as found:
            error, number, text = found, found.error, (found.nl_msg.extack or {}).get("msg", "")
        except OSError as found:
            # Of the disk, or of netlink when it has no memory for an acknowledgement.
            error, number, text = found, found.errno, "(without an answer)"
        return error, number, text, fault.disarm()

    def settle(self, where, before, patience, view=lambda state: state):
        """Waits until all that view shows is as it was before."""
        if not patiently(lambda: view(self.state()) == view(before), patience):
            fail(f"{where}: something is left:\n{before}\n{self.state()}\n{waiting()}")

    def sweep(self, what, act, undo, works=lambda: True, clean=frozenset(), patience=60, renew=None):
        """Runs act with its first allocation failing, then its second, and so on until one is more than it makes.

        It must succeed, and then works must tell so after a while, and undo must be possible; or say why not, and then
        all is as it was. With renew a failure may cost connections, which that makes again.
        """
        if not re.search(os.environ.get("ONLY", ""), what):
            return
        for kind in KINDS:
            fault = Fault(kind, self.ask)
            needed = tried = 0
            texts = {}
            before = self.state()
            begin = time.monotonic()
            for nth in range(1 + SHIFT, MOST, STEP):
                where = f"{what}: {kind} {nth}"
                started = time.monotonic()
                watch(where)
                error, number, text, hit = self.attempt(fault, nth, act)
                if error is None:
                    works() or fail(f"{where}: it does not work: {self.state()}\n{waiting()}")
                    undo()
                else:
                    hit or fail(f"{where}: it fails although every allocation succeeded: {error}")
                    number in CLEAN | clean or fail(f"{where}: {error} {text}")
                    needed += 1
                    texts[(errno.errorcode[number], text)] = nth
                    if renew:
                        self.settle(f"{where} ({error})", before, patience, unconnected)
                        renew()
                self.settle(f"{where} ({error})", before, patience)
                if time.monotonic() - started > 5:
                    print(f"# {where}: {time.monotonic() - started:.1f} s, {error or 'success'}", flush=True)
                if not hit:
                    break
                tried += 1
            else:
                fail(f"{what}: more than {MOST} allocations")
            watch(None)
            print(f"# {what}: {kind}: {nth - 1} allocations, {tried} failed, {needed} were needed,",
                  f"{time.monotonic() - begin:.1f} s")
            for (name, text), last in sorted(texts.items()):
                print(f"#     {last}: {name} {text}")
            sys.stdout.flush()


def unconnected(state):
    """The state without what tells of connections."""
    return {**state, "connections": None, "exports": [export[:2] for export in state["exports"]]}


def watch(where):
    """Tells each minute, or each WATCH seconds, what is waited for, until it is called again."""
    def tell(*_):
        print(f"# {where}: no end for {WATCH} s\n{waiting()}", flush=True)
        signal.alarm(WATCH)
    signal.signal(signal.SIGALRM, tell)
    signal.alarm(WATCH if where else 0)


def waiting():
    """What the tasks of DST wait for."""
    return get("/sys/kernel/debug/dst/tasks")


def commands():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield get(f"/proc/{pid}/comm")
        except OSError:
            pass
