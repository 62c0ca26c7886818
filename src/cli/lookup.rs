// SPDX-License-Identifier: GPL-2.0

//! Looking up the names of machines on the running system.
//!
//! A program that is linked dynamically asks the C library. A static one must not: the C library
//! would load the system's look-up modules (`/etc/nsswitch.conf`) into a program that was linked
//! with another version of it, and crash. It asks the system's `getent` instead, which knows all
//! sources of names; where there is none (an initramfs) it reads `/etc/hosts`.

use crate::endpoint::{Endpoint, Resolver};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one of several addresses of a name may take to answer before the next is tried.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// How long a machine may take to answer that is asked for nothing else: the first repetition of a packet that was
/// lost, after one second, is within it.
const ALIVE_TIME: Duration = Duration::from_millis(1500);

/// Stack in bytes of a thread that only connects.
const ASKING_STACK: usize = 64 << 10;

/// Where `getent` is. Not looked for in `PATH`: the program runs as root.
const GETENT: [&str; 2] = ["/usr/bin/getent", "/bin/getent"];

/// The resolver of the running system.
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn lookup(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = if cfg!(target_feature = "crt-static") {
            let addresses = without_c_library(&endpoint.host)?;
            addresses
                .into_iter()
                .map(|ip| SocketAddr::new(ip, endpoint.port))
                .collect()
        } else {
            (endpoint.host.as_str(), endpoint.port)
                .to_socket_addrs()?
                .collect()
        };
        let mut unique: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !unique.contains(&address) {
                unique.push(address);
            }
        }
        Ok(unique)
    }

    fn answers(&self, address: &SocketAddr) -> bool {
        TcpStream::connect_timeout(address, PROBE_TIME).is_ok()
    }

    fn which_answer(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let asked = |address: SocketAddr| {
            let stream = TcpStream::connect_timeout(&address, ALIVE_TIME);
            stream.is_ok().then_some(address)
        };
        // All at the same time: a machine that is off answers nothing at all.
        std::thread::scope(|scope| {
            let asking = |address: &SocketAddr| {
                let address = *address;
                let builder = std::thread::Builder::new().stack_size(ASKING_STACK);
                builder.spawn_scoped(scope, move || asked(address)).ok()
            };
            let asking: Vec<_> = addresses.iter().map(asking).collect();
            let answers = asking.into_iter().flatten();
            answers
                .filter_map(|thread| thread.join().ok().flatten())
                .collect()
        })
    }
}

fn without_c_library(host: &str) -> io::Result<Vec<IpAddr>> {
    for path in GETENT {
        let output = Command::new(path)
            .args(["ahosts", host])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(output) => return Ok(from_getent(&String::from_utf8_lossy(&output.stdout))),
        }
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    match from_hosts(&hosts, host) {
        found if !found.is_empty() => Ok(found),
        _ => Err(io::Error::other(
            "not in /etc/hosts, and there is no getent to ask further",
        )),
    }
}

/// The addresses in the output of `getent ahosts`, in its order.
pub fn from_getent(output: &str) -> Vec<IpAddr> {
    let stream = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        (words.next() == Some("STREAM")).then_some(address)
    };
    output.lines().filter_map(stream).collect()
}

/// The addresses that a file in the form of `/etc/hosts` has for a name.
pub fn from_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name))
            .then_some(address)
    };
    text.lines().filter_map(address).collect()
}
