// SPDX-License-Identifier: GPL-2.0

//! The conversation with the module: finding the family, requests, dumps and events.

use super::codec::{self, flags, message_type, Ack, AttrWriter, Attrs, Malformed, Messages};
use super::request::Request;
use super::uapi;
use std::collections::VecDeque;
use std::io;

/// Number of the generic netlink controller and what is asked of it.
const CTRL_FAMILY: u16 = 16;
const CTRL_VERSION: u8 = 2;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;

const ENOENT: i32 = 2;
const ENOBUFS: i32 = 105;

/// How often a dump that a change disturbed is made again before its result is taken.
const DUMP_ATTEMPTS: usize = 5;

/// A netlink socket: the only way out of the program to the kernel.
pub trait Datagrams {
    /// Sends one request.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;
    /// Waits for one datagram, which can hold several messages.
    fn receive(&mut self) -> io::Result<Vec<u8>>;
    /// Becomes a member of a multicast group.
    fn join(&mut self, group: u32) -> io::Result<()>;
}

/// The kernel's refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Positive errno.
    pub errno: i32,
    /// The kernel's words, if it had any.
    pub message: Option<String>,
    /// The attribute at fault, as in `address.ip`.
    pub attribute: Option<String>,
    /// Whether that attribute is missing rather than wrong.
    pub missing: bool,
}

/// Why a conversation failed.
#[derive(Debug)]
pub enum Failure {
    /// There is no family of that name: the module is not loaded.
    NotLoaded,
    /// The kernel said no.
    Refused(Refusal),
    /// Events were lost because they came faster than they were read.
    EventsLost,
    /// The socket failed.
    Io(io::Error),
    /// The kernel sent what cannot be understood.
    Malformed(Malformed),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Self {
        Failure::Malformed(error)
    }
}

/// One message of the family: command and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Command, from [`uapi::cmd`].
    pub command: u8,
    /// Attributes, see [`Reply::attrs`].
    pub attributes: Vec<u8>,
}

impl Reply {
    /// Walks over the attributes.
    pub fn attrs(&self) -> Attrs<'_> {
        Attrs::new(&self.attributes)
    }
}

/// What the client found out about the family.
#[derive(Debug, Default, Clone, Copy)]
struct Family {
    id: u16,
    events: Option<u32>,
}

enum Backend {
    Socket(Box<dyn Datagrams>),
    /// Nothing is sent; requests are kept for printing.
    DryRun(Vec<Request>),
}

/// A client of the family.
pub struct Client {
    backend: Backend,
    family: Family,
    sequence: u32,
    events: VecDeque<Reply>,
}

impl Client {
    /// Finds the family. [`Failure::NotLoaded`] if the kernel has none of that name.
    pub fn open(socket: Box<dyn Datagrams>) -> Result<Self, Failure> {
        let mut client = Self {
            backend: Backend::Socket(socket),
            family: Family::default(),
            sequence: 0,
            events: VecDeque::new(),
        };
        let mut attrs = AttrWriter::new();
        attrs.string(CTRL_ATTR_FAMILY_NAME, uapi::FAMILY_NAME);
        let question = Question {
            family: CTRL_FAMILY,
            command: CTRL_CMD_GETFAMILY,
            version: CTRL_VERSION,
            flags: flags::REQUEST | flags::ACK,
        };
        let replies = match client.ask(&question, &attrs)? {
            Answer {
                ack: Ack { errno: 0, .. },
                replies,
                ..
            } => replies,
            Answer {
                ack: Ack { errno: ENOENT, .. },
                ..
            } => return Err(Failure::NotLoaded),
            Answer { ack, .. } => return Err(Failure::Refused(refusal(None, ack))),
        };
        let reply = replies
            .first()
            .ok_or(Malformed("no answer about the family"))?;
        client.family = read_family(reply)?;
        Ok(client)
    }

    /// A client that keeps requests instead of sending them.
    pub fn dry_run() -> Self {
        Self {
            backend: Backend::DryRun(Vec::new()),
            family: Family::default(),
            sequence: 0,
            events: VecDeque::new(),
        }
    }

    /// The requests that a dry run kept, `None` on a real client.
    pub fn kept(&self) -> Option<&[Request]> {
        match &self.backend {
            Backend::DryRun(kept) => Some(kept),
            Backend::Socket(_) => None,
        }
    }

    /// Makes a request and returns the answers. Waits as long as the kernel works on it.
    pub fn call(&mut self, request: &Request) -> Result<Vec<Reply>, Failure> {
        if let Backend::DryRun(kept) = &mut self.backend {
            kept.push(request.clone());
            return Ok(Vec::new());
        }
        let answer = self.ask(&self.question(request, flags::ACK), &request.encode())?;
        match answer.ack.errno {
            0 => Ok(answer.replies),
            _ => Err(Failure::Refused(refusal(Some(request), answer.ack))),
        }
    }

