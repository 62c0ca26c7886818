// SPDX-License-Identifier: GPL-2.0

//! The labels of a storage that runs and grows by a node; see [`super::growing`].
//!
//! What they say is decided in [`crate::dst_core::label::growth`]. Everything here waits for nodes, with the
//! storage's operation lock held.

use super::{
    fault::Outcome,
    labelling::{claim, update_label, write_label, Owned},
    member::Member,
    storage::Storage,
    survey::{survey, Found},
    wait::{Deadline, Interrupt, Patience},
};
use crate::{
    dst_core::label::{Growth, Label, Newest},
    sys::{clock::seconds_since_1970, refusal::Refusal},
};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for taking labels back, less than a deletion waits, and for one node of them.
const TAKE_BACK_MS: u32 = 6_000;
const TAKE_BACK_NODE_MS: u32 = 2_500;

/// The labels of a storage that grows.
pub struct GrowthLabels<'a> {
    /// The storage.
    pub storage: &'a Storage,
    /// What its labels say of that.
    pub owned: Owned,
    /// Its nodes, and the newcomer behind them.
    pub members: KVec<Arc<Member>>,
    /// What the labels say before the growth.
    pub before: Growth,
    /// What they say after it.
    pub after: Growth,
}

impl Drop for GrowthLabels<'_> {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl GrowthLabels<'_> {
    /// The nodes that the storage has.
    fn known(&self) -> &[Arc<Member>] {
        match self.members.split_last() {
            Some((_, known)) => known,
            None => &[],
        }
    }

    /// The newest node after the growth.
    pub fn newest(&self) -> Option<Newest> {
        match self.after {
            Growth::Finish(_, newest) => newest,
            _ => None,
        }
    }

    /// Changes the labels of the nodes that the storage has.
    pub fn change_all(&self, growth: &Growth, patience: Patience<'_>) -> Outcome {
        for member in self.known() {
            self.storage.wait_for(Some(member.place()));
            update_label(member, &self.owned, patience, &|label| growth.change(label))?;
        }
        Ok(())
    }

    /// Writes the newcomer's label in place of what was `found`, tells the others, and claims the newcomer.
    #[inline(never)]
    pub fn write(&self, own: &Label, found: &Found, patience: Patience<'_>) -> Outcome {
        let newcomer = self.members.last().ok_or(EINVAL)?;
        self.storage.wait_for(Some(newcomer.place()));
        write_label(newcomer, own, found, patience)?;
        self.change_all(&self.after, patience)?;
        self.storage.wait_for(Some(newcomer.place()));
        claim(newcomer, self.owned.epoch, patience)
    }

    /// Closes the connections that were made for this.
    pub fn hang_up(&self) {
        for member in self.known() {
            member.hang_up();
        }
    }

    /// Lets the labels say what they have said before, as far as the nodes can be reached.
    ///
    /// The newcomer's goes last, and only if all others could be told: a start needs it as long as one may not.
    #[inline(never)]
    pub fn take_back(&self) {
        let outcome = self.try_take_back();
        self.hang_up();
        self.storage.wait_for(None);
        if let Err(fault) = outcome {
            pr_warn!(
                "{}: labels that were written for one more node could not all be taken back; adding a node \
                 again puts them in order, and so does the next start, which needs that node if all \
                 others know of it: {}\n",
                self.storage.config().name.as_str(),
                Refusal::from(fault)
            );
        }
    }

    /// Whatever has ended the growth, a deletion by force included, does not end this.
    fn try_take_back(&self) -> Outcome {
        let interrupt = KBox::pin_init(Interrupt::new(), GFP_KERNEL)?;
        let whole = Deadline::after(TAKE_BACK_MS);
        let mut outcome = Ok(());
        for member in self.known() {
            let deadline = Deadline::deaf(TAKE_BACK_NODE_MS.min(whole.remaining()));
            let patience = Patience {
                interrupt: &interrupt,
                deadline: &deadline,
            };
            self.storage.wait_for(Some(member.place()));
            let told = update_label(member, &self.owned, patience, &|label| {
                self.before.change(label)
            });
            if outcome.is_ok() {
                outcome = told;
            }
        }
        outcome?;
        let deadline = Deadline::deaf(TAKE_BACK_NODE_MS.min(whole.remaining()));
        self.disown(Patience {
            interrupt: &interrupt,
            deadline: &deadline,
        })
    }

    /// Lets the newcomer's label be that of a device that belongs to nobody.
    fn disown(&self, patience: Patience<'_>) -> Outcome {
        let newcomer = self.members.last().ok_or(EINVAL)?;
        let found = survey(newcomer, patience)?;
        match self.disowned(&found)? {
            Some(label) => write_label(newcomer, &label, &found, patience),
            None => Ok(()),
        }
    }

    #[inline(never)]
    fn disowned(&self, found: &Found) -> Outcome<Option<KBox<Label>>> {
        let ours = found
            .label()
            .filter(|label| Growth::Finish(label.node_count, label.newest) == self.after);
        let Some(label) = ours else {
            return Ok(None);
        };
        let label = label
            .grown(label.node_count, None)
            .next(seconds_since_1970());
        Ok(Some(KBox::new(Label { epoch: 0, ..label }, GFP_KERNEL)?))
    }
}
