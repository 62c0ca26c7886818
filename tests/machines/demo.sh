#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demonstration: three machines form one disk with a filesystem on it, twice; every file is checked.
exec "$(dirname "$0")/../../scripts/demo"
