#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Skips itself.
. "$(dirname "$0")/../lib.sh"
skip 'nothing to do'
