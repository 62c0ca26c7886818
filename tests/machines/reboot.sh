#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Machines that start and stop as installed ones do, under systemd, bring back by themselves what was saved: exports, a
# storage made of them, and the filesystem on it from fstab. Each stops in order, the filesystem before the storage and
# both before the network, and does not hang; everything that was written by then is there afterwards, also if the
# disk is still in use in the end. If the server is dead the client stops all the same, in bounded time.
# All of that also on a machine whose start has not come to an end. Control: with the units disabled nothing comes back.

set -euo pipefail
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/scripts/artefacts.sh"
. "$top/scripts/qemu.sh"
. "$top/scripts/machines.sh"

begin=$SECONDS
work=$(mktemp -d "${TMPDIR:-/tmp}/dst-reboot.XXXXXX")
finish() {
	machines_end
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
"$top/scripts/setup" --quiet
load_kernels
"$top/scripts/build-module" stock
"$top/scripts/build-dst"
logs=$top/build/logs
mkdir -p "$logs"
# A switch-off in order takes seconds; one that waits for a network that is gone takes minutes, or for ever.
patience=300

make -C "$top" --no-print-directory install PROGRAM=build/dst DESTDIR="$work" >/dev/null
machines_begin server client
step() { note "$(printf '%4d s  %s' $((SECONDS - begin)) "$*")"; }
must() { machine_run "$@" || die "on $1 this failed: $2"; }

# switch_on MACHINE...: with disks that keep what is on them. The first is that of the system.
switch_on() {
	local machine other run
	for machine; do
		run=$machines_folder/$machine
		mkdir -p "$run"
		truncate -s 256M "$run/system.raw"
		truncate -s 64M "$run/data.raw"
		cp "$top/tests/machines/helpers/init" "$run/init"
		{
			echo "$(machine_address "$machine")/24"
			for other in "${machines_names[@]}"; do echo "$(machine_address "$other") $other"; done
		} >"$run/machine"
		machine_start "$machine" --mem 768M --cpus 1 --disk "$run/system.raw" --disk "$run/data.raw" --share "installed=$work" \
			--append 'net.ifnames=0 systemd.show_status=true systemd.log_target=kmsg systemd.default_timeout_start_sec=600s'
	done
	machine_wait "$@"
}

# settled MACHINE: waits until the start is over, but for what never is.
settled() {
	machine_run "$1" "for i in \$(seq 600); do
		systemctl list-jobs --no-legend | grep -qv ' stuck.service ' || exit 0
		sleep 1
	done
	systemctl list-jobs; exit 1" || die "the start of $1 does not end"
}

# stop MACHINE ORDER...: switches it off, which must not hang; what the console says must come in that order. Its file is
# then in "console", with the kernel's times from the line on that "begin_mark" is in.
begin_mark='test: the stop begins'
stop() {
	local machine=$1 pid=${machine_pid[$1]} last=0 line text
	shift
	# Without a message bus, "systemctl poweroff" has nobody to talk to.
	must "$machine" "dmesg -n 7 && echo '<3>$begin_mark' >/dev/kmsg &&
		systemctl --no-block --job-mode=replace-irreversibly start poweroff.target"
	machines_retry $patience machine_is_off "$machine" ||
		die "$machine hangs while it stops: $(tail -n 20 "$machines_folder/$machine/console.log")"
	wait "$pid" 2>/dev/null || true
	machine_forget "$machine"
	# Without colours.
	console=$logs/reboot-$machine-$((++stops)).log
	sed 's/\x1b\[[0-9;]*m//g' "$machines_folder/$machine/console.log" >"$console"
	for text; do
		line=$(grep -anF "$text" "$console" | tail -n 1 | cut -d: -f1) || true
		[[ -n $line ]] || die "the console of $machine does not say '$text'"
		((line > last)) || die "on $machine '$text' came too early"
		last=$line
	done
	! grep -aE 'WARNING:|BUG:|Oops|blocked .*for more|timed out' "$console" ||
		die "$machine complained while it stopped"
	step "$machine has stopped"
}
stops=0
client_order=('Unmounted mnt-data.mount' 'Stopped dst-storages.service' 'Stopped network-here.service')
server_order=('Stopped dst-exports.service' 'Stopped network-here.service')

back() {
	must client 'cd /mnt/data && sha256sum --quiet -c SHA256SUMS && mountpoint -q /mnt/data && dst status'
	must client 'readlink -f /dev/disk/by-id/dst-name-vol | grep -qx /dev/dst'
}

# write_unsynced [FOLDER]: a file whose data is in the client's memory only; "written" is what it must be afterwards.
write_unsynced() {
	written=$(must client "cd ${1:-/mnt/data} && head -c 24000000 /dev/urandom >fresh && sha256sum fresh")
}
is_written() {
	must client "cd /mnt/data && echo '$written' | sha256sum --quiet -c" || die "what was written before the stop is lost"
}

# since_begin TEXT: milliseconds from the begin of the stop to the last line with that, by the kernel's clock.
since_begin() {
	python3 - "$console" "$begin_mark" "$1" <<-'END'
		import re, sys
		begin = end = None
		for line in open(sys.argv[1], errors='replace'):
		    stamp = re.search(r'\[ *(\d+)\.(\d{3})\d*\]', line)
		    if stamp is None:
		        continue
		    now = int(stamp[1] + stamp[2])
		    if sys.argv[2] in line:
		        begin = now
		    elif sys.argv[3] in line:
		        end = now
		if begin is None or end is None:
		    sys.exit('the console does not say when')
		print(end - begin)
	END
}

# within MS TEXT: that was said at most so many milliseconds after the stop began.
within() {
	local ms
	ms=$(since_begin "$2") || die "the console of the client does not say '$2'"
	step "'$2' $ms ms after the stop began"
	((ms <= $1)) || die "that took more than $1 ms"
}

step "first start ($(kvm_works && echo KVM || echo 'no KVM here: emulated, slower'))"
switch_on server client
step "both are on"
for machine in server client; do
	must "$machine" 'cp -a /share/installed/usr/local/. /usr/local/ && systemctl daemon-reload && modprobe dst_blk &&
		udevadm control --reload && udevadm trigger --settle --subsystem-match=block'
done

# guide MACHINE: what the administrator's guide says about it, word for word.
guide() {
	local place command count=0
	while IFS= read -r -d '' place && IFS= read -r -d '' command; do
		[[ $place == "$1, installed" ]] || continue
		must "$1" "$command"
		count=$((count + 1))
	done < <(python3 "$top/tests/machines/helpers/blocks.py" "$top/Documentation/admin/guide.md")
	((count > 0)) || die "the guide says nothing about $1"
}

step "what an administrator does once"
must server 'dst export add /dev/disk/by-id/virtio-disk1 --listen 10.70.0.1:1025 --allow 10.70.0.2'
guide server
must client 'dst create vol server:1025 /dev/disk/by-id/virtio-disk1 && udevadm settle && mkfs.ext4 -q /dev/dst'
guide client
must client 'set -e
	mkdir -p /mnt/data
	mount /mnt/data
	cd /mnt/data
	# More than the first node holds.
	for i in $(seq 80); do head -c 1000000 /dev/urandom >file$i; done
	sha256sum file* >SHA256SUMS
	sync'

step "control: the client's units are not enabled"
units='dst-exports dst-storages dst-shutdown'
must client "systemctl disable $units 2>&1"
# The start need not wait long for a device that does not come.
must client 'cp /etc/fstab /etc/fstab.saved && sed -i "s/_netdev/_netdev,x-systemd.device-timeout=10/" /etc/fstab && sync'
write_unsynced
# From the next start on: nothing waits for it, and the start of the machine never ends.
must client 'cat >/etc/systemd/system/stuck.service <<-END
		[Service]
		Type=oneshot
		ExecStart=/bin/sleep infinity
		[Install]
		WantedBy=network-here.service
	END
	systemctl enable stuck.service 2>&1'
# Disabled, but started when they were enabled: this switch-off is in order already.
stop client "${client_order[@]}"
switch_on client
settled client
must client 'systemctl list-jobs | grep stuck.service && ! systemctl show -p FinishTimestampMonotonic | grep "=[1-9]"'
if machine_run client 'mountpoint -q /mnt/data'; then
	die "the filesystem is back although no unit was enabled"
fi
must client 'dst status 2>&1 | grep -q -e "no storages" -e "is not loaded"'
must client "cp /etc/fstab.saved /etc/fstab && systemctl enable $units 2>&1"
# The root of this machine does not keep the mount point.
must client 'systemctl daemon-reload && systemctl start dst-storages && mkdir -p /mnt/data && mount /mnt/data'
back
is_written

step "units are stopped and started again while the machine runs: what is in use stays"
must client 'systemctl daemon-reload && systemctl restart dst-storages dst-shutdown && mountpoint -q /mnt/data'
if machine_run client 'systemctl start dst-poweroff' >/dev/null; then
	die "what only a stop of the machine may begin was begun by hand"
fi
back

step "a storage that is in use when its machine stops goes all the same, with all that was written"
# Mounted by hand, where nothing orders its end before that of the storage, and held open.
must client 'umount /mnt/data && mkdir -p /mnt/hand && mount /dev/dst /mnt/hand && cd /mnt/hand &&
	{ sleep 100000 <SHA256SUMS >/dev/null 2>&1 & disown; }'
write_unsynced /mnt/hand
stop client 'EXT4-fs (dst): shut down requested' 'Stopped dst-storages.service' 'Stopped network-here.service'

step "both, and the server comes up when the client has waited for a while"
stop server "${server_order[@]}"
switch_on client
must client "for i in \$(seq 600); do
		journalctl -b -u dst-storages.service | grep -q 'storage \"vol\" waits' && exit 0
		sleep 1
	done; journalctl -b -u dst-storages.service; exit 1"
switch_on server
settled server
must client 'for i in $(seq 600); do mountpoint -q /mnt/data && exit 0; sleep 1; done; systemctl status dst-storages; exit 1'
back
is_written

step "the server dies, with writes under way, and the client stops"
must client 'cat >/run/systemd/system/writer.service <<-END
		[Unit]
		RequiresMountsFor=/mnt/data
		[Service]
		ExecStart=/bin/sh -c "while dd if=/dev/zero of=/mnt/data/writing bs=1M count=4 conv=fsync; do :; done"
	END
	systemctl daemon-reload && systemctl start writer'
write_unsynced
machine_kill server
must client 'for i in $(seq 600); do
		[ "$(cat /sys/devices/vol/n-0/in_flight)" = 0 ] || exit 0
		sleep 0.1
	done; dst status; exit 1'
# That the server is dead is not known yet: the node counts as connected for half a minute.
must client 'dst status vol'
stop client 'does not answer, and' 'is taken away by force' "${client_order[@]}"
# Four seconds without a sign of life, and the time to notice; the rest is for an emulated machine.
within 10000 'is taken away by force'
within 20000 'Unmounted mnt-data.mount'
within 20000 'Stopped dst-shutdown.service'
