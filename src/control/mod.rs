// SPDX-License-Identifier: GPL-2.0

//! The administrator's way to storages and exports: netlink, sysfs, events.
//!
//! This is the top layer. Requests come in by generic netlink ([`service`]), are turned into
//! plain values ([`parse`]) and handed to the layers below through one trait ([`backend`]); what
//! these tell about themselves is turned into attributes ([`format`]) or into files under
//! `/sys/devices` ([`directories`], [`files`]). Changes that the layers report are multicast
//! ([`events`]). Nothing is decided here but whether a request is well-formed.
//!
//! Requests are carried out in the task that sent them.

pub mod backend;
pub mod directories;
pub mod events;
pub mod faults;
pub mod files;
pub mod format;
pub mod parse;
pub mod service;
pub mod uapi;

use crate::sys::genl::{Registration, Service};
use backend::Backend;
use directories::Directories;
use events::Events;
use kernel::{prelude::*, sync::Arc};

/// The control layer of the running module.
///
/// Dropping it ends all requests, then removes what is left in sysfs: the first step when the
/// module leaves. May sleep.
pub struct Control<B: Backend> {
    // Fields are dropped in this order.
    _family: Registration,
    _directories: Arc<Directories<B>>,
}

impl<B: Backend> Control<B> {
    /// Opens the module to requests: the last step of its start, after which nothing may fail,
    /// because a request may be under way as soon as this function runs. May sleep.
    ///
    /// The layers behind `backend` tell their events to `events`.
    pub fn start(backend: Arc<B>, events: &Events) -> Result<Self> {
        let directories = Directories::new(backend.clone())?;
        let service = service::Requests::new(backend, directories.clone());
        let service: KBox<dyn Service> = KBox::new(service, GFP_KERNEL)?;
        Ok(Self {
            _family: Registration::new(service, events.notifier())?,
            _directories: directories,
        })
    }
}
