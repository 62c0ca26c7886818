# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What in the kernel's messages shows a fault, as an extended regular expression. Sourced.

bad_log='WARNING:|BUG:|Oops:|Kernel panic|general protection|Call Trace:|KASAN|UBSAN|KCSAN|kmemleak|unable to handle'
bad_log+='|possible (recursive locking|circular locking|irq lock)|INFO: task .* blocked.* for more|rcu: INFO|soft lockup'
bad_log+='|refcount_t:|list_(add|del) corruption|sleeping function called|scheduling while atomic|Bad page state'
bad_log+='|page allocation failure|Memory leak|rust_kernel: panicked|kernel: panicked|Slab cache still has objects'
bad_log+='|Objects remaining|held lock freed|bad unlock balance|inconsistent lock state|waiting for .* to become free'
bad_log+='|INFO: trying to register|lockdep is turned off|ODEBUG'
