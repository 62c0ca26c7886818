// SPDX-License-Identifier: GPL-2.0

//! The operations of the netlink family.

use super::{
    backend::{Backend, ConnectionFilter},
    directories::Directories,
    faults, format, parse,
    uapi::{attr, cmd, storage_del_flags, storage_start_flags},
};
use crate::{
    storage::config::{Name, NodeState},
    sys::{
        genl::{Dump, Fault, Request, Service},
        refusal::Refusal,
    },
};
use kernel::{prelude::*, sync::Arc};

/// Requests and dumps, carried out by a backend.
pub struct Requests<B: Backend> {
    backend: Arc<B>,
    directories: Arc<Directories<B>>,
}

/// Why a request was not carried out: it is not well-formed, or it was refused.
enum Failure {
    Fault(Fault),
    Refusal(Refusal),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

type Outcome = core::result::Result<(), Failure>;

impl<B: Backend> Requests<B> {
    pub(super) fn new(backend: Arc<B>, directories: Arc<Directories<B>>) -> Self {
        Self {
            backend,
            directories,
        }
    }

    /// Each operation is a function apart: a start goes through the network and the block layer
    /// below this, and has no stack to spare for what the other operations need.
    fn perform(&self, request: &Request<'_>) -> Outcome {
        match request.command() {
            cmd::STORAGE_ADD => self.storage_add(request),
            cmd::STORAGE_DEL => self.storage_del(request),
            cmd::STORAGE_START => self.storage_start(request),
            cmd::STORAGE_SET => self.storage_set(request),
            cmd::STORAGE_GET => self.storage_get(request),
            cmd::NODE_ADD => self.node_add(request),
            cmd::NODE_DEL => self.node_del(request),
            cmd::NODE_GET => self.node_get(request),
            cmd::NODE_CLEAR => self.node_clear(request),
            cmd::NODE_SUSPEND => self.node_suspend(request),
            cmd::NODE_RESUME => self.node_resume(request),
            cmd::NODE_MIGRATE => self.node_migrate(request),
            cmd::NODE_REPLACE => self.node_replace(request),
            cmd::EXPORT_ADD => self.export_add(request),
            cmd::EXPORT_DEL => self.export_del(request),
            cmd::EXPORT_SET => self.export_set(request),
            cmd::EXPORT_GET => self.export_get(request),
            cmd::INFO_GET => self.info_get(request),
            cmd::JOB_BEGIN => self.job_begin(request),
            cmd::JOB_GET => self.job_get(request),
            cmd::JOB_PAUSE => self.job_pause(request),
            cmd::JOB_RESUME => self.job_resume(request),
            cmd::JOB_CANCEL => self.job_cancel(request),
            cmd::JOB_SET => self.job_set(request),
            _ => Err(Fault::from(EOPNOTSUPP).into()),
        }
    }

    fn storage_name(request: &Request<'_>) -> parse::Parsed<Name> {
        let attributes = request.attributes();
        parse::name(&attributes, attr::storage::NAME, "the name of the storage")
    }

    #[inline(never)]
    fn storage_add(&self, request: &Request<'_>) -> Outcome {
        let config = parse::storage(&request.attributes(), request.net())?;
        self.directories.add_storage(config)?;
        Ok(())
    }

    #[inline(never)]
    fn storage_del(&self, request: &Request<'_>) -> Outcome {
        use attr::storage as a;
        let attributes = request.attributes();
        let name = Self::storage_name(request)?;
        let force = attributes.flags(a::DEL_FLAGS)? & storage_del_flags::FORCE != 0;
        let timeout = attributes
            .get_u32(a::TIMEOUT)?
            .filter(|timeout| *timeout != 0);
        self.backend.storage_del(name.as_str(), force, timeout)?;
        self.directories.storage_gone(&name);
        Ok(())
    }

