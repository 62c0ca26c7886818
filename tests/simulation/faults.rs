// SPDX-License-Identifier: GPL-2.0

//! Broken variants, which the simulation must find.
//!
//! Most are changes of the driver's own text, which must be there exactly once: if the driver
//! changes, so must the variant, or nothing builds. The last ones are of the simulated server, where
//! the driver's counterpart is not in the core.

/// A broken variant.
pub(crate) struct Fault {
    /// For `MUTATE`.
    pub(crate) name: &'static str,
    /// What it does.
    #[allow(dead_code)]
    pub(crate) what: &'static str,
    /// What it changes.
    #[allow(dead_code)]
    pub(crate) changes: &'static [Change],
}

/// A change of a source file.
pub(crate) struct Change {
    /// Below `src/core`, without `.rs`.
    pub(crate) file: &'static str,
    /// What is there.
    right: &'static str,
    /// What is there in its place; `FAULT` asks whether the fault is wanted.
    wrong: &'static str,
}

pub(crate) const fn change(file: &'static str, right: &'static str, wrong: &'static str) -> Change {
    Change { file, right, wrong }
}

impl Change {
    /// `text` with the change of the variant `name` in it.
    #[allow(dead_code)]
    pub(crate) fn put_in(&self, name: &str, text: &str) -> Result<String, String> {
        let question = format!("crate::fault::is({name:?})");
        match text.matches(self.right).count() {
            1 => Ok(text.replace(self.right, &self.wrong.replace("FAULT", &question))),
            count => Err(format!(
                "the variant {name} in tests/simulation does not fit src/core/{}.rs any more: \
                 what it changes has to be there once, and is {count} times: {:?}",
                self.file, self.right
            )),
        }
    }
}

const TABLE: &str = "transaction/table";
const RECOVERY: &str = "transaction/recovery";
const FENCE: &str = "fence";
const WRITE_BACK: &str = "write_back";

