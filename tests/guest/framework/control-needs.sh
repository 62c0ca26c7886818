#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Is skipped because of what it needs.
# needs: bash such-a-command
. "$(dirname "$0")/../lib.sh"