    #[inline(never)]
    fn storage_start(&self, request: &Request<'_>) -> Outcome {
        use attr::storage as a;
        let attributes = request.attributes();
        let name = Self::storage_name(request)?;
        let force = attributes.flags(a::START_FLAGS)? & storage_start_flags::FORCE != 0;
        let timeout = attributes
            .get_u32(a::TIMEOUT)?
            .filter(|timeout| *timeout != 0);
        self.backend.storage_start(name.as_str(), force, timeout)?;
        self.directories.add_nodes(&name, true);
        Ok(())
    }

    #[inline(never)]
    fn storage_set(&self, request: &Request<'_>) -> Outcome {
        let name = Self::storage_name(request)?;
        let change = parse::workers(&request.attributes())?;
        self.backend.storage_set(name.as_str(), &change)?;
        Ok(())
    }

    #[inline(never)]
    fn storage_get(&self, request: &Request<'_>) -> Outcome {
        let name = Self::storage_name(request)?;
        let info = self.backend.storage_info(name.as_str())?;
        request.reply(|message| format::storage(message, &info))?;
        Ok(())
    }

    fn node_storage(request: &Request<'_>) -> parse::Parsed<Name> {
        let attributes = request.attributes();
        parse::name(&attributes, attr::node::STORAGE, "the name of the storage")
    }

    #[inline(never)]
    fn node_add(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let storage = Self::node_storage(request)?;
        let config = parse::node(&request.attributes())?;
        let answer = request.answer()?;
        let index = self.backend.node_add(storage.as_str(), config)?;
        let state = self.backend.storage_info(storage.as_str());
        if state.is_ok_and(|info| info.state.has_started()) {
            self.directories.add_nodes(&storage, false);
        }
        answer.send(|message| {
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::INDEX, index)
        })?;
        Ok(())
    }

    #[inline(never)]
    fn node_del(&self, request: &Request<'_>) -> Outcome {
        let storage = Self::node_storage(request)?;
        let selector = parse::node_selector(&request.attributes())?;
        self.backend.node_del(storage.as_str(), &selector)?;
        Ok(())
    }

