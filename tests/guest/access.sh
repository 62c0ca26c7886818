#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An export serves whom its address list names and nobody else, at once when the list changes, over IPv4 and IPv6, and
# enforces on its own side who may only read; one session writes unless several are allowed to.
# needs: losetup ip python3 cmp
# timeout: 300
. "$(dirname "$0")/lib.sh"

export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1
module_load
network server one two
disk backing 8M
pattern $((4 << 20)) 3 >"$work/content"
dd if="$work/content" of="$backing" bs=1M conv=notrunc status=none
four=$(address server):1025
six="[$(address6 server)]:1025"
serve() { on server dst export add "$backing" "$@" >/dev/null; }
unserve() { on server dst export del "$backing" --force >/dev/null; }
allow() {
	local entries=()
	for entry; do entries+=(--allow "$entry"); done
	on server dst export set "$backing" "${entries[@]}" >/dev/null
}

# reach MACHINE ADDRESS: what the machine may do there, as its hello is answered.
reach() {
	on "$1" python3 - "$2" <<-'END'
		import sys, peer
		def status(flags):
		    try:
		        client = peer.Peer(sys.argv[1])
		        reply = client.open(flags=flags, session=b"reach%011d" % flags)
		    except (peer.Closed, ConnectionError):
		        # Strangers may be told, or not.
		        return peer.NOT_ALLOWED
		    if reply.status == peer.OK:
		        # It may go only when it has gone there too, or it bars the next one.
		        client.send(peer.message(peer.GOODBYE, length=1))
		        client.until_closed()
		    return reply.status
		def free():
		    return status(peer.WANT_WRITE) != peer.BUSY
		if not peer.wait_until(60, free):
		    sys.exit("a writer is there")
		names = {peer.OK: "yes", peer.NOT_ALLOWED: "nobody", peer.READ_ONLY: "no"}
		print(names.get(status(0), status(0)), names.get(status(peer.WANT_WRITE), status(peer.WANT_WRITE)))
	END
}
nobody="nobody nobody" reader="yes no" writer="yes yes"

say "who may"
serve --listen "$four"
expect_equal "by default" "$nobody" "$(reach one "$(address server)")"
expect_error "address list" on one dst create storage "$four"
allow "$(address one)"
expect_equal "an address" "$writer" "$(reach one "$(address server)")"
expect_equal "the address beside it" "$nobody" "$(reach two "$(address server)")"
allow "10.7.0.0/24=ro" "$(address one)=rw"
expect_equal "the longest prefix" "$writer" "$(reach one "$(address server)")"
expect_equal "the prefix around it" "$reader" "$(reach two "$(address server)")"
allow "10.7.0.0/24" "$(address two)=ro"
expect_equal "a longer prefix that allows less" "$reader" "$(reach two "$(address server)")"
allow 10.7.0.0/30=ro "$(address6 two)"
expect_equal "a prefix of 30 bits" "$reader" "$(reach two "$(address server)")"
allow 10.7.1.0/24 "$(address6 two)"
expect_equal "another prefix" "$nobody" "$(reach two "$(address server)")"
allow ::ffff:10.7.0.2/128
expect_equal "a mapped address" "$writer" "$(reach one "$(address server)")"
on server dst export set "$backing" --nobody >/dev/null
expect_equal "nobody" "$nobody" "$(reach one "$(address server)")"
unserve

serve --listen "$six" --allow "$(address6 one)" --allow fd07::/64=ro
expect_equal "an IPv6 address" "$writer" "$(reach one "$(address6 server)")"
expect_equal "an IPv6 prefix" "$reader" "$(reach two "$(address6 server)")"
allow fd08::/64 0.0.0.0/0
expect_equal "another IPv6 prefix" "$nobody" "$(reach two "$(address6 server)")"
unserve
serve --any-address --listen '[::]:1025' --allow "$(address one)=ro" --allow "$(address6 one)"
expect_equal "IPv4 on an IPv6 socket" "$reader" "$(reach one "$(address server)")"
expect_equal "IPv6 on the same" "$writer" "$(reach one "$(address6 server)")"
expect_equal "another machine on the same" "$nobody" "$(reach two "$(address server)")"
unserve

say "reading only"
serve --listen "$four" --allow 10.7.0.0/24=ro
expect_error "read-only" on one dst create storage "$four"
# What may only be read makes a disk that can only be read, whether that was asked for or not.
on one dst create storage --raw "$four" >/dev/null
expect_equal "ro of the disk" 1 "$(blockdev --getro /dev/dst)"
on one dst delete storage >/dev/null
on one dst create storage --raw --read-only "$four" >/dev/null
expect_equal "ro of the disk" 1 "$(blockdev --getro /dev/dst)"
cmp -n 4194304 /dev/dst "$work/content"
if dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none 2>/dev/null; then
	fail "a disk that is read-only was written to"
fi
on one dst delete storage >/dev/null
unserve
serve --read-only --listen "$four" --allow 10.7.0.0/24
expect_equal "a read-only export" "$reader" "$(reach one "$(address server)")"
unserve

say "at once"
serve --listen "$four" --allow "$(address one)"
on one dst create storage --raw --fail-fast "$four" >/dev/null
writes() { dd if="$work/content" of=/dev/dst bs=1M count=1 oflag=direct status=none; }
wait_until 60 writes || fail "a client that may write cannot"
allow "$(address one)=ro"
if dd if=/dev/zero of=/dev/dst bs=4k count=1 oflag=direct status=none 2>/dev/null; then
	fail "a client that may only read by now has written"
fi
cmp -n 4194304 "$(disk_file "$backing")" "$work/content"
allow "$(address one)"
wait_until 60 writes || fail "a client that may write again cannot"
on server dst export set "$backing" --nobody >/dev/null
if dd if=/dev/dst of=/dev/null bs=4k count=1 iflag=direct status=none 2>/dev/null; then
	fail "a client that was struck off the list still reads"
fi
allow "$(address one)"
wait_until 60 writes || fail "a client that is on the list again cannot write"

say "one writer"
allow 10.7.0.0/24
expect_error "is writing to it; one client may" on two dst create second --raw --device dst-second "$four"
on two dst create second --raw --read-only --device dst-second "$four" >/dev/null
cmp -n 1048576 /dev/dst-second "$work/content"
on two dst delete second >/dev/null
on one dst delete storage >/dev/null
second() { on two dst create second --raw --device dst-second "$four"; }
wait_until 60 second || fail "a client cannot write after the one before has gone"
on two dst delete second >/dev/null
unserve
serve --listen "$four" --allow 10.7.0.0/24 --shared
on one dst create storage --raw "$four" >/dev/null
on two dst create second --raw --device dst-second "$four" >/dev/null
expect_equal "writers of a shared export" 2 "$(on server dst --json export list | grep -o '"writers":[0-9]*' | cut -d: -f2)"
dd if=/dev/urandom of=/dev/dst-second bs=64k count=1 oflag=direct status=none
dd if=/dev/dst of="$work/read" bs=64k count=1 iflag=direct status=none
cmp -n 65536 "$work/read" "$(disk_file "$backing")"
on two dst delete second >/dev/null
on one dst delete storage >/dev/null
unserve
module_unload
