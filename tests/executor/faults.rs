// SPDX-License-Identifier: GPL-2.0

//! Faults for the models to find: a step of a hand-over is left out or comes too early.
//!
//! Each is a change of the driver's own text, which must be there exactly once: if the driver
//! changes, so must the fault, or nothing builds.

/// A fault in a source file.
pub(crate) struct Fault {
    pub name: &'static str,
    /// Below `src`, without `.rs`.
    pub file: &'static str,
    /// What is there.
    pub right: &'static str,
    /// What is there in its place; `FAULT` asks whether the fault is wanted.
    pub wrong: &'static str,
}

impl Fault {
    /// `text` with this fault in it.
    #[allow(dead_code)]
    pub(crate) fn put_in(&self, text: &str) -> String {
        let count = text.matches(self.right).count();
        assert_eq!(
            count, 1,
            "src/{}.rs has {count} times: {}",
            self.file, self.right
        );
        let question = format!("crate::fault::is({:?})", self.name);
        text.replace(self.right, &self.wrong.replace("FAULT", &question))
    }
}

/// All faults in the sources. Those of the tables are in `tables.rs`.
pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "a transition that changes nothing publishes nothing",
        file: "exec/task",
        right: "            match this.state.cmpxchg(",
        wrong: "            if FAULT && next.bits() == bits {
                return action;
            }
            match this.state.cmpxchg(",
    },
    Fault {
        name: "the end of a task is told before its future is dropped",
        file: "exec/task",
        right: "            drop(body);\n",
        wrong: "            let late = if FAULT { body } else { drop(body); None };\n",
    },
    Fault {
        name: "who awaits the end of a task is not told",
        file: "exec/task",
        right: "        self.joiners.with(|(), line| while line.grant() {});",
        wrong: "        self.joiners.with(|(), line| while !FAULT && line.grant() {});",
    },
    Fault {
        name: "who awaits the end of a task is told before it",
        file: "exec/task",
        right: "        if self.holds.fetch_sub(1, ordering::Full) != 1 {
            return None;
        }",
        wrong: "        if FAULT {
            self.joiners.with(|(), line| while line.grant() {});
        }
        if self.holds.fetch_sub(1, ordering::Full) != 1 || FAULT {
            return None;
        }",
    },
    Fault {
        name: "a thread that joins a task is not told",
        file: "exec/task",
        right: "        self.done.complete_all();",
        wrong: "        if !FAULT { self.done.complete_all(); }",
    },
    Fault {
        name: "a scope does not hold its task",
        file: "exec/scope",
        right: "            owner,\n        };\n        let body",
        wrong: "            owner: owner.filter(|_| !FAULT),\n        };\n        let body",
    },
    Fault {
        name: "a child that is spawned while its scope is cancelled is forgotten",
        file: "exec/scope",
        right: "task.as_ref().filter(|_| cancelled)",
        wrong: "task.as_ref().filter(|_| cancelled && !FAULT)",
    },
    Fault {
        name: "the error of a scope's body hides that of a child",
        file: "exec/scope",
        right: "        Some(error) => Err(error),
        None => result,",
        wrong: "        Some(error) if !FAULT => Err(error),
        _ => result,",
    },
    Fault {
        name: "a task is queued and nobody is woken",
        file: "exec/run_queue",
        right: "        queue.tasks.push_back(task);\n        queue.wake_one();",
        wrong: "        queue.tasks.push_back(task);\n        if !FAULT { queue.wake_one(); }",
    },
    Fault {
        name: "a worker is woken before the task is queued",
        file: "exec/run_queue",
        right: "    pub(super) fn push(&self, task: ListArc<Task>) {",
        wrong: "    pub(super) fn push(&self, task: ListArc<Task>) {
        if FAULT {
            self.queue.lock().wake_one();
            self.queue.lock().tasks.push_back(task);
            return;
        }",
    },
    Fault {
        name: "a worker lets go of the lock between looking and sleeping",
        file: "exec/run_queue",
        right: "                    let _ = events.wake.wait_interruptible(&mut queue);",
        wrong: "                    if FAULT {
                        drop(queue);
                        queue = self.queue.lock();
                    }
                    let _ = events.wake.wait_interruptible(&mut queue);",
    },
    Fault {
        name: "who leaves does not pass its wake-up on",
        file: "exec/run_queue",
        right: "        self.pass_on();\n        lost",
        wrong: "        if !FAULT { self.pass_on(); }\n        lost",
    },
    Fault {
        name: "who serves a caller does not pass its wake-up on",
        file: "exec/run_queue",
        right: "                self.pass_on();\n                ticket.map_or",
        wrong: "                if !FAULT { self.pass_on(); }\n                ticket.map_or",
    },
    Fault {
        name: "who leaves forgets those who wait for it alone",
        file: "exec/run_queue",
        right: "self.take_ticket(|ticket| ticket.only(number))",
        wrong: "self.take_ticket(|ticket| !FAULT && ticket.only(number))",
    },
    Fault {
        name: "stopping wakes one worker",
        file: "exec/run_queue",
        right: "        for at in 0..queue.workers.len() {",
        wrong: "        for at in 0..queue.workers.len().min(if FAULT { 1 } else { usize::MAX }) {",
    },
    Fault {
        name: "a worker that has left tells nobody who shrinks the pool",
        file: "exec/run_queue",
        right: "        drop(queue);\n        self.left.notify_all();",
        wrong: "        drop(queue);\n        if !FAULT { self.left.notify_all(); }",
    },
    Fault {
        name: "a task that ends does not end its owner",
        file: "exec/scope",
        right: "        owner?.let_go()",
        wrong: "        let owner = owner?;
        if FAULT { owner.let_go(); None } else { owner.let_go() }",
    },
    Fault {
        name: "the last task ends and a pool that waits for it is not told",
        file: "exec/run_queue",
        right: "        if last {",
        wrong: "        if last && !FAULT {",
    },
    Fault {
        name: "a pool ends and does not wait for its tasks",
        file: "exec/run_queue",
        right: "        while queue.present > 0 {",
        wrong: "        while !FAULT && queue.present > 0 {",
    },
    Fault {
        name: "a pool looks for tasks before it closes",
        file: "exec/pool",
        right: "        self.queue().close();\n",
        wrong: "        if FAULT {
            Task::cancel_all_of(self.queue() );
            self.queue().await_tasks();
        }
        self.queue().close();\n",
    },
    Fault {
        name: "a pool that ends cancels no task",
        file: "exec/pool",
        right: "        Task::cancel_all_of(self.queue());",
        wrong: "        if !FAULT { Task::cancel_all_of(self.queue()); }",
    },
    Fault {
        name: "a task that is made while its pool ends is not cancelled",
        file: "exec/task",
        right: "        if task.queue.is_closed() {",
        wrong: "        if !FAULT && task.queue.is_closed() {",
    },
    Fault {
        name: "a pool that ends takes tasks in",
        file: "exec/run_queue",
        right: "        if queue.closed {",
        wrong: "        if queue.closed && !FAULT {",
    },
    Fault {
        name: "a worker that was removed is not waited for",
        file: "exec/pool",
        right: "        if events.exited.wait(wait) == Waited::Done {",
        wrong: "        if FAULT || events.exited.wait(wait) == Waited::Done {",
    },
    Fault {
        name: "a removal that a signal ends is not taken back",
        file: "exec/pool",
        right: "                queue.bring(Event::Stay, at);",
        wrong: "                if !FAULT { queue.bring(Event::Stay, at); }",
    },
    Fault {
        name: "a resizing that a signal ends is not taken back",
        file: "exec/pool",
        right: "                queue.surplus = 0;",
        wrong: "                if !FAULT { queue.surplus = 0; }",
    },
    Fault {
        name: "shrinking wakes nobody",
        file: "exec/pool",
        right: "        for _ in 0..have - count {",
        wrong: "        for _ in 0..if FAULT { 0 } else { have - count } {",
    },
    Fault {
        name: "a caller that gives up does not look whether it was answered",
        file: "exec/schedule",
        right: "            if taken.is_some() {",
        wrong: "            if taken.is_some() || FAULT {",
    },
    Fault {
        name: "a caller that gives up does not wait for the answer under way",
        file: "exec/schedule",
        right: "            ticket.wait(Wait::FOREVER).ok()?;",
        wrong: "            if !FAULT { ticket.wait(Wait::FOREVER).ok()?; }",
    },
    Fault {
        name: "a worker that is not needed is not released",
        file: "exec/schedule",
        right: "            queue.bring(Event::Release, at);",
        wrong: "            if !FAULT { queue.bring(Event::Release, at); }",
    },
    Fault {
        name: "an earlier waker is kept",
        file: "exec/waker_cell",
        right: "place.as_ref().is_some_and(|old| old.will_wake(waker))",
        wrong: "place.as_ref().is_some_and(|old| FAULT || old.will_wake(waker))",
    },
    Fault {
        name: "an earlier waker is dropped under the lock",
        file: "exec/waker_cell",
        right: "        drop(place);\n        drop(old);",
        wrong: "        if !FAULT { drop(place); drop(old); } else { drop(old); drop(place); }",
    },
    Fault {
        name: "a sleeper looks at its timer before it registers",
        file: "exec/timer",
        right: "            self.alarm.waker.register(context.waker());
            if handle.is_none() {
                handle = Some(self.alarm.clone().start(deadline));
            }
            if self.alarm",
        wrong: "            if !FAULT { self.alarm.waker.register(context.waker()); }
            if handle.is_none() {
                handle = Some(self.alarm.clone().start(deadline));
            }
            if FAULT && self.alarm.expired.load(ordering::Acquire) != number {
                self.alarm.waker.register(context.waker());
                return Poll::Pending;
            }
            if self.alarm",
    },
    Fault {
        name: "a timer wakes before it says that it has expired",
        file: "exec/timer",
        right: "        this.expired.store(number, ordering::Release);\n",
        wrong: "        if FAULT { this.waker.wake(); }
        this.expired.store(number, ordering::Release);
        if FAULT { return HrTimerRestart::NoRestart; }\n",
    },
    Fault {
        name: "a receiver looks before it registers",
        file: "exec/oneshot",
        right: "            self.shared.receiver.register(context.waker());
            match self.try_receive() {
                Err(error)",
        wrong: "            if !FAULT { self.shared.receiver.register(context.waker()); }
            let result = self.try_receive();
            if FAULT { self.shared.receiver.register(context.waker()); }
            match result {
                Err(error)",
    },
    Fault {
        name: "a sender that is dropped tells nobody",
        file: "exec/oneshot",
        right: "        if empty.is_ok() {",
        wrong: "        if empty.is_ok() && !FAULT {",
    },
    Fault {
        name: "a value is sent and nobody is woken",
        file: "exec/oneshot",
        right: "                self.shared.receiver.wake();
                Ok(())",
        wrong: "                if !FAULT { self.shared.receiver.wake(); }
                Ok(())",
    },
    Fault {
        name: "a waiter keeps its earlier waker",
        file: "sys/wait_queue",
        right: "Some(known) if known.will_wake(waker) => None,",
        wrong: "Some(known) if FAULT || known.will_wake(waker) => None,",
    },
    Fault {
        name: "a waiter drops its earlier waker under the lock",
        file: "sys/wait_queue",
        right: "        drop(inner);\n        drop(old);",
        wrong: "        if !FAULT { drop(inner); drop(old); } else { drop(old); drop(inner); }",
    },
    Fault {
        name: "what a dropped waiter was granted is lost",
        file: "sys/wait_queue",
        right: "        if place != Place::Outside {",
        wrong: "        if place != Place::Outside && !FAULT {",
    },
    Fault {
        name: "who comes later overtakes",
        file: "exec/semaphore",
        right: "Place::Outside if line.is_empty() =>",
        wrong: "Place::Outside if line.is_empty() || FAULT =>",
    },
    Fault {
        name: "permits come back and nobody in line gets them",
        file: "exec/semaphore",
        right: "        self.hand_out(line);",
        wrong: "        if !FAULT { self.hand_out(line); }",
    },
    Fault {
        name: "a notification that finds nobody is not kept",
        file: "exec/notify",
        right: "        self.0 |= !line.grant();",
        wrong: "        self.0 |= !line.grant() && !FAULT;",
    },
    Fault {
        name: "a consumer looks once, before it registers",
        file: "exec/channel",
        right: "            match self.shared.take() {
                Some(value) => Poll::Ready(Some(value)),",
        wrong: "            match if FAULT { None } else { self.shared.take() } {
                Some(value) => Poll::Ready(Some(value)),",
    },
    Fault {
        name: "the last producer goes and nobody is told",
        file: "exec/channel",
        right: "        if self.shared.producers.fetch_sub(1, ordering::Full) == 1 {",
        wrong: "        if self.shared.producers.fetch_sub(1, ordering::Full) == 1 && !FAULT {",
    },
    Fault {
        name: "a consumer asks whether all producers are gone after it has looked",
        file: "exec/channel",
        right: "            let over = self.is_over();
            match",
        wrong: "            let last = if FAULT { self.shared.take() } else { None };
            let over = self.is_over();
            if FAULT {
                return match last {
                    Some(value) => Poll::Ready(Some(value)),
                    None if over => Poll::Ready(None),
                    None => Poll::Pending,
                };
            }
            match",
    },
];
