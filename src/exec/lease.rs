// SPDX-License-Identifier: GPL-2.0

//! Leases: work under a name, by one holder at a time.
//!
//! [`Leases`] is the table; the rules are [`crate::dst_core::lease`]. [`Held::run`] runs work as a
//! task and a second task beside it that renews the lease. When the lease is lost (revoked, or not
//! renewed in time), the work is cancelled and joined, and only then can somebody else hold it. The
//! work does not depend on the renewing task for that: it has a timer of its own, so that a pool
//! that is held up cannot keep work going that is not renewed.
//!
//! Work that never comes to an await point cannot be cancelled. It keeps the name for as long as it
//! lasts: who wants the lease waits (`debugfs` shows it), and never works beside it. That holds for
//! the tasks of scopes in it and for functions that it runs with [`super::run_blocking`] too: the
//! name is free when all of them have ended. What the work leaves to others in another way, as an
//! action of [`Pool::schedule`] whose result it does not wait for, is its own business.
//!
//! Locking: the table's mutex, process context; inside of nothing. An entry's spin lock with
//! interrupts off, alone.
//!
//! Cancellation: dropping a [`Held`] gives the lease back. Dropping the future of [`Held::run`]
//! cancels the work, and the name is free when that is gone.

use super::{
    boxed, oneshot, scope,
    select::{select, Either},
    slab::Slab,
    timeout_at,
    timer::after,
    wait_for, Spawner, Timer,
};
use crate::{
    dst_core::lease::{Entry, Holding, Next, Terms},
    sys::wait_queue::{Line, WaitQueue, Waited, Waiter},
};
use core::{
    future::Future,
    pin::{pin, Pin},
};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex},
    time::{Delta, Instant, Monotonic},
};

impl Waited for Entry {
    // Everybody in line is told of a change and looks again.
    fn abandoned(&mut self, _line: &mut Line<'_>, _amount: usize, _granted: bool) {}
}

struct Named {
    name: CString,
    users: usize,
    queue: Arc<Queue>,
}

#[pin_data]
struct Queue {
    #[pin]
    entry: WaitQueue<Entry>,
}

impl Queue {
    /// Changes the entry and lets everybody in line look again.
    fn change(&self, change: impl FnOnce(&mut Entry)) {
        self.entry.with(|entry, line| {
            change(entry);
            while line.grant() {}
        });
    }
}

/// The names that leases are held under.
#[pin_data]
pub struct Leases {
    #[pin]
    names: Mutex<Slab<Named>>,
    epoch: Instant<Monotonic>,
}

impl Leases {
    /// A table in which nothing is held. May sleep. Errors: `ENOMEM`.
    pub fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                names <- new_mutex!(Slab::new(), "dst_leases"),
                epoch: Instant::now(),
            }),
            GFP_KERNEL,
        )
    }

    /// The clock of the leases, in nanoseconds.
    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos().unsigned_abs()
    }

    fn instant(&self, time: u64) -> Instant<Monotonic> {
        let left = time.saturating_sub(self.now());
        after(Delta::from_nanos(i64::try_from(left).unwrap_or(i64::MAX)))
    }

    /// Makes the caller a user of `name`, whose entry exists as long as it has users.
    fn enter(self: &Arc<Self>, name: &CStr) -> Result<User> {
        let queue = Arc::pin_init(
            pin_init!(Queue { entry <- WaitQueue::new(Entry::new()) }),
            GFP_KERNEL,
        )?;
        let copy = CString::try_from_fmt(fmt!("{}", name))?;
        let mut names = self.names.lock();
        let found = names.find_mut(|named| *named.name == *name);
        let (place, queue) = match found {
            Some((place, named)) => {
                named.users = named.users.saturating_add(1);
                (place, named.queue.clone())
            }
            None => {
                let named = Named {
                    name: copy,
                    users: 1,
                    queue: queue.clone(),
                };
                (names.insert(named)?, queue)
            }
        };
        Ok(User {
            leases: self.clone(),
            place,
            queue,
        })
    }

    /// Holds `name` for the time of `terms`; waits until nobody else does and nobody else's work
    /// goes on. Those who wait have no order among them.
    ///
    /// Errors: `ENOMEM`.
    pub async fn acquire(self: &Arc<Self>, name: &CStr, terms: Terms) -> Result<Held> {
        use crate::dst_core::lease::Refused;
        let user = self.enter(name)?;
        let mut timer = Timer::new()?;
        loop {
            let now = self.now();
            let limit = match user.queue.entry.with(|entry, _| entry.acquire(now, terms)) {
                Ok(holding) => return Held::new(user, holding),
                Err(Refused::Held(until)) => until,
                // Who leaves tells us.
                Err(Refused::Leaving) => u64::MAX,
            };
            let mut waiter = pin!(Waiter::new(&user.queue.entry, 1));
            let attempt = pin!(wait_for(c"a lease", |context| {
                let now = self.now();
                let look = |entry: &mut Entry| match entry.acquire(now, terms) {
                    Ok(holding) => Some(Some(holding)),
                    // Another one has it by now, for a shorter time: waited for anew.
                    Err(Refused::Held(until)) if until < limit => Some(None),
                    Err(_) => None,
                };
                waiter
                    .as_mut()
                    .poll(context.waker(), |entry, _, _| look(entry))
            }));
            let deadline = self.instant(limit);
            let found = timeout_at(&mut timer, deadline, attempt).await;
            if let Some(holding) = found.flatten() {
                return Held::new(user.again(), holding);
            }
        }
    }

    /// As [`Self::acquire`], without waiting. May sleep for memory. Errors: `EBUSY` if somebody
    /// else holds it or still works under it; `ENOMEM`.
    pub fn try_acquire(self: &Arc<Self>, name: &CStr, terms: Terms) -> Result<Held> {
        let user = self.enter(name)?;
        let now = self.now();
        let holding = user
            .queue
            .entry
            .with(|entry, _| entry.acquire(now, terms))
            .map_err(|_| EBUSY)?;
        Held::new(user, holding)
    }

    /// Takes `name` from whoever holds it: its work is cancelled. Does not wait for that. Process
    /// context.
    pub fn revoke(&self, name: &CStr) {
        let mut names = self.names.lock();
        let found = names.find_mut(|named| *named.name == *name);
        let queue = found.map(|(_, named)| named.queue.clone());
        drop(names);
        if let Some(queue) = queue {
            queue.change(Entry::revoke);
        }
    }
}

