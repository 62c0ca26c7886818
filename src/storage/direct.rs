// SPDX-License-Identifier: GPL-2.0

//! Copies that go from the old device's machine to the new one's: whether they can, and what the one is told of the other.

use super::{
    config::{Name, Place},
    member::Member,
};
use crate::dst_core::{migration::Way, text::Text, wire::CopySource};
use core::net::IpAddr;

/// Milliseconds at most of silence after which the old device's machine counts as not answering the new one's: writes to
/// what is copied wait for as long. Less than a connection is given up after.
const SILENCE_MS: u32 = 5_000;

/// The address of the remote node `of`, if the machine of `teller` can be told of it.
fn address(of: &Member, teller: &Member) -> Option<(IpAddr, u16)> {
    let (address, teller) = (of.address()?, teller.address()?.ip());
    let same = CopySource::is_meaningful(address.ip(), teller);
    same.then_some((address.ip(), address.port()))
}

/// The name of the export of a remote node; empty for the only one at its address.
fn export(of: &Member) -> Name {
    match of.place() {
        Place::Remote { export, .. } => *export,
        Place::Local(_) => Name::new(),
    }
}

/// How extents are copied at first.
pub(super) fn first_way(old: &Member, new: &Member) -> Way {
    let remote = |member: &Member| member.address().is_some();
    let able = new.facts().copies && address(old, new).is_some();
    Way::first(remote(old), remote(new), able)
}

/// What the machine of `new` is told of `old`, a node of `storage`, for the copies of job `job`; `None` if it cannot be told.
pub(super) fn source(
    old: &Member,
    new: &Member,
    storage: [u8; 16],
    job: u32,
) -> Option<CopySource> {
    let (address, port) = address(old, new)?;
    let facts = old.facts();
    Some(CopySource {
        address,
        port,
        wait_ms: match new.request_ms() {
            0 => SILENCE_MS,
            limit => (limit / 3).clamp(1, SILENCE_MS),
        },
        storage,
        node: facts.uuid?,
        device: facts.device,
        job: job.into(),
        export: Text::from_display(&export(old)),
    })
}
