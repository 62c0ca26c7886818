#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fails because a command fails.
. "$(dirname "$0")/../lib.sh"
false
exit 0
