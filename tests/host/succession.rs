// SPDX-License-Identifier: GPL-2.0

//! What the labels say while a node moves.

use crc32c::crc32c;
use dst_core::label::*;

use crate::{
    samples::{label, text},
    Random,
};

const NEW: [u8; 16] = *b"new-----0123456!";
const THIRD: [u8; 16] = *b"third---0123456!";
const FOURTH: [u8; 16] = *b"fourth--0123456!";

fn by(node: [u8; 16]) -> Partner {
    Partner {
        node,
        place: text("backup.example:4711"),
    }
}

/// The label of the device that the sample's node moves to.
fn copy() -> Label {
    let place = text("/dev/vdb");
    let sizes = (200_000, 180_000);
    label().copy(NEW, place, sizes, None, 0, 77).unwrap()
}

/// It can be written, and says the same when it is read.
fn kept(label: &Label) {
    let mut block = [0; LABEL_BYTES];
    label.encode(&mut block, crc32c).unwrap();
    assert_eq!(Label::decode(&mut block, crc32c).as_ref(), Ok(label));
}

#[test]
fn the_label_of_a_copy() {
    let expected = Label {
        incompat: features::MIGRATION,
        node: NEW,
        device_sectors: 200_000,
        data_sectors: 180_000,
        epoch: 0,
        state: state::COPY,
        sequence: 1,
        created: 77,
        updated: 77,
        partner: Some(Partner {
            node: label().node,
            place: text("/dev/vdb"),
        }),
        ..label()
    };
    assert_eq!(copy(), expected);
    kept(&expected);
}

#[test]
fn what_the_new_device_had_before() {
    let made = |there: &Label| label().copy(NEW, text(""), (200_000, 180_000), Some(there), 4, 0);
    let foreign = Label {
        storage: [9; 16],
        epoch: 31,
        sequence: 6,
        ..label()
    };
    let copy = made(&foreign).unwrap();
    assert_eq!((copy.epoch, copy.sequence), (0, 7));
    // A copy that was given up, or a device that was replaced: its epoch counts.
    for state in [state::COPY, state::REPLACED] {
        let ours = Label {
            node: THIRD,
            incompat: features::MIGRATION,
            state,
            partner: Some(by(label().node)),
            epoch: 4,
            sequence: u64::MAX,
            ..label()
        };
        let copy = made(&ours).unwrap();
        assert_eq!((copy.epoch, copy.sequence), (4, u64::MAX));
    }
    // Another node of this storage is not overwritten, unless it never was one.
    let node = Label {
        node: THIRD,
        ..label()
    };
    assert_eq!(made(&node), Err(NoCopy::Holds));
    let added = Label { epoch: 0, ..node };
    assert_eq!(made(&added).map(|copy| copy.epoch), Ok(0));
}

/// An owner that has been replaced and does not know it leaves its successor's copy alone.
#[test]
fn a_device_in_a_later_epoch() {
    let made = |there: Option<&Label>, in_force| {
        let copy = label().copy(NEW, text(""), (200_000, 180_000), there, in_force, 0);
        copy.map(|copy| copy.epoch)
    };
    let own = label().epoch;
    let later = Label {
        node: THIRD,
        epoch: own + 1,
        ..copy()
    };
    assert_eq!(made(Some(&later), own + 1), Err(NoCopy::Ahead(own + 1)));
    assert_eq!(made(Some(&later), 0), Err(NoCopy::Ahead(own + 1)));
    // The claim is not in the label yet.
    assert_eq!(made(Some(&copy()), own + 1), Err(NoCopy::Ahead(own + 1)));
    assert_eq!(made(None, own + 2), Err(NoCopy::Ahead(own + 2)));
    let same = Label {
        epoch: own,
        ..later
    };
    assert_eq!(made(Some(&same), own), Ok(own));
    assert_eq!(made(None, own), Ok(0));
}

