#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fails with an assertion.
. "$(dirname "$0")/../lib.sh"
expect_equal "the answer" 42 41
