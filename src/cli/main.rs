// SPDX-License-Identifier: GPL-2.0

//! The program `dst`; see the library `dst_cli` for what it does.

#![forbid(unsafe_code)]

use dst_cli::lookup::SystemResolver;
use dst_cli::netlink::socket::KernelSocket;
use dst_cli::netlink::{Client, Failure};
use dst_cli::Surroundings;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

/// Has `sync` write everything out: a process of its own, which may hang where this one must not.
fn write_out() -> io::Result<Box<dyn FnMut() -> bool>> {
    let mut child = Command::new("/usr/bin/sync").stdin(Stdio::null()).spawn()?;
    // Nobody can wait for it if that fails.
    Ok(Box::new(move || !matches!(child.try_wait(), Ok(None))))
}

fn main() {
    let args: Vec<OsString> = std::env::args_os().collect();
    let mut connect =
        || -> Result<Client, Failure> { Client::open(Box::new(KernelSocket::open()?)) };
    let code = dst_cli::run(
        &args,
        Surroundings {
            connect: &mut connect,
            resolver: &SystemResolver,
            write_out: &mut write_out,
            out: &mut io::stdout(),
            err: &mut io::stderr(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            no_color: std::env::var_os("NO_COLOR").is_some(),
        },
    );
    std::process::exit(code);
}
