#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Takes too long, and leaves a process and a namespace.
# timeout: 2
. "$(dirname "$0")/../lib.sh"
trap '' TERM INT EXIT
ip netns add left-over
sleep 300 &
sleep 300
