// SPDX-License-Identifier: GPL-2.0

//! All exports of the module.

use super::{
    config::{
        ConnectionInfo, ConnectionState, ExportConfig, ExportInfo, ExportObserver, ExportSelector,
        ListsChange,
    },
    exported::{defaults, Export, Parts},
    listener,
};
use crate::{
    device::label,
    dst_core::{
        label::{LabelError, MetadataArea},
        wire::{DEFAULT_TRANSFER, MAX_TRANSFER, MIN_TRANSFER},
    },
    exec::{Pools, TaskName, Timer},
    net::Listener,
    refuse,
    sys::{
        bdev::{BlockDevice, OpenMode},
        refusal::{Field, Refusal},
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex,
    },
};

/// The most exports.
pub const MAX_EXPORTS: usize = 1024;

/// The exports of the module.
#[pin_data]
pub struct Registry {
    #[pin]
    exports: Mutex<KVec<Arc<Export>>>,
    pools: Arc<Pools>,
    boot: [u8; 16],
    next_id: Atomic<u32>,
    generation: Atomic<u32>,
    observer: Option<Arc<dyn ExportObserver>>,
}

/// How long a deletion waits for the device, in milliseconds.
const STOP_MS: u32 = 8_000;

type Outcome<T = ()> = core::result::Result<T, Refusal>;

