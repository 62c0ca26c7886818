// SPDX-License-Identifier: GPL-2.0

//! A flush of a local device that an administrator's request needs, and no caller of the disk has asked for.
//!
//! It is sent like any other I/O, so that a device that hangs does not hold up the request, or the operation lock that it has,
//! for longer than its deadline. Until it has ended it counts as under way at the node, which keeps the
//! device. If it fails, a flush that is asked for from then on tells, also when nobody waits here any more: a device reports
//! such an error once.

use super::{
    lane::{Admitted, Lane},
    local::Local,
    parking::Parking,
    wait::Patience,
};
use crate::{
    exec::Timer,
    sys::{
        bio::Status,
        device_bio::{DeviceBio, DeviceBioEnd, DeviceFlags, DeviceOp},
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
    time::Delta,
};

/// Milliseconds between two looks.
const LOOK_MS: i64 = 2;

/// How it has ended, once it has.
struct Outcome {
    ended: Atomic<bool>,
    ok: Atomic<bool>,
}

struct Flushing {
    admitted: Admitted,
    parking: Arc<Parking>,
    outcome: Arc<Outcome>,
}

impl DeviceBioEnd for Flushing {
    fn end(self, mut bio: DeviceBio<Self>, status: Status) {
        let Self {
            admitted,
            parking,
            outcome,
        } = self;
        // The node has the device, and the storage what is parked, for as long as this counts there. Whoever waits for the
        // end may take both away.
        bio.forget_device();
        drop(bio);
        if !status.is_ok() {
            admitted.lane().note_untold(&parking);
        }
        drop(parking);
        drop(admitted);
        outcome.ok.store(status.is_ok(), ordering::Relaxed);
        outcome.ended.store(true, ordering::Release);
    }
}

/// Flushes the device of a node whose lane is `lane`; whether that went well. Process context; sleeps for memory and in the device's
/// driver.
///
/// Errors: of waiting ([`super::wait::Interrupt::run`]): it may be under way yet, and a flush tells if it fails; `ENOMEM`.
pub(super) fn flush(
    local: &Local,
    lane: &Arc<Lane>,
    parking: &Arc<Parking>,
    patience: Patience<'_>,
) -> Result<bool> {
    let timer = Timer::new()?;
    let outcome = Outcome {
        ended: Atomic::new(false),
        ok: Atomic::new(false),
    };
    let outcome = Arc::new(outcome, GFP_KERNEL)?;
    let flushing = Flushing {
        admitted: lane.hold(),
        parking: parking.clone(),
        outcome: outcome.clone(),
    };
    let bio = DeviceBio::without_pages(0)?;
    bio.submit(
        local.device(),
        DeviceOp::Flush,
        DeviceFlags::default(),
        0,
        0,
        flushing,
    );
    patience.run(ended(outcome.clone(), timer))?;
    Ok(outcome.ok.load(ordering::Relaxed))
}

async fn ended(outcome: Arc<Outcome>, mut timer: Timer) {
    while !outcome.ended.load(ordering::Acquire) {
        timer.sleep(Delta::from_millis(LOOK_MS)).await;
    }
}
