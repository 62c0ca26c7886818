// SPDX-License-Identifier: GPL-2.0

//! Tests of the program `dst` without a kernel module: command lines in, netlink messages to
//! a kernel of our own and words to the user out.

mod codec;
mod down;
mod errors;
mod export;
mod fake;
mod formats;
mod job;
mod label;
mod legacy;
mod lost;
mod output;
mod replace;
mod restore;
mod save;
mod spec;
mod suspend;
mod units;
mod verbs;
mod workers;