impl Registry {
    /// A registry without exports, whose tasks run on `pools`. May sleep. Errors: `ENOMEM`.
    pub fn new(pools: Arc<Pools>, observer: Option<Arc<dyn ExportObserver>>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                exports <- new_mutex!(KVec::new(), "dst_exports"),
                pools,
                boot: crate::sys::random::identity(),
                next_id: Atomic::new(1),
                generation: Atomic::new(1),
                observer,
            }),
            GFP_KERNEL,
        )
    }

    fn changed(&self, export: &Export) {
        self.generation.fetch_add(1, ordering::Relaxed);
        if let Some(observer) = &self.observer {
            observer.export_changed(&export.info());
        }
    }

    /// Changes whenever an export comes or goes.
    pub fn generation(&self) -> u32 {
        self.generation.load(ordering::Relaxed)
    }

    /// The number of exports.
    pub fn count(&self) -> usize {
        self.exports.lock().len()
    }

    /// Adds an export; it listens on success. May sleep on the device.
    pub fn export_add(&self, config: ExportConfig) -> Outcome<ExportInfo> {
        check_limits(&config)?;
        let device = open(&config)?;
        let area = MetadataArea::for_device(device.sectors()).ok();
        let label = label_of(&device, area.as_ref(), &config)?;
        let listener = listen(&config)?;
        let address = listener.local_address()?;
        let mut config = config;
        let allowed = core::mem::replace(&mut config.allow, KVec::new());
        let copy_from = core::mem::replace(&mut config.copy_from, KVec::new());
        let mut exports = self.exports.lock();
        if exports.len() >= MAX_EXPORTS {
            return Err(refuse!(
                ENOSPC,
                None,
                "there are {} exports already",
                MAX_EXPORTS
            ));
        }
        if !config.name.is_empty() && exports.iter().any(|other| other.name == config.name) {
            return Err(refuse!(
                EEXIST,
                Field::Name,
                "there is an export named {} already",
                config.name
            ));
        }
        exports.reserve(1, GFP_KERNEL)?;
        let path: &CStr = &config.path;
        let path = Arc::new(CString::try_from(path)?, GFP_KERNEL)?;
        let parts = Parts {
            id: self.next_id.fetch_add(1, ordering::Relaxed),
            device,
            address,
            area,
            label,
            allowed,
            copy_from,
            boot: self.boot,
            pools: self.pools.clone(),
        };
        let export = Export::new(&config, path, parts)?;
        let timer = Timer::new()?;
        let accept = listener::run(export.clone(), listener, timer);
        let name = TaskName::with(c"export-listen", fmt!("{}", export.id))?;
        *export.listener.lock() = Some(self.pools.net.spawn(name, accept)?);
        exports.push(export.clone(), GFP_KERNEL)?;
        drop(exports);
        pr_info!(
            "export {}: {} on {}\n",
            export.id,
            export.device().name(),
            export.address
        );
        self.changed(&export);
        Ok(export.info())
    }

    fn find(&self, which: &ExportSelector) -> Outcome<Arc<Export>> {
        let exports = self.exports.lock();
        let mut matching = exports.iter().filter(|export| matches(export, which));
        match (matching.next(), matching.next()) {
            (Some(export), None) => Ok(export.clone()),
            (None, _) => Err(refuse!(ENOENT, None, "there is no such export")),
            (Some(_), Some(_)) => Err(refuse!(
                EINVAL,
                None,
                "more than one export matches; give its number (see dst export list)"
            )),
        }
    }

    /// Deletes an export: stops listening, closes its connections, lets what is at the device
    /// finish and closes the device. Refused while clients are connected, unless `force`.
    pub fn export_del(&self, which: &ExportSelector, force: bool) -> Outcome {
        let export = self.find(which)?;
        let clients = export.info().clients;
        if clients > 0 && !force {
            return Err(refuse!(
                EBUSY,
                None,
                "{} connections use the export; stop the storages there first, or use --force",
                clients
            ));
        }
        if !listener::stop(&export, STOP_MS) {
            return Err(refuse!(
                EBUSY,
                None,
                "{} requests are still at the device; the export takes no more, try again",
                export.at_device()
            ));
        }
        self.exports
            .lock()
            .retain(|other| !Arc::ptr_eq(other, &export));
        self.changed(&export);
        Ok(())
    }

    /// Replaces lists of an export: of who may connect, for clients that are connected too, and of the machines
    /// from which it may copy, for requests from now on.
    pub fn export_set(&self, which: &ExportSelector, change: ListsChange) -> Outcome {
        let export = self.find(which)?;
        let ListsChange { allow, copy_from } = change;
        let allow = allow.map(|rules| Arc::new(rules, GFP_KERNEL)).transpose()?;
        let copy_from = copy_from
            .map(|prefixes| Arc::new(prefixes, GFP_KERNEL))
            .transpose()?;
        if let Some(allow) = allow {
            export.set_allowed(allow);
        }
        if let Some(copy_from) = copy_from {
            export.set_copy_from(copy_from);
        }
        self.changed(&export);
        Ok(())
    }

    /// Tells about an export.
    pub fn export_info(&self, which: &ExportSelector) -> Outcome<ExportInfo> {
        Ok(self.find(which)?.info())
    }

    /// The export with the least number above that in `cursor`.
    pub fn export_next(&self, cursor: [u64; 2]) -> Option<([u64; 2], ExportInfo)> {
        let exports = self.exports.lock();
        let export = exports
            .iter()
            .filter(|export| u64::from(export.id) > cursor[0])
            .min_by_key(|export| export.id)?
            .clone();
        drop(exports);
        Some(([export.id.into(), 0], export.info()))
    }

    /// The connection with the least number above that in `cursor`, of export `of` or of all.
    pub fn connection_next(
        &self,
        of: Option<u32>,
        cursor: [u64; 2],
    ) -> Option<([u64; 2], ConnectionInfo)> {
        let exports = self.exports.lock();
        let mut best: Option<(Arc<Export>, Arc<super::peer::Peer>)> = None;
        for export in exports
            .iter()
            .filter(|export| of.is_none_or(|id| id == export.id))
        {
            for peer in export.peers.lock().iter() {
                let nearer = best.as_ref().is_none_or(|(_, best)| peer.id < best.id);
                // One that is over is only waited for by its tasks' joiner.
                let over = peer.state() == ConnectionState::Closed;
                if peer.id > cursor[0] && nearer && !over {
                    best = Some((export.clone(), peer.clone()));
                }
            }
        }
        drop(exports);
        let (export, peer) = best?;
        Some(([peer.id, 0], export.connection_info(&peer)))
    }
}

impl Registry {
    /// Deletes all exports; for the end of the module.
    pub fn stop(&self) {
        let exports = core::mem::take(&mut *self.exports.lock());
        for export in exports {
            // The module cannot go before its requests have come back.
            while !listener::stop(&export, STOP_MS) {
                pr_warn!(
                    "export {}: {} requests are still at the device\n",
                    export.label(),
                    export.at_device()
                );
            }
        }
    }
}

