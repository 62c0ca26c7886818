#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Is skipped because the guest has too few CPUs.
# cpus: 4096
. "$(dirname "$0")/../lib.sh"
