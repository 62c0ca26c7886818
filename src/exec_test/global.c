// SPDX-License-Identifier: GPL-2.0
/* The test module's own copy of src/sys/global.c. */

#include "../sys/global.c"