/// Somebody who holds a name or wants to.
struct User {
    leases: Arc<Leases>,
    place: usize,
    queue: Arc<Queue>,
}

impl User {
    /// Another user of the same name.
    fn again(&self) -> Self {
        if let Some(named) = self.leases.names.lock().get_mut(self.place) {
            named.users = named.users.saturating_add(1);
        }
        Self {
            leases: self.leases.clone(),
            place: self.place,
            queue: self.queue.clone(),
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut names = self.leases.names.lock();
        let Some(named) = names.get_mut(self.place) else {
            return;
        };
        named.users = named.users.saturating_sub(1);
        let last = named.users == 0;
        let gone = if last { names.remove(self.place) } else { None };
        drop(names);
        drop(gone);
    }
}

/// One grant of a lease, for the holder's tasks.
#[pin_data]
struct Tenancy {
    user: User,
    number: u64,
    #[pin]
    holding: Mutex<Holding>,
}

impl Tenancy {
    /// Work begins. Errors: `ESTALE` if it is too late for that.
    fn begin(this: &Arc<Self>) -> Result<Working> {
        let now = this.user.leases.now();
        let holding = this.holding.lock();
        let queue = &this.user.queue;
        queue
            .entry
            .with(|entry, _| entry.begin(now, &holding))
            .map_err(|_| ESTALE)?;
        drop(holding);
        Ok(Working(this.clone()))
    }

    fn stops_at(&self) -> u64 {
        self.holding.lock().stops_at()
    }

    /// Asks for renewal. Errors: `ESTALE` if it is too late or was refused.
    fn renew(&self) -> Result {
        let leases = &self.user.leases;
        let mut holding = self.holding.lock();
        let asked = leases.now();
        self.user
            .queue
            .entry
            .with(|entry, _| entry.renew(asked, &holding))
            .map_err(|_| ESTALE)?;
        match holding.renewed(asked, leases.now()) {
            true => Ok(()),
            false => Err(ESTALE),
        }
    }

