// SPDX-License-Identifier: GPL-2.0

//! A kernel of our own: it answers netlink messages as the module does, as far as the program
//! can tell, and keeps a record of what it was asked to change.

pub(crate) mod jobs;
mod kernel;
mod running;
mod socket;
mod tell;

pub(crate) use kernel::{Export, Fault, Kernel, Node, Point, Storage};
pub(crate) use tell::address_nest;

use dst_cli::endpoint::{Endpoint, Resolver};
use dst_cli::netlink::uapi;
use dst_cli::netlink::{Client, Failure};
use dst_cli::Surroundings;
use socket::{FakeSocket, Shared};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

/// Names: `kano` and `uganda` have one address, `twins` two of which the first does not
/// answer, `six` an IPv6 address.
pub(crate) struct FakeResolver;

impl Resolver for FakeResolver {
    fn lookup(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        let hosts: &[&str] = match endpoint.host.as_str() {
            "kano" => &["192.168.4.80"],
            "uganda" => &["192.168.4.81"],
            "twins" => &["10.0.0.1", "10.0.0.2"],
            "six" => &["fd00::80"],
            _ => return Err(io::Error::other("Name or service not known")),
        };
        Ok(hosts
            .iter()
            .map(|h| SocketAddr::new(h.parse().unwrap(), endpoint.port))
            .collect())
    }

    fn answers(&self, address: &SocketAddr) -> bool {
        address.ip().to_string() != "10.0.0.1"
    }

    fn which_answer(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let answering = addresses.iter().filter(|address| self.answers(address));
        answering.copied().collect()
    }
}

/// What became of a command line.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A machine: its kernel outlives the commands that are run on it.
#[derive(Default)]
pub(crate) struct Machine {
    kernel: Shared,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Looks at the kernel or changes it.
    pub(crate) fn kernel(&self) -> std::cell::RefMut<'_, Kernel> {
        self.kernel.borrow_mut()
    }

    /// Runs the program with these words.
    pub(crate) fn run_words(&self, words: &[String]) -> Outcome {
        let mut args: Vec<OsString> = vec!["dst".into()];
        args.extend(words.iter().map(OsString::from));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut connect = || -> Result<Client, Failure> {
            Client::open(Box::new(FakeSocket {
                kernel: Rc::clone(&self.kernel),
                answers: VecDeque::new(),
                joined: false,
            }))
        };
        let mut write_out = || -> io::Result<Box<dyn FnMut() -> bool>> {
            self.kernel().record.push("sync".to_string());
            let kernel = Rc::clone(&self.kernel);
            Ok(Box::new(move || {
                kernel.borrow_mut().writing.next().is_none()
            }))
        };
        let code = dst_cli::run(
            &args,
            Surroundings {
                connect: &mut connect,
                resolver: &FakeResolver,
                write_out: &mut write_out,
                out: &mut out,
                err: &mut err,
                out_is_terminal: false,
                err_is_terminal: false,
                no_color: false,
            },
        );
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome {
            code,
            out: text(out),
            err: text(err),
        }
    }

    /// Runs a command line, given without the leading `dst`; words are parted by spaces.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        let words: Vec<String> = line.split_whitespace().map(ToString::to_string).collect();
        self.run_words(&words)
    }

    /// The changes that were asked for, and forgets them.
    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.kernel.borrow_mut().record)
    }
}

/// A node on another machine.
pub(crate) fn remote(index: u32, address: &str) -> Node {
    Node {
        index,
        address: Some(address.parse().unwrap()),
        ..Node::default()
    }
}

/// A node on this machine.
pub(crate) fn local(index: u32, path: &str) -> Node {
    Node {
        index,
        path: Some(path.to_string()),
        ..Node::default()
    }
}

/// The situations that the truth table speaks of.
pub(crate) fn situation(name: &str) -> Machine {
    let machine = Machine::new();
    {
        let mut kernel = machine.kernel();
        let storage = |state, openers| Storage {
            name: "storage".into(),
            algorithm: "linear".into(),
            disk: "dst".into(),
            state,
            openers,
            nodes: vec![
                Node {
                    start: Some(0),
                    size: Some(801),
                    ..remote(0, "192.168.4.80:1025")
                },
                Node {
                    start: Some(801),
                    size: Some(801),
                    ..local(1, "/dev/sdb")
                },
                Node {
                    start: Some(1602),
                    size: Some(801),
                    ..remote(2, "192.168.4.81:1025")
                },
            ],
            ..Storage::default()
        };
        let export = |clients| Export {
            id: 1,
            name: Some("disk1".into()),
            path: "/dev/sdc".into(),
            address: Some("192.168.4.80:1025".parse().unwrap()),
            clients,
            ..Export::default()
        };
        match name {
            "nothing" => {}
            "forming" => kernel
                .storages
                .push(storage(uapi::storage_state::CONFIGURING, 0)),
            "with a gap" => {
                let mut gap = storage(uapi::storage_state::CONFIGURING, 0);
                gap.nodes.remove(1);
                kernel.storages.push(gap);
            }
            "running" => kernel
                .storages
                .push(storage(uapi::storage_state::RUNNING, 0)),
            "open" => kernel
                .storages
                .push(storage(uapi::storage_state::RUNNING, 1)),
            "exported" => kernel.exports.push(export(0)),
            "in use" => kernel.exports.push(export(2)),
            other => panic!("the truth table speaks of an unknown situation: {other}"),
        }
    }
    machine
}

/// Runs a command that must succeed and gives what it changed.
pub(crate) fn changes(machine: &Machine, line: &str) -> Vec<String> {
    let outcome = machine.run(line);
    assert_eq!(outcome.code, 0, "dst {line}: {}", outcome.err);
    machine.taken()
}