#[test]
fn only_who_holds_the_data_is_copied() {
    let made = |of: &Label, node| of.copy(node, text(""), (200_000, 180_000), None, 0, 0);
    assert_eq!(made(&label(), label().node), Err(NoCopy::Source));
    assert_eq!(made(&copy(), THIRD), Err(NoCopy::Source));
    assert_eq!(made(&replaced(), THIRD), Err(NoCopy::Source));
    for error in [NoCopy::Source, NoCopy::Holds, NoCopy::Ahead(7)] {
        assert!(!error.to_string().is_empty());
    }
    assert!(NoCopy::Ahead(7).to_string().contains("in epoch 7,"));
    assert!(!Foreign.to_string().is_empty());
}

fn replaced() -> Label {
    let change = Change::Replaced {
        by: by(NEW),
        events: 1,
    };
    label().change(label().node, &change).unwrap()
}

#[test]
fn the_old_device() {
    let old = replaced();
    let expected = Label {
        incompat: features::MIGRATION,
        state: state::REPLACED,
        events: 1,
        partner: Some(by(NEW)),
        ..label()
    };
    assert_eq!(old, expected);
    kept(&old);
    // It is taken back: all is as it was.
    let kept = Change::Kept { by: NEW, events: 0 };
    assert_eq!(old.change(old.node, &kept), Ok(label()));
    assert_eq!(label().change(old.node, &kept), Ok(label()));
    // What another device has replaced is nobody's to take back.
    let other = Change::Kept {
        by: THIRD,
        events: 0,
    };
    assert_eq!(old.change(old.node, &other), Err(Foreign));
    let other = Change::Replaced {
        by: by(THIRD),
        events: 2,
    };
    assert_eq!(old.change(old.node, &other), Err(Foreign));
    assert_eq!(
        copy().change(NEW, &other),
        Err(Foreign),
        "a copy holds nothing"
    );
}

#[test]
fn the_new_device() {
    let over = Change::TakenOver { events: 1 };
    let new = copy().change(NEW, &over).unwrap();
    let expected = Label {
        state: state::IN_SYNC,
        events: 1,
        ..copy()
    };
    assert_eq!(new, expected);
    kept(&new);
    let settled = new.change(NEW, &Change::Settled).unwrap();
    let expected = Label {
        incompat: 0,
        partner: None,
        newest: None,
        ..new
    };
    assert_eq!(settled, expected);
    kept(&settled);
    assert_eq!(copy().change(NEW, &Change::Settled), Err(Foreign));
    // Neither the old device nor one that never was a copy.
    assert_eq!(replaced().change(label().node, &over), Err(Foreign));
    assert_eq!(label().change(label().node, &over), Err(Foreign));
}

#[test]
fn another_node() {
    let told = |events| {
        let change = Change::Told { events };
        let label = label().change(label().node, &change).unwrap();
        label.change(label.node, &Change::Told { events: 3 })
    };
    assert_eq!(
        told(3),
        Ok(Label {
            events: 3,
            ..label()
        })
    );
    assert_eq!(
        told(5),
        Ok(Label {
            events: 5,
            ..label()
        })
    );
}

/// Whoever does not know whether a change was made makes it again.
#[test]
fn a_change_can_be_repeated() {
    let mut random = Random(17);
    let changes = |events| {
        [
            Change::Replaced {
                by: by(FOURTH),
                events,
            },
            Change::Kept { by: FOURTH, events },
            Change::TakenOver { events },
            Change::Told { events },
            Change::Settled,
        ]
    };
    let mut made = 0;
    for _ in 0..2000 {
        let mut label = [label(), copy()][random.below(2) as usize];
        for _ in 0..random.below(6) {
            let change = changes(random.below(4))[random.below(5) as usize];
            let before = label;
            label = label.change(label.node, &change).unwrap_or(label);
            assert_eq!(before.change(THIRD, &change), Err(Foreign));
            if label == before {
                continue;
            }
            made += 1;
            assert_eq!(label.change(label.node, &change), Ok(label), "{change:?}");
            kept(&label);
        }
    }
    assert!(made > 1000, "{made}");
}
