# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# How the client of power-cut.sh runs what goes on while other machines lose their power. Sourced in the guest.
#
#   begin NAME COMMAND...   runs COMMAND in the background; its folder is /tmp/NAME
#   made FILE NAME...       waits until each has made FILE in its folder; false if one has ended
#   finish NAME             makes the file "stop", waits for the end, shows the output; the status is that of the command

begin() {
	local name=$1
	shift
	mkdir -p "/tmp/$name"
	rm -f "/tmp/$name"/{busy,cut,off,waiting,stop,status}
	setsid bash -c 'folder=$1; shift; "$@"; echo $? >"$folder/status"' begin "/tmp/$name" "$@" \
		>"/tmp/$name/log" 2>&1 </dev/null &
}

made() {
	local name file=$1
	shift
	for name; do
		until [[ -e /tmp/$name/$file ]]; do
			[[ ! -e /tmp/$name/status ]] || { cat "/tmp/$name/log"; return 1; }
			sleep 0.1
		done
	done
}

# The limit is for I/O that never goes on; nothing depends on it otherwise.
finish() {
	local limit=$((SECONDS + 900))
	touch "/tmp/$1/stop"
	until [[ -s /tmp/$1/status ]]; do
		((SECONDS < limit)) || { echo "$1 does not come to its end"; dst status; dmesg | tail -n 50; return 99; }
		sleep 0.1
	done
	cat "/tmp/$1/log"
	return "$(cat "/tmp/$1/status")"
}
