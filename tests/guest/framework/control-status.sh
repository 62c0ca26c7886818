#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fails with a status.
exit 9
