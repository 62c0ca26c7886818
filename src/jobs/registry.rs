// SPDX-License-Identifier: GPL-2.0

//! The engine: all jobs of the module, those that have ended lately included.
//!
//! The list's lock is held for moments, also while a job's thread is made. A task on the pool for
//! control lets go of the threads of jobs that have ended.

use super::{
    config::{JobConfig, JobInfo, JobKind, JobObserver, MigrateConfig, PaceChange, MIN_RATE},
    job::{Begun, Job, Outcome, Over, Parts},
    migrate, verify,
};
use crate::{
    dst_core::job::{
        claim::Claim,
        memory::forgotten,
        state::{Refused, Request},
    },
    exec::{JoinHandle, Notify, Pools, Settings, TaskName},
    fault,
    storage::{
        self,
        beside::{Beside, Site},
        fault::Outcome as Answer,
    },
    sys::{
        kthread::Reclaim,
        refusal::{Field, Refusal},
    },
};
use core::{future::Future, pin::Pin};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex,
    },
};

/// The most jobs at a time; each has [`verify::MEMORY`] bytes of pages.
pub const MAX_JOBS: usize = 16;

/// As many jobs that have ended are remembered.
const REMEMBERED: usize = 16;

/// What a job does, on the heap: it is moved several times before it runs.
pub type Work = Pin<KBox<dyn Future<Output = Outcome> + Send>>;

/// What a request comes to.
pub type Result<T = ()> = core::result::Result<T, Refusal>;

struct List {
    /// Sorted by number.
    jobs: KVec<Arc<Job>>,
    next_id: u32,
}

/// What the engine shares with the task that clears up.
#[pin_data]
struct Shared {
    observer: Option<Arc<dyn JobObserver>>,
    over: Arc<Over>,
    generation: Atomic<u32>,
    #[pin]
    list: Mutex<List>,
}

/// The jobs of the module. Dropped after the storages.
pub struct Registry {
    // Before what it uses.
    _clear: JoinHandle,
    shared: Arc<Shared>,
}

impl Shared {
    /// Lets go of what jobs that have ended do not need any more. Runs on the pool for control.
    async fn clear(self: Arc<Self>) {
        loop {
            self.over.notify.notified(c"a job to end").await;
            let mut id = 0;
            while let Some(job) = self.next(id) {
                id = job.begun().id;
                if job.has_ended() {
                    job.reap();
                }
            }
        }
    }

    fn next(&self, after: u32) -> Option<Arc<Job>> {
        let list = self.list.lock();
        list.jobs.iter().find(|job| job.begun().id > after).cloned()
    }
}

impl Registry {
    /// An engine without jobs. Its tasks run on `pools` and on threads of their own, `observer` is
    /// told of changes. May sleep. Errors: `ENOMEM`.
    pub fn new(
        pools: &Pools,
        observer: Option<Arc<dyn JobObserver>>,
    ) -> kernel::error::Result<Arc<Self>> {
        let over = Arc::pin_init(
            pin_init!(Over { count: Atomic::new(0), notify <- Notify::new() }),
            GFP_KERNEL,
        )?;
        let shared = Arc::pin_init(
            pin_init!(Shared {
                observer,
                over,
                generation: Atomic::new(1),
                list <- new_mutex!(List { jobs: KVec::new(), next_id: 1 }, "dst_jobs"),
            }),
            GFP_KERNEL,
        )?;
        let clear = pools.control.spawn(c"jobs-clear", shared.clone().clear())?;
        let registry = Self {
            _clear: clear,
            shared,
        };
        Ok(Arc::new(registry, GFP_KERNEL)?)
    }

    /// Changes whenever a job comes or is forgotten.
    pub fn generation(&self) -> u32 {
        self.shared.generation.load(ordering::Relaxed)
    }

    /// Begins a job on a running storage; returns its number.
    ///
    /// Errors: those of the storage; `EBUSY` for another job at a node of this one's, `ENOSPC` for
    /// too many jobs, `EINVAL` for a rate that cannot be.
    pub fn begin(&self, storages: &storage::Registry, config: &JobConfig) -> Result<u32> {
        check_pace(&config.pace)?;
        let name = config.storage.as_str();
        let job = storages.work_beside(name, config.node, |site| match config.kind {
            JobKind::Verify => {
                let plan = verify::plan(site, config.node)?;
                let total = plan.bytes();
                self.launch(site, config, total, |job| plan.work(job))
            }
            // It has another request, with a device.
            JobKind::Migrate => Err(EINVAL.into()),
        })?;
        Ok(job.begun().id)
    }