    /// Asks for all objects. A dump that a change disturbed is made again.
    pub fn dump(&mut self, request: &Request) -> Result<Vec<Reply>, Failure> {
        if matches!(self.backend, Backend::DryRun(_)) {
            return Ok(Vec::new());
        }
        let mut attempt = 1;
        loop {
            let answer = self.ask(&self.question(request, flags::DUMP), &request.encode())?;
            if answer.ack.errno != 0 {
                return Err(Failure::Refused(refusal(Some(request), answer.ack)));
            }
            if !answer.disturbed || attempt == DUMP_ATTEMPTS {
                return Ok(answer.replies);
            }
            attempt += 1;
        }
    }

    /// Becomes a listener of the family's events.
    pub fn subscribe(&mut self) -> Result<(), Failure> {
        let group = self
            .family
            .events
            .ok_or(Malformed("the family has no event group"))?;
        match &mut self.backend {
            Backend::Socket(socket) => Ok(socket.join(group)?),
            Backend::DryRun(_) => Ok(()),
        }
    }

    /// Waits for the next event. [`Failure::EventsLost`] is no reason to stop.
    pub fn next_event(&mut self) -> Result<Reply, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let Backend::Socket(socket) = &mut self.backend else {
                return Err(Failure::Io(io::ErrorKind::UnexpectedEof.into()));
            };
            let datagram = match socket.receive() {
                Err(e) if e.raw_os_error() == Some(ENOBUFS) => return Err(Failure::EventsLost),
                other => other?,
            };
            for message in Messages::new(&datagram) {
                let message = message?;
                if message.kind == self.family.id && message.sequence == 0 {
                    let (command, _) = message.genl()?;
                    let attributes = message.payload[codec::GENL_HEADER_LEN..].to_vec();
                    self.events.push_back(Reply {
                        command,
                        attributes,
                    });
                }
            }
        }
    }

    fn question(&self, request: &Request, extra: u16) -> Question {
        Question {
            family: self.family.id,
            command: request.command,
            version: uapi::FAMILY_VERSION,
            flags: flags::REQUEST | extra,
        }
    }

    /// Sends a question and reads until its acknowledgement or the end of its dump.
    fn ask(&mut self, question: &Question, attrs: &AttrWriter) -> Result<Answer, Failure> {
        self.sequence += 1;
        let Question {
            family,
            command,
            version,
            flags: f,
        } = *question;
        let datagram = codec::request(family, f, self.sequence, command, version, attrs);
        let Backend::Socket(socket) = &mut self.backend else {
            return Err(Failure::Io(io::ErrorKind::Unsupported.into()));
        };
        socket.send(&datagram)?;
        let mut answer = Answer {
            replies: Vec::new(),
            ack: Ack::default(),
            disturbed: false,
        };
        loop {
            let datagram = socket.receive()?;
            for message in Messages::new(&datagram) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                answer.disturbed |= message.flags & flags::DUMP_INTR != 0;
                if matches!(message.kind, message_type::ERROR | message_type::DONE) {
                    answer.ack = codec::read_ack(&message)?;
                    return Ok(answer);
                }
                if message.kind == family {
                    let (command, _) = message.genl()?;
                    let attributes = message.payload[codec::GENL_HEADER_LEN..].to_vec();
                    answer.replies.push(Reply {
                        command,
                        attributes,
                    });
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Question {
    family: u16,
    command: u8,
    version: u8,
    flags: u16,
}

struct Answer {
    replies: Vec<Reply>,
    ack: Ack,
    /// A change happened while the dump ran.
    disturbed: bool,
}

fn refusal(request: Option<&Request>, ack: Ack) -> Refusal {
    let missing = ack
        .missing
        .and_then(|(kind, nest)| request?.attribute_named(kind, nest));
    let wrong = ack.offset.and_then(|offset| request?.attribute_at(offset));
    Refusal {
        errno: ack.errno,
        message: ack.message.filter(|m| !m.is_empty()),
        missing: missing.is_some(),
        attribute: missing.or(wrong),
    }
}

fn read_family(reply: &Reply) -> Result<Family, Malformed> {
    let mut family = Family::default();
    for attribute in reply.attrs() {
        let attribute = attribute?;
        match attribute.kind {
            CTRL_ATTR_FAMILY_ID => {
                family.id = u16::try_from(attribute.number()?)
                    .map_err(|_| Malformed("family number out of range"))?;
            }
            CTRL_ATTR_MCAST_GROUPS => {
                for group in attribute.nested() {
                    let (mut name, mut id) = (String::new(), None);
                    for field in group?.nested() {
                        let field = field?;
                        match field.kind {
                            CTRL_ATTR_MCAST_GRP_NAME => name = field.text(),
                            CTRL_ATTR_MCAST_GRP_ID => id = u32::try_from(field.number()?).ok(),
                            _ => {}
                        }
                    }
                    if name == uapi::mcgrp::EVENTS {
                        family.events = id;
                    }
                }
            }
            _ => {}
        }
    }
    if family.id == 0 {
        return Err(Malformed("the family has no number"));
    }
    Ok(family)
}
