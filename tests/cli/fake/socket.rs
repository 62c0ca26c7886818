// SPDX-License-Identifier: GPL-2.0

//! The messages between the program and the fake kernel.

use super::kernel::{Answer, Fault, Kernel, Point};
use super::tell::describe;
use dst_cli::netlink::codec::{extack, flags, message_type, AttrWriter, Attrs, Messages};
use dst_cli::netlink::Datagrams;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

/// Number that the fake gives the family.
pub(crate) const FAMILY: u16 = 0x25;
/// Number that the fake gives the group of events.
pub(crate) const GROUP: u32 = 9;

pub(crate) type Shared = Rc<RefCell<Kernel>>;

pub(crate) struct FakeSocket {
    pub(crate) kernel: Shared,
    pub(crate) answers: VecDeque<Vec<u8>>,
    pub(crate) joined: bool,
}

pub(crate) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&u32::try_from(16 + payload.len()).unwrap().to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&7u32.to_ne_bytes());
    out.extend_from_slice(payload);
    out.resize(out.len().div_ceil(4) * 4, 0);
    out
}

pub(crate) fn genl(command: u8, attrs: &AttrWriter) -> Vec<u8> {
    let mut payload = vec![command, 1, 0, 0];
    payload.extend_from_slice(attrs.as_bytes());
    payload
}

/// A refusal as the kernel sends it to a socket that wants capped acknowledgements.
pub(crate) fn refuse(request: &[u8], sequence: u32, fault: &Fault) -> Vec<u8> {
    let mut payload = (-fault.errno).to_ne_bytes().to_vec();
    payload.extend_from_slice(&request[..16]);
    let mut tlvs = AttrWriter::new();
    if let Some(text) = fault.message {
        tlvs.string(extack::MSG, text);
    }
    match fault.point {
        Point::At(kind) => {
            if let Some(offset) = offset_of(request, kind) {
                tlvs.u32(extack::OFFS, offset);
            }
        }
        Point::Missing(kind) => {
            tlvs.u32(extack::MISS_TYPE, u32::from(kind));
        }
        Point::Nowhere => {}
    }
    payload.extend_from_slice(tlvs.as_bytes());
    message(
        message_type::ERROR,
        flags::CAPPED | flags::ACK_TLVS,
        sequence,
        &payload,
    )
}

fn offset_of(request: &[u8], kind: u16) -> Option<u32> {
    let mut offset = 20;
    for attribute in Attrs::new(&request[20..]) {
        let attribute = attribute.unwrap();
        if attribute.kind == kind {
            return Some(offset);
        }
        offset += u32::try_from((4 + attribute.value.len()).div_ceil(4) * 4).unwrap();
    }
    None
}

impl FakeSocket {
    fn answer(&mut self, datagram: &[u8], sequence: u32, command: u8, dump: bool, result: Answer) {
        match result {
            Err(fault) => self.answers.push_back(refuse(datagram, sequence, &fault)),
            Ok(replies) if dump => {
                let mut multi = 2;
                let mut kernel = self.kernel.borrow_mut();
                if kernel.disturbed > 0 {
                    kernel.disturbed -= 1;
                    multi |= flags::DUMP_INTR;
                }
                // Several messages in a datagram and several datagrams, as the kernel does it.
                let mut all = Vec::new();
                for reply in replies {
                    all.extend(message(FAMILY, multi, sequence, &genl(command, &reply)));
                }
                self.answers.push_back(all);
                let done = message(message_type::DONE, multi, sequence, &[0; 4]);
                self.answers.push_back(done);
            }
            Ok(replies) => {
                for reply in replies {
                    let reply = message(FAMILY, 0, sequence, &genl(command, &reply));
                    self.answers.push_back(reply);
                }
                let mut ack = vec![0; 4];
                ack.extend_from_slice(&datagram[..16]);
                let ack = message(message_type::ERROR, flags::CAPPED, sequence, &ack);
                self.answers.push_back(ack);
            }
        }
    }
}

impl Datagrams for FakeSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let request = Messages::new(datagram).next().unwrap().unwrap();
        let (command, attrs) = request.genl().unwrap();
        let mut kernel = self.kernel.borrow_mut();
        if request.kind == 16 {
            self.answers
                .push_back(kernel.family(datagram, request.sequence));
            return Ok(());
        }
        assert_eq!(request.kind, FAMILY);
        let dump = request.flags & flags::DUMP == flags::DUMP;
        let text = describe(command, attrs);
        kernel
            .asked
            .push(format!("{text}{}", if dump { " (dump)" } else { "" }));
        if !text.contains("-get") {
            kernel.record.push(text.clone());
        }
        let fault = kernel
            .faults
            .iter()
            .find(|f| text.starts_with(f.operation))
            .cloned();
        let result = match fault {
            Some(fault) => {
                kernel.heals_after = kernel.heals_after.map(|left| left.saturating_sub(1));
                if kernel.heals_after == Some(0) {
                    kernel.faults.clear();
                }
                Err(fault)
            }
            None => kernel.perform(command, attrs, dump),
        };
        drop(kernel);
        self.answer(datagram, request.sequence, command, dump, result);
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        if let Some(answer) = self.answers.pop_front() {
            return Ok(answer);
        }
        assert!(
            self.joined,
            "the program waits for an answer that will not come"
        );
        match self.kernel.borrow_mut().events.pop_front() {
            Some(Some((command, attrs))) => Ok(message(FAMILY, 0, 0, &genl(command, &attrs))),
            Some(None) => Err(io::Error::from_raw_os_error(105)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        assert_eq!(group, GROUP);
        self.joined = true;
        Ok(())
    }
}
