// SPDX-License-Identifier: GPL-2.0

//! The workers of a storage: how many issue its I/O, how important they are, and where they run.
//!
//! What is asked for is kept with the storage, so it holds from before its start to its deletion,
//! for workers that come later too. There is never less than a worker for each local node and one
//! more: the issue task of a local node may sleep in a device that hangs, and nobody else is to
//! wait for it.

use super::{
    config::{CpuList, StorageState, WorkersChange},
    fault::{Fault, Outcome},
    running::Running,
    storage::{State, Storage},
    wait::Deadline,
};
use crate::{
    exec::{pool::MAX_WORKERS, Settings},
    fault,
    sys::{
        cpu::CpuSet,
        kthread::{Reclaim, NICE_MAX, NICE_MIN},
        refusal::Field,
    },
};
use kernel::{prelude::*, str::CString, sync::Arc};

/// Milliseconds for a change to wait for another request.
const SET_MS: u32 = 8_000;

/// What is asked for.
#[derive(Default)]
pub struct Workers {
    /// Threads; as few as possible if not given.
    count: Option<u32>,
    nice: i32,
    /// Where they run, as it was written and as it was understood; empty for anywhere.
    list: CpuList,
    cpus: Option<Arc<CpuSet>>,
}

impl Workers {
    /// What the pool of a storage with so many local nodes is made with.
    pub fn settings(&self, local: u32) -> Settings {
        Settings {
            workers: self.count(local),
            least: local.saturating_add(1),
            reclaim: Reclaim::NoIo,
            nice: self.nice,
            cpus: self.cpus.clone(),
        }
    }

    /// How many workers a storage with so many local nodes has.
    pub fn count(&self, local: u32) -> u32 {
        let least = local.saturating_add(1);
        self.count.map_or(least, |count| count.max(least))
    }

    /// The nice level.
    pub fn nice(&self) -> i32 {
        self.nice
    }

    /// The CPUs as they were written; empty for any.
    pub fn cpus(&self) -> CpuList {
        self.list
    }
}

impl State {
    /// Nodes on devices of this machine.
    pub fn local_nodes(&self) -> u32 {
        let local = self
            .members
            .iter()
            .filter(|member| member.address().is_none());
        // At most as many as a storage can have.
        local.count() as u32
    }
}

fn check_count(count: u32, least: u32) -> Outcome {
    if (least..=MAX_WORKERS).contains(&count) {
        return Ok(());
    }
    Err(fault!(
        EINVAL,
        Field::Workers,
        "{} workers; {} to {} are possible: one for each local node, whose device may hang, and \
         one more",
        count,
        least,
        MAX_WORKERS
    ))
}

fn check_nice(nice: i32) -> Outcome {
    if (NICE_MIN..=NICE_MAX).contains(&nice) {
        return Ok(());
    }
    Err(fault!(
        EINVAL,
        Field::WorkerNice,
        "a nice level of {}; {} to {} are possible",
        nice,
        NICE_MIN,
        NICE_MAX
    ))
}

/// Reads a list of CPUs; `None` for an empty one, which means any.
fn read_cpus(list: &CpuList) -> Outcome<Option<Arc<CpuSet>>> {
    if list.is_empty() {
        return Ok(None);
    }
    let text = CString::try_from_fmt(fmt!("{}", list.as_str()))?;
    let wrong = |error: Error| match error {
        ENOMEM => Fault::from(ENOMEM),
        ERANGE => fault!(
            ERANGE,
            Field::WorkerCpus,
            "{} names CPUs that this machine cannot have",
            list.as_str()
        ),
        error => fault!(
            error,
            Field::WorkerCpus,
            "\"{}\" is no list of CPUs such as 0-3,6",
            list.as_str()
        ),
    };
    let cpus = CpuSet::parse(&text).map_err(wrong)?;
    if !cpus.is_usable() {
        return Err(no_such_cpu(list));
    }
    Ok(Some(Arc::new(cpus, GFP_KERNEL)?))
}

fn no_such_cpu(list: &CpuList) -> Fault {
    fault!(
        EINVAL,
        Field::WorkerCpus,
        "none of the CPUs {} is online",
        list.as_str()
    )
}

impl Storage {
    /// Changes the workers. What was not refused holds for those that are there and those to
    /// come. Waits until surplus workers have ended what they do.
    pub fn set_workers(&self, change: &WorkersChange) -> Outcome {
        let deadline = Deadline::after(SET_MS);
        let _operation = self.lock_operation(&deadline)?;
        let least = {
            let state = self.state();
            if state.gone || state.phase == StorageState::Stopping {
                return Err(self.missing());
            }
            state.local_nodes().saturating_add(1)
        };
        // All of it is looked at before anything is done.
        change
            .count
            .map_or(Ok(()), |count| check_count(count, least))?;
        change.nice.map_or(Ok(()), check_nice)?;
        let cpus = change.cpus.as_ref().map(read_cpus).transpose()?;
        let running = self.state().running.clone();
        let running = running.as_deref();
        if let (Some(list), Some(cpus)) = (change.cpus, cpus) {
            self.set_cpus(running, list, cpus)?;
        }
        if let Some(nice) = change.nice {
            if let Some(pool) = running.and_then(Running::issuers) {
                pool.set_nice(nice)?;
            }
            self.state().workers.nice = nice;
        }
        if let Some(count) = change.count {
            self.set_count(running, count)?;
        }
        Ok(())
    }

    fn set_cpus(
        &self,
        running: Option<&Running>,
        list: CpuList,
        cpus: Option<Arc<CpuSet>>,
    ) -> Outcome {
        if let Some(pool) = running.and_then(Running::issuers) {
            pool.set_cpus(cpus.clone()).map_err(|error| match error {
                // One went since it was looked at.
                EINVAL => no_such_cpu(&list),
                error => error.into(),
            })?;
        }
        let mut state = self.state();
        state.workers.list = list;
        let old = core::mem::replace(&mut state.workers.cpus, cpus);
        drop(state);
        drop(old);
        Ok(())
    }

    fn set_count(&self, running: Option<&Running>, count: u32) -> Outcome {
        if let Some(pool) = running.and_then(Running::issuers) {
            let before = u32::try_from(pool.workers()).unwrap_or(u32::MAX);
            pool.resize(count, true).map_err(|error| {
                if count > before {
                    // Those that could be made leave again; if a signal comes, some stay.
                    let _ = pool.resize(before, true);
                }
                fault!(
                    error,
                    Field::Workers,
                    "{} workers are there, {} were asked for (error {})",
                    pool.workers(),
                    count,
                    error.to_errno()
                )
            })?;
        }
        self.state().workers.count = Some(count);
        Ok(())
    }
}