    #[inline(never)]
    fn node_suspend(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let attributes = request.attributes();
        let storage = Self::node_storage(request)?;
        let selector = parse::node_selector(&attributes)?;
        let timeout = parse::nonzero(&attributes, a::TIMEOUT)?;
        let answer = request.answer()?;
        let suspended = self
            .backend
            .node_suspend(storage.as_str(), &selector, timeout)?;
        answer.send(|message| {
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::INDEX, suspended.index)?;
            message.put_u32(a::IN_FLIGHT, suspended.in_flight)?;
            message.put_u32(a::QUEUED, suspended.queued)
        })?;
        Ok(())
    }

    #[inline(never)]
    fn node_resume(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let storage = Self::node_storage(request)?;
        let selector = parse::node_selector(&request.attributes())?;
        let answer = request.answer()?;
        let index = self.backend.node_resume(storage.as_str(), &selector)?;
        answer.send(|message| {
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::INDEX, index)
        })?;
        Ok(())
    }

    #[inline(never)]
    fn node_clear(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let storage = Self::node_storage(request)?;
        let selector = parse::node_selector(&request.attributes())?;
        let answer = request.answer()?;
        let index = self.backend.node_clear(storage.as_str(), &selector)?;
        answer.send(|message| {
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::INDEX, index)
        })?;
        Ok(())
    }

    #[inline(never)]
    fn node_get(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let storage = Self::node_storage(request)?;
        let index = request
            .attributes()
            .require(a::INDEX, "the index of the node")?
            .u32()?;
        let info = self.backend.node_info(storage.as_str(), index)?;
        request.reply(|message| format::node(message, &info))?;
        Ok(())
    }

    #[inline(never)]
    fn export_add(&self, request: &Request<'_>) -> Outcome {
        let config = parse::export(&request.attributes(), request.net())?;
        let answer = request.answer()?;
        let info = self.backend.export_add(config)?;
        answer.send(|message| format::new_export(message, &info))?;
        Ok(())
    }

    #[inline(never)]
    fn export_del(&self, request: &Request<'_>) -> Outcome {
        let attributes = request.attributes();
        let selector = parse::export_selector(&attributes, request.net())?;
        let flags = attributes.flags(attr::export::DEL_FLAGS)?;
        let force = flags & super::uapi::export_del_flags::FORCE != 0;
        self.backend.export_del(&selector, force)?;
        Ok(())
    }

    #[inline(never)]
    fn export_set(&self, request: &Request<'_>) -> Outcome {
        let attributes = request.attributes();
        let selector = parse::export_selector(&attributes, request.net())?;
        self.backend
            .export_set(&selector, parse::lists_change(&attributes)?)?;
        Ok(())
    }

    #[inline(never)]
    fn export_get(&self, request: &Request<'_>) -> Outcome {
        let selector = parse::export_selector(&request.attributes(), request.net())?;
        let info = self.backend.export_info(&selector)?;
        request.reply(|message| format::export(message, &info))?;
        Ok(())
    }

    #[inline(never)]
    fn info_get(&self, request: &Request<'_>) -> Outcome {
        let info = self.backend.info()?;
        request.reply(|message| format::module(message, &info))?;
        Ok(())
    }

    #[inline(never)]
    fn job_begin(&self, request: &Request<'_>) -> Outcome {
        let config = parse::job(&request.attributes())?;
        let answer = request.answer()?;
        let id = self.backend.job_begin(&config)?;
        self.directories.add_job(&config.storage, id);
        answer.send(|message| message.put_u32(attr::job::ID, id))?;
        Ok(())
    }

    #[inline(never)]
    fn node_migrate(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let config = parse::migration(&request.attributes())?;
        let (storage, index) = (config.storage, config.device.index.unwrap_or(0));
        let answer = request.answer()?;
        let id = self.backend.node_migrate(config)?;
        self.directories.add_job(&storage, id);
        answer.send(|message| {
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::INDEX, index)?;
            message.put_u32(a::JOB, id)
        })?;
        Ok(())
    }

    #[inline(never)]
    fn node_replace(&self, request: &Request<'_>) -> Outcome {
        use attr::node as a;
        let config = parse::migration(&request.attributes())?;
        let (storage, index) = (config.storage, config.device.index.unwrap_or(0));
        let answer = request.answer()?;
        let job = self.backend.node_replace(config)?;
        if let Some(id) = job {
            self.directories.add_job(&storage, id);
        }
        let state = self.node_state(&storage, index);
        answer.send(|message| {
            message.put_text(a::STORAGE, storage.as_str())?;
            message.put_u32(a::INDEX, index)?;
            if let Some(state) = state {
                message.put_u32(a::STATE, state as u32)?;
            }
            match job {
                Some(id) => message.put_u32(a::JOB, id),
                None => Ok(()),
            }
        })?;
        Ok(())
    }

    /// What a node is doing, if it is there. Apart, as all that is told about a node takes much of the stack.
    #[inline(never)]
    fn node_state(&self, storage: &Name, index: u32) -> Option<NodeState> {
        let node = self.backend.node_info(storage.as_str(), index);
        node.ok().map(|node| node.state)
    }

    #[inline(never)]
    fn job_get(&self, request: &Request<'_>) -> Outcome {
        let id = parse::job_id(&request.attributes())?;
        let info = self.backend.job_info(id)?;
        request.reply(|message| format::job(message, &info))?;
        Ok(())
    }

    #[inline(never)]
    fn job_pause(&self, request: &Request<'_>) -> Outcome {
        self.backend
            .job_pause(parse::job_id(&request.attributes())?)?;
        Ok(())
    }

    #[inline(never)]
    fn job_resume(&self, request: &Request<'_>) -> Outcome {
        self.backend
            .job_resume(parse::job_id(&request.attributes())?)?;
        Ok(())
    }

    #[inline(never)]
    fn job_cancel(&self, request: &Request<'_>) -> Outcome {
        self.backend
            .job_cancel(parse::job_id(&request.attributes())?)?;
        Ok(())
    }

    #[inline(never)]
    fn job_set(&self, request: &Request<'_>) -> Outcome {
        let attributes = request.attributes();
        let id = parse::job_id(&attributes)?;
        self.backend
            .job_set(id, &parse::pace_change(&attributes)?)?;
        Ok(())
    }

    fn dump_jobs(&self, dump: &mut Dump<'_>) -> Result {
        while let Some((next, info)) = self.backend.job_next(dump.cursor()) {
            if !dump.entry(next, |message| format::job(message, &info))? {
                break;
            }
        }
        Ok(())
    }

    fn dump_storages(&self, dump: &mut Dump<'_>) -> Result {
        while let Some((next, info)) = self.backend.storage_next(dump.cursor()) {
            if !dump.entry(next, |message| format::storage(message, &info))? {
                break;
            }
        }
        Ok(())
    }

    fn dump_nodes(&self, dump: &mut Dump<'_>) -> Result {
        let attributes = dump.request.attributes();
        let storage = match attributes.get(attr::node::STORAGE) {
            Some(name) => Some(name.text().map_err(|fault| fault.error)?),
            None => None,
        };
        while let Some((next, info)) = self.backend.node_next(storage, dump.cursor()) {
            if !dump.entry(next, |message| format::node(message, &info))? {
                break;
            }
        }
        Ok(())
    }

    fn dump_exports(&self, dump: &mut Dump<'_>) -> Result {
        while let Some((next, info)) = self.backend.export_next(dump.cursor()) {
            if !dump.entry(next, |message| format::export(message, &info))? {
                break;
            }
        }
        Ok(())
    }

    fn dump_connections(&self, dump: &mut Dump<'_>) -> Result {
        use attr::connection as a;
        let attributes = dump.request.attributes();
        let fault = |fault: Fault| fault.error;
        let storage = attributes
            .get(a::STORAGE)
            .map(|name| name.text())
            .transpose();
        let export = attributes.get_u32(a::EXPORT_ID).map_err(fault)?;
        let filter = match (storage.map_err(fault)?, export) {
            (None, None) => ConnectionFilter::All,
            (Some(name), None) => ConnectionFilter::Storage(Name::from_display(&name)),
            (None, Some(id)) => ConnectionFilter::Export(id),
            // No connection belongs to both.
            (Some(_), Some(_)) => return Err(EINVAL),
        };
        while let Some((next, info)) = self.backend.connection_next(&filter, dump.cursor()) {
            if !dump.entry(next, |message| format::connection(message, &info))? {
                break;
            }
        }
        Ok(())
    }
}

