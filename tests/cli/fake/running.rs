// SPDX-License-Identifier: GPL-2.0

//! What can be asked of the nodes of a storage that runs.

use super::kernel::{fail, Answer, Given, Kernel, Point};
use dst_cli::error::errno::{EALREADY, EINVAL};
use dst_cli::netlink::codec::AttrWriter;
use dst_cli::netlink::uapi::{self, attr};

impl Kernel {
    pub(super) fn node_clear(&mut self, given: &Given<'_>) -> Answer {
        let name = given.text(attr::node::STORAGE).unwrap();
        let storage = self.find(&name, attr::node::STORAGE)?;
        let found = storage.position(given)?;
        let node = &mut storage.nodes[found];
        if !std::mem::replace(&mut node.write_error, false) {
            return Err(fail(
                EINVAL,
                "node 1 of \"storage\" has no write error",
                Point::Nowhere,
            ));
        }
        let mut reply = AttrWriter::new();
        reply
            .string(attr::node::STORAGE, &name)
            .u32(attr::node::INDEX, node.index);
        Ok(vec![reply])
    }

    /// Exports have the node's own disk, local devices have not.
    pub(super) fn node_replace(&mut self, given: &Given<'_>) -> Answer {
        if given.text(attr::node::PATH).is_some() {
            return super::jobs::migrate(&mut self.jobs, given);
        }
        let name = given.text(attr::node::STORAGE).unwrap();
        let index = given.number(attr::node::INDEX).unwrap();
        let storage = self.find(&name, attr::node::STORAGE)?;
        let node = &storage.nodes[usize::try_from(index).unwrap()];
        let state = match node.suspended {
            true => uapi::node_state::SUSPENDED,
            false => uapi::node_state::CONNECTING,
        };
        let mut reply = AttrWriter::new();
        reply
            .string(attr::node::STORAGE, &name)
            .u32(attr::node::INDEX, node.index)
            .u32(attr::node::STATE, state);
        Ok(vec![reply])
    }

    pub(super) fn node_suspend(&mut self, given: &Given<'_>, suspend: bool) -> Answer {
        let name = given.text(attr::node::STORAGE).unwrap();
        let storage = self.find(&name, attr::node::STORAGE)?;
        if storage.state != uapi::storage_state::RUNNING {
            return Err(fail(
                EINVAL,
                "the storage \"storage\" is not started: there is no I/O to its nodes",
                Point::At(attr::node::STORAGE),
            ));
        }
        let found = storage.position(given)?;
        let node = &mut storage.nodes[found];
        let mut reply = AttrWriter::new();
        reply
            .string(attr::node::STORAGE, &name)
            .u32(attr::node::INDEX, node.index);
        match (suspend, std::mem::replace(&mut node.suspended, suspend)) {
            (true, true) => Err(fail(
                EALREADY,
                "node 1 of \"storage\" is suspended already",
                Point::Nowhere,
            )),
            (false, false) => Err(fail(
                EINVAL,
                "node 1 of \"storage\" is not suspended",
                Point::Nowhere,
            )),
            (false, true) => Ok(vec![reply]),
            (true, false) => {
                // What hangs is told by tests of the output.
                let left = u32::from(given.number(attr::node::TIMEOUT).is_some()) * 3;
                reply
                    .u32(attr::node::IN_FLIGHT, left)
                    .u32(attr::node::QUEUED, 0);
                Ok(vec![reply])
            }
        }
    }
}
