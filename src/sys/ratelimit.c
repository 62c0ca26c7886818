// SPDX-License-Identifier: GPL-2.0
/* The limit of the rate of log messages for src/sys/ratelimit.rs. */

#include <linux/ratelimit.h>

bool dst_blk_ratelimit(void);
bool dst_blk_ratelimit(void)
{
	static DEFINE_RATELIMIT_STATE(state, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&state);
}