impl<B: Backend> Service for Requests<B> {
    fn request(&self, request: &Request<'_>) -> core::result::Result<(), Fault> {
        self.perform(request).map_err(|failure| match failure {
            Failure::Fault(fault) => fault,
            Failure::Refusal(refusal) => {
                faults::fault(request.command(), &request.attributes(), &refusal)
            }
        })
    }

    fn dump_room(&self, command: u8) -> usize {
        if command != cmd::EXPORT_GET {
            return 0;
        }
        let mut longest = 0;
        let mut cursor = [0; 2];
        while let Some((next, info)) = self.backend.export_next(cursor) {
            cursor = next;
            longest = (info.allow.len() + info.copy_from.len()).max(longest);
        }
        format::export_room(longest)
    }

    fn dump(&self, dump: &mut Dump<'_>) -> Result {
        dump.set_generation(self.backend.generation());
        match dump.request.command() {
            cmd::STORAGE_GET => self.dump_storages(dump),
            cmd::NODE_GET => self.dump_nodes(dump),
            cmd::EXPORT_GET => self.dump_exports(dump),
            cmd::CONNECTION_GET => self.dump_connections(dump),
            cmd::JOB_GET => self.dump_jobs(dump),
            _ => Err(EOPNOTSUPP),
        }
    }
}