    /// Begins to move a node of a running storage; returns the job's number.
    ///
    /// Errors: those of the storage; and as [`Self::begin`].
    pub fn migrate(&self, storages: &storage::Registry, config: MigrateConfig) -> Result<u32> {
        check_pace(&config.pace)?;
        let MigrateConfig {
            storage,
            device,
            pace,
        } = config;
        let Some(index) = device.index else {
            return Err(EINVAL.into());
        };
        let config = JobConfig {
            kind: JobKind::Migrate,
            storage,
            node: Some(index),
            pace,
        };
        let name = storage.as_str();
        // Before anything is written to the device.
        self.check_free(storages, &config)?;
        let job = storages.migrate(name, index, device, |site, mover| {
            let plan = migrate::plan(site, mover)?;
            let total = plan.bytes();
            self.launch(site, &config, total, |job| plan.work(job))
        })?;
        Ok(job.begun().id)
    }

    /// Whether a job as `config` says could begin. Apart, as its frame is to be gone when one does.
    #[inline(never)]
    fn check_free(&self, storages: &storage::Registry, config: &JobConfig) -> Result {
        let name = config.storage.as_str();
        storages.work_beside(name, config.node, |site| {
            let list = self.shared.list.lock();
            check_others(&list.jobs, &claim_of(site, config))
        })
    }

    /// Lets a node go on at another place, if it is there, or begins to move it there: then the number of the job.
    ///
    /// Errors: see [`storage::storage::Storage::replace`] and [`Self::migrate`].
    pub fn replace(
        &self,
        storages: &storage::Registry,
        config: MigrateConfig,
    ) -> Result<Option<u32>> {
        match self.goes_on(storages, &config)? {
            true => Ok(None),
            false => self.migrate(storages, config).map(Some),
        }
    }

    /// Lets a node go on at another place if it is there; `false` if it is not. Apart, as its frame is to be gone when
    /// the node is moved.
    #[inline(never)]
    fn goes_on(&self, storages: &storage::Registry, config: &MigrateConfig) -> Result<bool> {
        check_pace(&config.pace)?;
        let device = config.device.clone();
        let Some(index) = device.index else {
            return Err(EINVAL.into());
        };
        let name = config.storage.as_str();
        storages.replace(name, index, device, |site| {
            let claim = Claim {
                storage: site.number,
                node: Some(index),
            };
            check_conflicts(&self.shared.list.lock().jobs, &claim)
        })
    }

    /// Makes a job for the work that `make` returns, and its thread. Apart, as its frame is large
    /// and a request deep.
    #[inline(never)]
    fn launch(
        &self,
        site: &Site,
        config: &JobConfig,
        total: u64,
        make: impl FnOnce(Arc<Job>) -> kernel::error::Result<Work>,
    ) -> Answer<Arc<Job>> {
        let claim = claim_of(site, config);
        let mut list = self.shared.list.lock();
        check_others(&list.jobs, &claim)?;
        list.jobs.reserve(1, GFP_KERNEL)?;
        // None is given twice: whoever has kept a number must not meet another job.
        let next_id = list.next_id.checked_add(1).ok_or(EOVERFLOW)?;
        let begun = Begun {
            id: list.next_id,
            kind: config.kind,
            claim,
            storage: site.name,
            net: site.net.clone(),
            total,
            pace: config.pace,
        };
        let shared = &self.shared;
        let job = Job::new(begun, shared.observer.clone(), shared.over.clone())?;
        let work = make(job.clone())?;
        let id = job.begun().id;
        let settings = Settings::new(1, Reclaim::NoIo);
        let pool = Pools::devices("job", &id, settings)?;
        let task = {
            let job = job.clone();
            async move {
                let outcome = work.await;
                // What it worked with has gone.
                job.finish(outcome);
            }
        };
        let name = TaskName::with(c"job", fmt!("{}", id));
        list.next_id = next_id;
        // Before anybody can change it.
        job.announce();
        let lacks_memory = |_: &Error| job.finish(Outcome::failed(&"no memory for its task"));
        // Known to the storage before it can touch a node.
        let attached = site.running.attach(job.clone());
        attached.inspect_err(lacks_memory)?;
        let spawned = name.and_then(|name| pool.spawn(name, task));
        let task = spawned.inspect_err(lacks_memory)?;
        job.keep(Parts { task, pool });
        if job.has_ended() {
            // Before its thread was there to be let go of.
            shared.over.notify.notify_one();
        }
        // There is room.
        let _ = list.jobs.push(job.clone(), GFP_KERNEL);
        forget_old(&mut list.jobs);
        drop(list);
        self.shared.generation.fetch_add(1, ordering::Relaxed);
        Ok(job)
    }

    fn find(&self, id: u32) -> Answer<Arc<Job>> {
        let list = self.shared.list.lock();
        let found = list.jobs.iter().find(|job| job.begun().id == id);
        found.cloned().ok_or_else(|| {
            fault!(
                ENOENT,
                Field::Id,
                "there is no job {}; dst job list shows those that are",
                id
            )
        })
    }

