// SPDX-License-Identifier: GPL-2.0

//! The list of all tasks of the module, for a person who asks what a stuck one waits for.
//!
//! A task is entered when it is spawned and leaves when it has ended, both of which allocate and
//! free memory anyhow; nothing here is touched when a task is woken or polled.
//!
//! `<debugfs>/<directory>/tasks` has one line for each task: name, pool, state, for how many
//! milliseconds it has been so, and what it awaits (`-` if nobody said so). A
//! task that a timer lets look in vain has waited all the time, and one that is queued since it
//! began to wait. The states
//! are `waiting`, `queued`, `running`, each with `,cancelled` if somebody asked it to stop, and
//! `joining`: the task itself has ended, but not yet all tasks of its scopes.
//!
//! Locking: the mutex of [`Global`], under which nothing else is taken.

use super::{run_queue::RunQueue, slab::Slab, task::Task};
use crate::sys::{
    global::Global,
    kthread::{with_reclaim, Reclaim},
};
use kernel::{
    debugfs::{Dir, File},
    fmt,
    prelude::*,
    sync::Arc,
};

static TASKS: Global<Slab<Arc<Task>>> = Global::new(Slab::new());

/// Enters a task that will run. May sleep. Errors: `ENOMEM`.
///
/// The table may grow under the mutex, which tasks that drive sockets take too: whoever enters a
/// task must not wait for I/O of this very module then.
pub(super) fn enter(task: Arc<Task>) -> Result<usize> {
    with_reclaim(Reclaim::NoIo, || TASKS.with(|tasks| tasks.insert(task)))
}

/// Takes the task at `place` out. May sleep.
pub(super) fn leave(place: usize) {
    let task = TASKS.with(|tasks| tasks.remove(place));
    // Not under the mutex: it may be the last reference.
    drop(task);
}

/// The first task of the pool with this run queue that has place `from` or a later one, with its
/// place. May sleep.
pub(super) fn next_of(queue: &Arc<RunQueue>, from: usize) -> Option<(usize, Arc<Task>)> {
    TASKS.with(|tasks| {
        let (place, task) = tasks.find_from(from, |task| task.is_of(queue))?;
        Some((place, task.clone()))
    })
}

struct Table;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "name pool state ms awaits")?;
        TASKS.with(|tasks| {
            for task in tasks.iter() {
                task.show(f)?;
            }
            Ok(())
        })
    }
}

/// The file in debugfs, which is there until this is dropped.
pub struct TasksFile {
    _file: Pin<KBox<File<()>>>,
    _directory: Dir,
}

impl TasksFile {
    /// Makes `tasks` in the new directory `name`. A kernel without debugfs does without. May
    /// sleep. Errors: `ENOMEM`.
    pub fn new(name: &CStr) -> Result<Self> {
        let directory = Dir::new(name);
        let file = KBox::pin_init(
            directory.read_callback_file(c"tasks", (), &|(), f| fmt::Display::fmt(&Table, f)),
            GFP_KERNEL,
        )?;
        Ok(Self {
            _file: file,
            _directory: directory,
        })
    }
}
