// SPDX-License-Identifier: GPL-2.0

//! Whether a device is a node's own one at another place.

use dst_core::label::{features, recognise, state, Held, Kin, Label, Partner, Unlike};

use crate::samples::{label, text};

fn held(label: &Label) -> Held {
    Held {
        storage: label.storage,
        node: label.node,
        index: label.index,
        range: (label.start, label.size),
        epoch: label.epoch,
        events: label.events,
        sequence: label.sequence,
    }
}

/// What becomes of the device of the node when `change` was made to its label.
fn judged(change: impl FnOnce(&mut Label)) -> Result<Kin, Unlike> {
    let own = label();
    let mut found = own;
    change(&mut found);
    recognise(&found, own.data_sectors, &held(&own))
}

fn partner(label: &mut Label) {
    label.incompat |= features::MIGRATION;
    label.partner = Some(Partner {
        node: [9; 16],
        place: text("kano:1025"),
    });
}

#[test]
fn the_own_device_is_recognised() {
    assert_eq!(judged(|_| ()), Ok(Kin::Own));
    // The label is written once more by each replacement, and the answer may have been lost.
    assert_eq!(judged(|label| label.sequence += 1), Ok(Kin::Own));
    // What another storage has on its devices is judged by whoever labels them.
    assert_eq!(judged(|label| label.storage = [7; 16]), Ok(Kin::Other));
}

#[test]
fn an_image_of_earlier_times_is_not() {
    assert_eq!(
        judged(|label| label.epoch -= 1),
        Err(Unlike::OldEpoch(4, 5))
    );
    let sequence = |label: &mut Label| label.sequence -= 1;
    assert_eq!(judged(sequence), Err(Unlike::OldSequence(41, 42)));
    let both = |label: &mut Label| {
        label.epoch -= 1;
        label.sequence += 7;
    };
    assert_eq!(judged(both), Err(Unlike::OldEpoch(4, 5)));
    assert_eq!(
        judged(|label| label.epoch += 1),
        Err(Unlike::TakenOver(6, 5))
    );
}

#[test]
fn what_its_label_does_not_fit_is_refused() {
    assert_eq!(judged(|label| label.index = 2), Err(Unlike::Moved));
    assert_eq!(judged(|label| label.start += 8), Err(Unlike::Moved));
    assert_eq!(judged(|label| label.size -= 8), Err(Unlike::Moved));
    assert_eq!(judged(|label| label.events = 1), Err(Unlike::Moved));
    assert_eq!(judged(|label| label.ro_compat = 1), Err(Unlike::Newer));
    let own = label();
    let larger = recognise(&own, own.data_sectors + 8, &held(&own));
    assert_eq!(
        larger,
        Err(Unlike::Size(own.data_sectors + 8, own.data_sectors))
    );
    for (state, events) in [(state::COPY, 0), (state::REPLACED, 1)] {
        let change = |label: &mut Label| {
            partner(label);
            label.state = state;
            label.events = events;
        };
        assert_eq!(judged(change), Err(Unlike::NotHeld));
    }
}

#[test]
fn other_nodes_keep_their_devices() {
    let other = |label: &mut Label| {
        label.node = [7; 16];
        label.index = 2;
    };
    assert_eq!(judged(other), Err(Unlike::OtherNode(2)));
    assert_eq!(judged(|label| label.node = [7; 16]), Err(Unlike::Former));
    // One that was to join, and was taken back.
    let unused = |label: &mut Label| {
        other(label);
        label.epoch = 0;
    };
    assert_eq!(judged(unused), Ok(Kin::Other));
    // To these the node can move.
    for state in [state::COPY, state::REPLACED] {
        let aside = |label: &mut Label| {
            label.node = [7; 16];
            partner(label);
            label.state = state;
        };
        assert_eq!(judged(aside), Ok(Kin::Other));
    }
}

#[test]
fn every_refusal_has_words() {
    let all = [
        Unlike::OtherNode(1),
        Unlike::Former,
        Unlike::TakenOver(6, 5),
        Unlike::OldEpoch(4, 5),
        Unlike::OldSequence(41, 42),
        Unlike::NotHeld,
        Unlike::Moved,
        Unlike::Size(8, 16),
        Unlike::Newer,
    ];
    for unlike in all {
        assert!(unlike.to_string().len() > 30, "{unlike:?}");
    }
}