    /// Renews the lease until it is lost. Errors: `ESTALE` then.
    async fn keep(&self, timer: &mut Timer) -> Result {
        loop {
            let now = self.user.leases.now();
            let next = self.holding.lock().next(now);
            match next {
                Next::Stop => return Err(ESTALE),
                Next::Renew => self.renew()?,
                Next::Wait(until) => {
                    let deadline = self.user.leases.instant(until);
                    if timeout_at(timer, deadline, pin!(self.revoked()))
                        .await
                        .is_some()
                    {
                        return Err(ESTALE);
                    }
                }
            }
        }
    }

    /// Waits until the lease was revoked.
    async fn revoked(&self) {
        let mut waiter = pin!(Waiter::new(&self.user.queue.entry, 1));
        wait_for(c"the renewal of a lease", |context| {
            waiter.as_mut().poll(context.waker(), |entry, _, _| {
                entry.is_revoked(self.number).then_some(())
            })
        })
        .await;
    }

    /// Waits until work has to stop.
    async fn expired(&self, timer: &mut Timer) {
        loop {
            let stop = self.stops_at();
            if self.user.leases.now() >= stop {
                return;
            }
            timer.sleep_until(self.user.leases.instant(stop)).await;
        }
    }
}

/// Says that work goes on, until it is dropped.
struct Working(Arc<Tenancy>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.user.queue.change(|entry| entry.end(self.0.number));
    }
}

/// A lease that was granted. Dropped in process context, which gives it back.
pub struct Held {
    tenancy: Arc<Tenancy>,
}

impl Held {
    fn new(user: User, holding: Holding) -> Result<Self> {
        let queue = user.queue.clone();
        let number = holding.number();
        let tenancy = Arc::pin_init(
            pin_init!(Tenancy {
                user,
                number,
                holding <- new_mutex!(holding, "dst_lease"),
            }),
            GFP_KERNEL,
        );
        match tenancy {
            Ok(tenancy) => Ok(Self { tenancy }),
            Err(error) => {
                queue.change(|entry| entry.release(number));
                Err(error)
            }
        }
    }

    /// Runs `work` on `workers` while a task on `renewers` keeps the lease; the lease is given back
    /// at the end. The pools may be the same, but then work that is not soon at an await point
    /// delays its own renewal. `work` is taken on the heap ([`super::boxed`]), so that the future of
    /// this call stays small.
    ///
    /// Errors: that of `work`; `ESTALE` if the lease was lost, even if `work` was through at that
    /// moment, and if it was not, it was cancelled and has ended; `ENOMEM`;
    /// `ESHUTDOWN` once one of the pools is being dropped.
    pub async fn run<T: Send + Unpin + 'static>(
        self,
        renewers: &Spawner,
        workers: &Spawner,
        work: Pin<KBox<impl Future<Output = Result<T>> + Send + 'static>>,
    ) -> Result<T> {
        let mut work = work;
        let (sender, mut result) = oneshot()?;
        let (mut renewal, mut watch) = (Timer::new()?, Timer::new()?);
        let (keeper, watched) = (self.tenancy.clone(), self.tenancy.clone());
        // What is spawned goes through several hands: as boxes.
        let keep = boxed(async move { keeper.keep(&mut renewal).await })?;
        let task = boxed(async move {
            let expired = pin!(watched.expired(&mut watch));
            match select(expired, work.as_mut()).await {
                Either::First(()) => Err(ESTALE),
                Either::Second(value) => sender.send(value).map_err(|_| ECANCELED),
            }
        })?;
        // Left when the task has ended: after its future, and after the tasks of scopes in it.
        let working: KBox<dyn Send> = KBox::new(Tenancy::begin(&self.tenancy)?, GFP_KERNEL)?;
        scope(workers, async |scope| {
            scope.spawn_on(renewers, c"lease-renew", keep)?;
            scope.spawn_keeping(workers, c"lease-work", task, Some(working))?;
            let value = result.receive().await;
            // Nothing is left to be renewed for.
            scope.cancel();
            // Work that leaves no value was stopped: it may be seen here before the scope knows why.
            value.unwrap_or(Err(ESTALE))
        })
        .await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let number = self.tenancy.number;
        self.tenancy
            .user
            .queue
            .change(|entry| entry.release(number));
    }
}