/// All of them.
pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "forget-exposure",
        what: "what was sent on a lost connection counts as never sent",
        changes: &[change(
            RECOVERY,
            "            if open && place.extent.changes() {",
            "            if open && place.extent.changes() && !FAULT {",
        )],
    },
    Fault {
        name: "forget-late-sender",
        what: "a write whose data is being sent when its connection is lost is not exposed",
        changes: &[change(
            RECOVERY,
            "                    let open = matches!(other, State::Sending(None));",
            "                    let open = matches!(other, State::Sending(None)) && !FAULT;",
        )],
    },
    Fault {
        name: "resend-before-fence",
        what: "an exposed write is sent again on another connection at once",
        changes: &[change(
            RECOVERY,
            "        if own.exposed {",
            "        if own.exposed && !FAULT {",
        ),
        change(
            RECOVERY,
            "            .filter(|(_, place)| !place.exposed)",
            "            .filter(|(_, place)| FAULT || !place.exposed)",
        )],
    },
    Fault {
        name: "overtake-exposed",
        what: "a write goes out beside an exposed one that it overlaps",
        changes: &[change(
            RECOVERY,
            "                    _ => other.exposed,",
            "                    _ => other.exposed && !FAULT,",
        )],
    },
    Fault {
        name: "overtake-waiting",
        what: "a write goes out before an earlier one that it overlaps and that waits",
        changes: &[change(
            RECOVERY,
            "                    State::Waiting(_) => other.exposed || other.order < own.order,",
            "                    State::Waiting(_) => other.exposed || other.order < own.order && !FAULT,",
        )],
    },
    Fault {
        name: "begin-without-looking",
        what: "a new request does not look whether others keep it back",
        changes: &[change(
            TABLE,
            "        let free = self.waiting == 0 && self.exposed == 0;",
            "        let free = FAULT || self.waiting == 0 && self.exposed == 0;",
        )],
    },
    Fault {
        name: "resend-out-of-order",
        what: "what waits goes out in the opposite order, and looks at nothing that waits",
        changes: &[
            change(
                RECOVERY,
                "            .min_by_key(|(_, order)| *order)",
                "            .min_by_key(|(_, order)| if FAULT { u64::MAX - *order } else { *order })",
            ),
            change(
                RECOVERY,
                "            let (index, order) = self.first_waiting(after)?;\n            if !self.may_go(index) {",
                "            let (index, order) = self.first_waiting(after)?;\n            if !FAULT && !self.may_go(index) {",
            ),
        ],
    },
    Fault {
        name: "any-fence",
        what: "the fence of one connection counts for all of them",
        changes: &[change(
            RECOVERY,
            "            if !place.exposed || place.link.connection != connection {",
            "            if !place.exposed || place.link.connection != connection && !FAULT {",
        )],
    },
    Fault {
        name: "forget-ghost",
        what: "requests go out that overlap a write that has ended in error and may land yet",
        changes: &[change(
            RECOVERY,
            "                    State::Ghost => true,",
            "                    State::Ghost => !FAULT,",
        )],
    },
    Fault {
        name: "free-ghost-early",
        what: "the place of an exposed write that ends in error is free at once",
        changes: &[change(
            RECOVERY,
            "        let exposed = place.exposed;\n",
            "        let exposed = place.exposed && !FAULT;
        if place.exposed && !exposed {
            place.exposed = false;
        }
        if FAULT {
            self.exposed = self.places.iter().filter(|place| place.exposed).count() as u32;
        }
        let place = self.places.get_mut(index)?;\n",
        )],
    },
    Fault {
        name: "keep-ghost",
        what: "the place of a ghost is not free after the fence",
        changes: &[change(
            RECOVERY,
            "                self.free(tag);\n            }\n        }\n        Some((link, ghosts))",
            "                if !FAULT {\n                    self.free(tag);\n                }\n            }\n        }\n        Some((link, ghosts))",
        )],
    },
    Fault {
        name: "end-on-deadline",
        what: "a request that waits ends in error although it may be tried again",
        changes: &[change(
            RECOVERY,
            "            .position(|place| place.waits() && place.tries >= tries)?;",
            "            .position(|place| place.waits() && (FAULT || place.tries >= tries))?;",
        )],
    },
    Fault {
        name: "inherit-tries",
        what: "the tries of the request that had the place before count",
        changes: &[change(
            TABLE,
            "        place.link = Link::NOWHERE;\n        place.tries = 0;",
            "        if !FAULT {\n            place.link = Link::NOWHERE;\n            place.tries = 0;\n        }",
        )],
    },
    Fault {
        name: "never-late",
        what: "nobody notices that an answer does not come",
        changes: &[change(
            RECOVERY,
            "        (waited >= limit).then_some(Expired {",
            "        (waited >= limit && !FAULT).then_some(Expired {",
        )],
    },
    Fault {
        name: "trust-lost-connection",
        what: "a write whose data was sent on a lost connection waits for its answer",
        changes: &[change(
            TABLE,
            "            _ if stands => {",
            "            _ if stands || FAULT => {",
        )],
    },
    Fault {
        name: "believe-stale-answer",
        what: "an answer to the request that had the place before ends the present one",
        changes: &[
            change(
                TABLE,
                "        if place.generation != tag.generation() {",
                "        if place.generation != tag.generation() && !FAULT {",
            ),
            change(
                TABLE,
                "            .filter(|place| place.generation == tag.generation())",
                "            .filter(|place| FAULT || place.generation == tag.generation())",
            ),
        ],
    },
    Fault {
        name: "reuse-tag",
        what: "a place has the same tag for all its requests",
        changes: &[change(
            TABLE,
            "        place.generation = place.generation.wrapping_add(1);",
            "        place.generation = place.generation.wrapping_add(u32::from(!FAULT));",
        )],
    },
    Fault {
        name: "answer-on-another-connection",
        what: "an answer is believed on whatever connection it comes",
        changes: &[change(
            TABLE,
            "            State::InFlight(piece) if place.link == link => Answered::InFlight(piece),",
            "            State::InFlight(piece) if FAULT || place.link == link => Answered::InFlight(piece),",
        )],
    },
    Fault {
        name: "forget-fence",
        what: "a hello is answered while requests of an earlier incarnation are at the device",
        changes: &[change(
            FENCE,
            "        earlier.is_some() && !other.drained",
            "        earlier.is_some() && !other.drained && !FAULT",
        )],
    },
    Fault {
        name: "keep-earlier-incarnation",
        what: "a hello does not close the earlier incarnation of its connection",
        changes: &[change(
            FENCE,
            "            close(place);",
            "            if !FAULT {\n                close(place);\n            }",
        )],
    },
    Fault {
        name: "two-writers",
        what: "a session that writes is let in beside another one",
        changes: &[change(
            FENCE,
            "        } else if new.write && session.write {",
            "        } else if new.write && session.write && !FAULT {",
        )],
    },
    Fault {
        name: "enter-beside-who-goes",
        what: "a session that writes does not wait for one that is about to go",
        changes: &[change(
            FENCE,
            "                return Entry::Wait;",
            "                if FAULT {\n                    continue;\n                }\n                return Entry::Wait;",
        )],
    },
    Fault {
        name: "forget-lost-cache",
        what: "nobody asks what a server had in its cache when it crashed",
        changes: &[change(
            WRITE_BACK,
            "        if self.stable < self.acknowledged {",
            "        if self.stable < self.acknowledged && !FAULT {",
        )],
    },
    Fault {
        name: "flush-covers-later-writes",
        what: "a flush is taken to cover what was acknowledged while it was under way",
        changes: &[change(
            WRITE_BACK,
            "            self.stable = self.stable.max(covers);",
            "            self.stable = self.stable.max(if FAULT { self.acknowledged } else { covers });",
        )],
    },
    Fault {
        name: "failed-flush-covers",
        what: "a flush that the device has refused covers writes",
        changes: &[change(WRITE_BACK, "        if ok {", "        if ok || FAULT {")],
    },
    Fault {
        name: "tell-in-part",
        what: "a loss is told once a flush has failed, whatever that covers",
        changes: &[change(
            WRITE_BACK,
            "            Some(lost) if covers >= lost => {",
            "            Some(lost) if FAULT || covers >= lost => {",
        )],
    },
    Fault {
        name: "tell-one-caller",
        what: "of the flushes that are under way one tells of a loss",
        changes: &[change(
            WRITE_BACK,
            "        promise.era > self.told",
            "        FAULT || promise.era > self.told",
        )],
    },
    Fault {
        name: "tell-beforehand",
        what: "a loss counts as told when the flush that tells of it was answered, before its caller knows",
        changes: &[change(
            WRITE_BACK,
            "        if self.telling > 0 {",
            "        if self.telling > 0 && !FAULT {",
        )],
    },
    Fault {
        name: "forget-who-told",
        what: "once a loss is told, flushes that were asked for before succeed",
        changes: &[change(
            WRITE_BACK,
            "            self.told = self.era;",
            "            self.told = if FAULT { self.told } else { self.era };",
        )],
    },
    Fault {
        name: "tell-for-ever",
        what: "a loss is told again and again",
        changes: &[change(
            WRITE_BACK,
            "                self.lost = None;",
            "                self.lost = if FAULT { self.lost } else { None };",
        )],
    },
    Fault {
        name: "believe-the-dead",
        what: "a write that a server has acknowledged that is gone counts as the present one's",
        changes: &[change(
            WRITE_BACK,
            "        if life.0 != self.life {",
            "        if life.0 != self.life && !FAULT {",
        )],
    },
    Fault {
        name: "deaf-to-the-cache",
        what: "what an answer to a flush says of the cache is not listened to",
        changes: &[change(
            WRITE_BACK,
            "            Some((_, known)) if cache != 0 && *known != cache => {",
            "            Some((_, known)) if cache != 0 && *known != cache && !FAULT => {",
        )],
    },
    Fault {
        name: "tell-the-next-alone",
        what: "of what is lost with a failed flush only that flush tells",
        changes: &[change(
            WRITE_BACK,
            "                *known = cache;\n                self.begin_another();\n                true",
            "                *known = cache;\n                if !FAULT {\n                    self.begin_another();\n                }\n                true",
        )],
    },
    Fault {
        name: "life-of-the-answer",
        what: "a write counts as lost or not by when it is answered, not by when it was sent",
        changes: &[],
    },
    Fault {
        name: "same-cache-after-error",
        what: "a server calls its cache the same after a flush of the device has failed",
        changes: &[],
    },
    Fault {
        name: "acknowledge-early",
        what: "the export answers a write when it has received it",
        changes: &[],
    },
    Fault {
        name: "acknowledge-unstable",
        what: "an export with write-through answers when the write is in the device's cache",
        changes: &[],
    },
    Fault {
        name: "read-past-the-cache",
        what: "the device reads what is stable in place of what is in its cache",
        changes: &[],
    },
];
