// SPDX-License-Identifier: GPL-2.0

//! Broken variants of migrations, which the simulation must find. The last ones are of what is simulated around the
//! core, where the driver's counterpart is not in the core.

use super::faults::{change, Fault};

const MACHINE: &str = "migration/machine";
const SWITCH: &str = "migration/switch";
const HOLDER: &str = "label/holder";
const WRITE_BACK: &str = "write_back";

/// All of them.
pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "write-while-copying",
        what: "a write begins in an extent that is being copied",
        changes: &[change(
            MACHINE,
            "        locked.any(|extent| extents.contains(&extent))",
            "        locked.any(|extent| extents.contains(&extent)) && !FAULT",
        )],
    },
    Fault {
        name: "copy-beside-writes",
        what: "an extent is copied while a write is under way there",
        changes: &[change(
            MACHINE,
            "                .any(|other| other.writes(first, sectors))\n            {\n                continue;",
            "                .any(|other| other.writes(first, sectors) && !FAULT)\n            {\n                continue;",
        )],
    },
    Fault {
        name: "write-one",
        what: "a write to a copied extent goes to the old device alone",
        changes: &[change(
            MACHINE,
            "                match both && self.extents.touch(first, sectors) {",
            "                match both && self.extents.touch(first, sectors) && !FAULT {",
        )],
    },
    Fault {
        name: "overlap-on-both",
        what: "two writes that overlap go to both devices at the same time",
        changes: &[change(
            MACHINE,
            "            other.writes(first, sectors) && (route == Route::Both || other.route == Route::Both)",
            "            !FAULT && other.writes(first, sectors) && (route == Route::Both || other.route == Route::Both)",
        )],
    },
    Fault {
        name: "end-on-first-answer",
        what: "a write to both ends when the old device has answered",
        changes: &[change(
            MACHINE,
            "        let (what, last) = (request.what, request.settle(side));",
            "        let (what, last) = (request.what, request.settle(side) || FAULT && side == Side::Old);",
        )],
    },
    Fault {
        name: "forget-failed-write",
        what: "what the old device has failed to write counts as copied",
        changes: &[change(
            MACHINE,
            "            (Side::Old, false, What::Change(first, sectors)) => self.extents.clear(first, sectors),",
            "            (Side::Old, false, What::Change(first, sectors)) if !FAULT => self.extents.clear(first, sectors),",
        )],
    },
    Fault {
        name: "forget-missed-write",
        what: "what is written while the new device is away counts as copied",
        changes: &[change(
            MACHINE,
            "        if let (What::Change(first, sectors), false) = (what, both) {",
            "        if let (What::Change(first, sectors), false) = (what, both || FAULT) {",
        )],
    },
    Fault {
        name: "forget-interrupted-write",
        what: "what was under way to the new device when it went away counts as copied",
        changes: &[change(
            MACHINE,
            "            if let What::Change(first, sectors) = request.what {\n                self.extents.clear(first, sectors);",
            "            if let What::Change(first, sectors) = request.what {\n                let sectors = if FAULT { 0 } else { sectors };\n                self.extents.clear(first, sectors);",
        )],
    },
    Fault {
        name: "trust-lost-cache",
        what: "what a device has lost with its cache counts as copied",
        changes: &[change(
            MACHINE,
            "        self.extents.clear_all();\n        for copy",
            "        if !FAULT {\n            self.extents.clear_all();\n        }\n        for copy",
        )],
    },
    Fault {
        name: "keep-lock",
        what: "an extent that waits for writes is looked at only while another one is to be copied",
        changes: &[change(
            MACHINE,
            "                let Some(extent) = self.next_extent() else {\n                    continue;",
            "                let Some(extent) = self.next_extent() else {\n                    if FAULT {\n                        return None;\n                    }\n                    continue;",
        )],
    },
    Fault {
        name: "admit-while-recording",
        what: "requests go to the old device while its label is being changed",
        changes: &[change(
            MACHINE,
            "            Phase::Copying => !self.away,\n            Phase::Draining",
            "            Phase::Copying => !self.away,\n            Phase::Recording | Phase::Revoking if FAULT => false,\n            Phase::Draining",
        )],
    },
    Fault {
        name: "switch-without-drain",
        what: "the switch does not wait for what is under way",
        changes: &[change(
            SWITCH,
            "        if self.phase() == Phase::Draining && self.is_idle() {",
            "        if self.phase() == Phase::Draining && (self.is_idle() || FAULT) {",
        )],
    },
    Fault {
        name: "switch-incomplete",
        what: "the switch begins although something is left to be copied",
        changes: &[change(
            SWITCH,
            "            && self.extents.is_complete()\n",
            "            && (self.extents.is_complete() || FAULT)\n",
        ), change(
            SWITCH,
            "            let next = match self.extents.is_complete() {",
            "            let next = match self.extents.is_complete() || FAULT {",
        )],
    },
    Fault {
        name: "leave-new-unflushed",
        what: "the new device is not flushed before it takes over",
        changes: &[change(
            SWITCH,
            "                if !switch.flushed[1] {",
            "                switch.flushed[1] |= FAULT;\n                if !switch.flushed[1] {",
        )],
    },
    Fault {
        name: "leave-old-unflushed",
        what: "the old device is not flushed before it is replaced",
        changes: &[change(
            SWITCH,
            "                if switch.flushed[0] {",
            "                switch.flushed[0] |= FAULT;\n                if switch.flushed[0] {",
        )],
    },
    Fault {
        name: "skip-record",
        what: "the new device takes over and nobody tells the old one",
        changes: &[change(
            SWITCH,
            "            self.switch.enter(Phase::Recording);",
            "            self.switch.enter(if FAULT { Phase::TakingOver } else { Phase::Recording });",
        )],
    },
    Fault {
        name: "take-over-first",
        what: "the new device is told that it holds the data although it is not known whether the old one was",
        changes: &[change(
            SWITCH,
            "            (_, None) => self.doubt = true,\n        }\n        None",
            "            (_, None) if FAULT => self.enter(Phase::TakingOver),\n            (_, None) => self.doubt = true,\n        }\n        None",
        )],
    },
    Fault {
        name: "stay-in-doubt",
        what: "the old device is used on although it may say that it is replaced",
        changes: &[change(
            SWITCH,
            "            (_, Some(back)) => self.revoke(back),\n",
            "            (_, Some(back)) if FAULT => self.enter(back),\n            (_, Some(back)) => self.revoke(back),\n",
        )],
    },
    Fault {
        name: "take-back-once",
        what: "the old device is used on when its label was told once that it is not replaced, whatever came of it",
        changes: &[change(
            SWITCH,
            "            Step::Revoke if done => {",
            "            Step::Revoke if done || FAULT => {",
        )],
    },
    Fault {
        name: "take-back-too-late",
        what: "the old device is used on although the new one may have taken over",
        changes: &[change(
            SWITCH,
            "            Phase::TakingOver if self.issued[0].is_none() && !self.doubt => self.revoke(to),",
            "            Phase::TakingOver if FAULT || self.issued[0].is_none() && !self.doubt => self.revoke(to),",
        )],
    },
    Fault {
        name: "start-with-copy",
        what: "a start takes a copy of which nobody says that it was finished",
        changes: &[change(
            HOLDER,
            "        return Err(Refusal::NeedsOld(at, index, place(label)));",
            "        if FAULT {\n            return Ok((at, Role::Holds));\n        }\n        return Err(Refusal::NeedsOld(at, index, place(label)));",
        )],
    },
    Fault {
        name: "start-with-replaced",
        what: "a start takes a device that was replaced if the new one is missing",
        changes: &[change(
            HOLDER,
            "        .find(|(_, other)| other.node == names(label))\n",
            "        .find(|(_, other)| other.node == names(label))\n        .or_else(|| of_node().find(|(at, _)| FAULT && *at == says).map(|(at, label)| (at, label)))\n",
        ), change(
            HOLDER,
            "        state::IN_SYNC => Ok((at, Role::Holds)),",
            "        state::REPLACED if FAULT => Ok((at, Role::Holds)),\n        state::IN_SYNC => Ok((at, Role::Holds)),",
        )],
    },
    Fault {
        name: "start-with-image",
        what: "a start takes an image of a device from before it was replaced",
        changes: &[change(
            HOLDER,
            "            _ if seen < least => Some(at),",
            "            _ if !FAULT && seen < least => Some(at),",
        )],
    },
    Fault {
        name: "forget-untold-loss",
        what: "a loss at the old device of which no flush has told is forgotten with it",
        changes: &[change(
            WRITE_BACK,
            "        self.lost = self.lost.max(other.lost);",
            "        self.lost = self.lost.max(if FAULT { None } else { other.lost });",
        )],
    },
    Fault {
        name: "look-once",
        what: "a start does not look at the labels again after the claim",
        changes: &[],
    },
    Fault {
        name: "label-in-one-place",
        what: "the update of a label is answered when it is in one of its two places",
        changes: &[],
    },
    Fault {
        name: "fence-forgets-copies",
        what: "a hello is answered while a direct copy of an earlier connection is at the device",
        changes: &[],
    },
    Fault {
        name: "claim-without-drain",
        what: "a claim is answered while requests of an earlier owner are at the device",
        changes: &[],
    },
    Fault {
        name: "forget-epoch",
        what: "a server does what an earlier owner asks for",
        changes: &[],
    },
];
