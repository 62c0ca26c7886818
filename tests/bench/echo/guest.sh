#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs inside the guest: measures both echo servers with the same client. One line for each measurement: server, mode,
# clients, bytes, and what client.c prints.
#
#   usage: guest.sh epoll|kernel...

set -euo pipefail
cp /share/build/bench/echo-client /share/build/bench/echo-server /tmp
cd /tmp
scale=${SCALE:-1}

messages() {
	case $1 in
	1 | 64) echo $((8000 * scale)) ;;
	4096) echo $((4000 * scale)) ;;
	*) echo $((1600 * scale)) ;;
	esac
}

# measure SERVER PORT PID...
measure() {
	local server=$1 port=$2 mode clients bytes
	shift 2
	for mode in ping stream; do
		for clients in 1 8; do
			for bytes in 1 64 4096 65536; do
				echo "$server $mode $clients $bytes" \
					"$(./echo-client 127.0.0.1 "$port" $mode $clients $bytes "$(messages $bytes)" "$@")"
			done
		done
	done
}

for server; do
	case $server in
	epoll)
		./echo-server 127.0.0.1 4007 >serving &
		until grep -q serving serving; do sleep 0.1; done
		measure epoll 4007 $!
		kill $!
		;;
	kernel)
		insmod "/share/build/$(uname -r)/dst_echo.ko" port=4008 workers=1
		# shellcheck disable=SC2046
		measure kernel 4008 $(pgrep '^dst_echo/')
		rmmod dst_echo
		;;
	esac
done
