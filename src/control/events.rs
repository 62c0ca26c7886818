// SPDX-License-Identifier: GPL-2.0

//! Events for the multicast group.

use super::{format, uapi::cmd};
use crate::{
    export::config::{ConnectionInfo, ExportInfo, ExportObserver},
    jobs::config::{JobInfo, JobObserver},
    storage::config::{NodeInfo, StorageInfo, StorageObserver},
    sys::genl::Notifier,
};
use kernel::{prelude::*, sync::Arc};

/// Tells everybody who listens in the network namespace concerned.
///
/// It is made before the layers that tell it what happens; what they tell before the control
/// layer has started, and after it has ended, is told to nobody.
pub struct Events {
    notifier: Arc<Notifier>,
}

impl Events {
    /// Events without a family. May sleep.
    pub fn new() -> Result<Arc<Self>> {
        let notifier = Arc::new(Notifier::new(), GFP_KERNEL)?;
        Ok(Arc::new(Self { notifier }, GFP_KERNEL)?)
    }

    pub(super) fn notifier(&self) -> Arc<Notifier> {
        self.notifier.clone()
    }
}

impl StorageObserver for Events {
    fn storage_changed(&self, info: &StorageInfo) {
        self.notifier
            .notify(&info.net, cmd::STORAGE_NTF, |message| {
                format::storage(message, info)
            });
    }

    fn node_changed(&self, info: &NodeInfo) {
        self.notifier.notify(&info.net, cmd::NODE_NTF, |message| {
            format::node(message, info)
        });
    }
}

impl JobObserver for Events {
    fn job_changed(&self, info: &JobInfo) {
        self.notifier.notify(&info.net, cmd::JOB_NTF, |message| {
            format::job(message, info)
        });
    }
}

impl ExportObserver for Events {
    fn export_changed(&self, info: &ExportInfo) {
        self.notifier.notify(&info.net, cmd::EXPORT_NTF, |message| {
            format::export(message, info)
        });
    }

    fn connection_changed(&self, info: &ConnectionInfo) {
        self.notifier
            .notify(&info.net, cmd::CONNECTION_NTF, |message| {
                format::connection(message, info)
            });
    }
}