fn matches(export: &Export, which: &ExportSelector) -> bool {
    if let Some(id) = which.id {
        return export.id == id;
    }
    export.net == which.net
        && which.name.as_ref().is_none_or(|name| *name == export.name)
        && which
            .path
            .as_ref()
            .is_none_or(|path| path.to_bytes() == export.path.to_bytes())
        && which
            .address
            .is_none_or(|address| address == export.address)
}

/// Binds the listening socket of an export.
fn listen(config: &ExportConfig) -> Outcome<Listener> {
    Listener::bind(
        &config.net,
        config.address,
        config.backlog.unwrap_or(defaults::BACKLOG),
    )
    .map_err(|error| match error {
        EADDRINUSE => refuse!(
            error,
            Field::Address,
            "{} is in use by another program or export",
            config.address
        ),
        EADDRNOTAVAIL => refuse!(
            error,
            Field::Address,
            "{} is not an address of this machine",
            config.address
        ),
        _ => refuse!(
            error,
            Field::Address,
            "cannot listen on {} (error {})",
            config.address,
            error.to_errno()
        ),
    })
}

fn check_limits(config: &ExportConfig) -> Outcome {
    if let Some(bytes) = config.max_transfer {
        if !(MIN_TRANSFER..=DEFAULT_TRANSFER.min(MAX_TRANSFER)).contains(&bytes) {
            return Err(refuse!(
                EINVAL,
                Field::MaxTransfer,
                "{} bytes in one request; {} to {} are possible",
                bytes,
                MIN_TRANSFER,
                DEFAULT_TRANSFER
            ));
        }
    }
    if config.client_memory.is_some_and(|bytes| bytes > 1 << 30) {
        return Err(refuse!(
            EINVAL,
            Field::ClientMemory,
            "at most 1 GiB for one client"
        ));
    }
    Ok(())
}

fn open(config: &ExportConfig) -> Outcome<Arc<BlockDevice>> {
    let mode = OpenMode {
        write: !config.read_only,
        exclusive: true,
    };
    let device = BlockDevice::open(&config.path, mode).map_err(|error| match error {
        ENOENT | ENXIO | ENODEV => {
            refuse!(error, Field::Path, "there is no such device")
        }
        ENOTBLK => refuse!(error, Field::Path, "it is not a block device"),
        EBUSY => refuse!(
            error,
            Field::Path,
            "the device is in use (mounted, in a RAID, or exported already)"
        ),
        EACCES | EROFS | EPERM => refuse!(
            error,
            Field::Path,
            "the device is read-only; export it with --read-only"
        ),
        _ => refuse!(
            error,
            Field::Path,
            "the device cannot be opened (error {})",
            error.to_errno()
        ),
    })?;
    let limits = device.limits();
    if limits.zoned {
        return Err(refuse!(
            EOPNOTSUPP,
            Field::Path,
            "zoned devices are not supported"
        ));
    }
    if limits.integrity {
        return Err(refuse!(
            EOPNOTSUPP,
            Field::Path,
            "devices with integrity metadata are not supported"
        ));
    }
    Ok(device)
}

/// Storage and epoch in the device's label; `None` without a label.
fn label_of(
    device: &BlockDevice,
    area: Option<&MetadataArea>,
    config: &ExportConfig,
) -> Outcome<Option<([u8; 16], u64)>> {
    let Some(area) = area else {
        return Ok(None);
    };
    match label::read(device, area) {
        Ok(Ok(choice)) => Ok(Some((choice.label.storage, choice.label.epoch))),
        Ok(Err(LabelError::None)) => Ok(None),
        Ok(Err(error)) if !config.force => Err(refuse!(
            EBADMSG,
            Field::Path,
            "{}; use --force to export the device all the same",
            error
        )),
        Ok(Err(_)) => Ok(None),
        Err(error) => Err(refuse!(
            error,
            Field::Path,
            "the label cannot be read (error {})",
            error.to_errno()
        )),
    }
}
