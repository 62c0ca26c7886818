#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Passes.
. "$(dirname "$0")/../lib.sh"
disk device 801
expect_equal "sectors" 801 "$(sectors "$device")"
network a b
on b ping -qc1 "$(address6 a)" >/dev/null
expect_error "No such file" cat /nonexistent
