// SPDX-License-Identifier: GPL-2.0

//! The program `dst`; see the library `dst_cli` for what it does.

#![forbid(unsafe_code)]

use dst_cli::lookup::SystemResolver;
use dst_cli::netlink::socket::KernelSocket;
use dst_cli::netlink::{Client, Failure};
use dst_cli::Surroundings;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

fn main() {
    let args: Vec<OsString> = std::env::args_os().collect();
    let mut connect =
        || -> Result<Client, Failure> { Client::open(Box::new(KernelSocket::open()?)) };
    let code = dst_cli::run(
        &args,
        Surroundings {
            connect: &mut connect,
            resolver: &SystemResolver,
            out: &mut io::stdout(),
            err: &mut io::stderr(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            no_color: std::env::var_os("NO_COLOR").is_some(),
        },
    );
    std::process::exit(code);
}
