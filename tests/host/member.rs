// SPDX-License-Identifier: GPL-2.0

//! Does a labelled node belong where it is put? Every disagreement in the words that the
//! administrator reads.

use dst_core::label::{check_membership, features, state, Expected, Label, Mismatch, Partner};

use crate::samples::{label, text};

/// What the sample label says.
const RIGHT: Expected<'static> = Expected {
    storage: Some(*b"storage-0123456!"),
    name: "kano",
    algorithm: "alg_linear",
    index: 1,
    node_count: Some(3),
    start: Some(122_880),
    size: Some(122_880),
    data_sectors: Some(122_880),
    holds: false,
};

/// What is said if the configuration differs like this.
fn told(change: impl Fn(&mut Expected<'static>)) -> String {
    let mut expected = RIGHT;
    change(&mut expected);
    let label = label();
    let mismatch = check_membership(&label, &expected).expect_err("they disagree");
    mismatch.to_string()
}

#[test]
fn a_node_that_belongs_here() {
    assert_eq!(check_membership(&label(), &RIGHT), Ok(()));
    // What the configuration does not say is what the label says.
    let unknown = Expected {
        storage: None,
        node_count: None,
        start: None,
        size: None,
        data_sectors: None,
        ..RIGHT
    };
    assert_eq!(check_membership(&label(), &unknown), Ok(()));
}

#[test]
fn a_node_of_another_storage() {
    assert_eq!(
        told(|e| e.name = "other"),
        "the node belongs to storage \"kano\", not to \"other\""
    );
    assert_eq!(
        told(|e| e.storage = Some([1; 16])),
        "the node belongs to another storage that is also called \"kano\" \
         (their identities differ)"
    );
    assert_eq!(
        told(|e| e.algorithm = "alg_mirror"),
        "the node was set up for algorithm \"alg_linear\", not for \"alg_mirror\""
    );
}

#[test]
fn a_node_of_another_place() {
    assert_eq!(
        told(|e| e.index = 0),
        "the node is number 1 of its storage (counted from 0), \
         but was given as number 0; give the nodes in their order"
    );
    assert_eq!(
        told(|e| e.node_count = Some(2)),
        "the node's storage has 3 nodes, but 2 were given"
    );
    assert_eq!(
        told(|e| e.start = Some(0)),
        "the node holds the storage from sector 122880 on, but was given a start of 0"
    );
}

#[test]
fn a_node_of_another_size() {
    assert_eq!(
        told(|e| e.size = Some(800)),
        "the node holds 122880 sectors (60 MiB) of the storage, \
         but was given a size of 800 sectors (400 KiB)"
    );
    assert_eq!(
        told(|e| e.data_sectors = Some(2048)),
        "the node had room for 122880 sectors (60 MiB) of data when it was labelled \
         and has room for 2048 sectors (1 MiB) now; \
         its device was resized or exported differently"
    );
}

#[test]
fn a_node_that_is_not_there() {
    let moving = |state, place| Label {
        incompat: features::MIGRATION,
        state,
        partner: Some(Partner {
            node: [1; 16],
            place: text(place),
        }),
        ..label()
    };
    let told = |state, place| {
        let label = moving(state, place);
        let told = check_membership(&label, &RIGHT).map_err(|mismatch| mismatch.to_string());
        told.err()
    };
    assert_eq!(told(state::IN_SYNC, "/dev/vdb"), None);
    assert_eq!(
        told(state::REPLACED, "/dev/vdb").unwrap(),
        "the node has moved from this device to another one (/dev/vdb); give that one in its place"
    );
    assert_eq!(
        told(state::COPY, "").unwrap(),
        "the device is a copy of the node that was not finished; the node is on another device: \
         give that one in its place, or finish the migration"
    );
    // It is known from the other device that the node is here, and the rest counts all the same.
    let taker = moving(state::COPY, "");
    let held = Expected {
        holds: true,
        ..RIGHT
    };
    assert_eq!(check_membership(&taker, &held), Ok(()));
    let elsewhere = Expected { index: 2, ..held };
    assert_eq!(
        check_membership(&taker, &elsewhere),
        Err(Mismatch::Index(1, 2))
    );
    // Of another storage it is of no interest.
    let label = moving(state::COPY, "");
    let other = Expected {
        name: "other",
        ..RIGHT
    };
    let mismatch = check_membership(&label, &other);
    assert_eq!(mismatch, Err(Mismatch::Name("kano", "other")));
}