    fn request(&self, id: u32, request: Request, why: &str) -> Answer {
        let refused = match self.find(id)?.request(request, why) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        Err(match refused {
            Refused::Ended => ended(id),
            Refused::Ending => fault!(EBUSY, Field::Id, "job {} is being cancelled", id),
            Refused::Paused => fault!(EALREADY, Field::Id, "job {} is paused already", id),
            Refused::NotPaused => fault!(EINVAL, Field::Id, "job {} is not paused", id),
        })
    }

    /// Lets a job wait. What is in flight is not taken back.
    pub fn pause(&self, id: u32) -> Result {
        Ok(self.request(id, Request::Pause, "")?)
    }

    /// Lets a job that was told to pause go on.
    pub fn resume(&self, id: u32) -> Result {
        Ok(self.request(id, Request::Resume, "")?)
    }

    /// Tells a job to end. Does not wait for that.
    pub fn cancel(&self, id: u32) -> Result {
        Ok(self.request(id, Request::Cancel, "an administrator has cancelled it")?)
    }

    /// Changes how fast a job may be.
    pub fn set_pace(&self, id: u32, change: &PaceChange) -> Result {
        check_pace(change)?;
        if self.find(id)?.set_pace(change) {
            Ok(())
        } else {
            Err(ended(id).into())
        }
    }

    /// Tells about a job. Errors: `ENOENT`.
    pub fn info(&self, id: u32) -> Result<JobInfo> {
        Ok(self.find(id)?.info())
    }

    /// The job with the least number above `after`.
    pub fn next(&self, after: u32) -> Option<JobInfo> {
        self.shared.next(after).map(|job| job.info())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The storages have gone, so all of them have ended.
        let mut id = 0;
        while let Some(job) = self.shared.next(id) {
            id = job.begun().id;
            job.reap();
        }
    }
}

fn ended(id: u32) -> storage::fault::Fault {
    fault!(
        ESRCH,
        Field::Id,
        "job {} has ended; dst job show {} tells how",
        id,
        id
    )
}

fn check_pace(pace: &PaceChange) -> Answer {
    let low = |rate: u64| rate < MIN_RATE;
    if pace.limit.flatten().is_some_and(low) {
        return Err(fault!(
            EINVAL,
            Field::RateLimit,
            "the rate is too low: at least {} bytes in a second, or 0 for no limit",
            MIN_RATE
        ));
    }
    if pace.floor.is_some_and(low) {
        return Err(fault!(
            EINVAL,
            Field::MinRate,
            "the least rate is too low: at least {} bytes in a second",
            MIN_RATE
        ));
    }
    Ok(())
}

fn claim_of(site: &Site, config: &JobConfig) -> Claim {
    Claim {
        storage: site.number,
        node: config.node,
    }
}

/// Refuses a job that may not run beside those that do.
fn check_others(jobs: &[Arc<Job>], claim: &Claim) -> Answer {
    if jobs.iter().filter(|job| !job.has_ended()).count() >= MAX_JOBS {
        return Err(fault!(
            ENOSPC,
            None,
            "{} jobs are running or paused already; cancel one of them or wait",
            MAX_JOBS
        ));
    }
    check_conflicts(jobs, claim)
}

/// Refuses what may not be done beside the jobs that work on the same nodes.
fn check_conflicts(jobs: &[Arc<Job>], claim: &Claim) -> Answer {
    let mut active = jobs.iter().filter(|job| !job.has_ended());
    let Some(other) = active.find(|job| job.begun().claim.conflicts(claim)) else {
        return Ok(());
    };
    let begun = other.begun();
    let (id, kind) = (begun.id, begun.kind.as_str());
    Err(match (begun.claim.node, claim.node) {
        (Some(node), _) => fault!(
            EBUSY,
            Field::Index,
            "job {} ({}) works on node {}; wait for it, or end it with dst job cancel {}",
            id,
            kind,
            node,
            id
        ),
        (None, _) => fault!(
            EBUSY,
            Field::Name,
            "job {} ({}) works on all nodes; wait for it, or end it with dst job cancel {}",
            id,
            kind,
            id
        ),
    })
}

/// Takes jobs out that ended before many others did, the oldest first. No job gets their numbers.
fn forget_old(jobs: &mut KVec<Arc<Job>>) {
    while let Some(at) = forgotten(jobs.iter().map(|job| job.place()), REMEMBERED) {
        let Some(oldest) = jobs.get(at).cloned() else {
            return;
        };
        // Its task has a share in it, which must not be the last one.
        oldest.reap();
        jobs.retain(|job| !Arc::ptr_eq(job, &oldest));
    }
}
