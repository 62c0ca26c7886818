// SPDX-License-Identifier: GPL-2.0

//! A start that is given a node's old device, its new one, or both, at any time of a migration.

use dst_core::label::*;

use crate::{
    samples::{label, text},
    Random,
};

const OLD: [u8; 16] = *b"old-----0123456!";
const NEW: [u8; 16] = *b"new-----0123456!";

/// A node of a storage with so many.
fn node(node: [u8; 16], index: u32, node_count: u32) -> Label {
    Label {
        node,
        index,
        node_count,
        ..label()
    }
}

/// The labels of the old device, the new one, and another node.
#[derive(Clone, Copy)]
struct Stage {
    name: &'static str,
    old: Label,
    new: Option<Label>,
    other: Label,
}

/// All that the labels can say while node 0 moves for the first time.
fn stages() -> Vec<Stage> {
    let (events, place) = (1, text("10.0.0.1:4711"));
    let by = Partner { node: NEW, place };
    let change = |label: Label, change| label.change(label.node, &change).unwrap();
    let old = node(OLD, 0, 2);
    let other = node([7; 16], 1, 2);
    let copy = old
        .copy(NEW, place, (200_000, 180_000), None, 0, 0)
        .unwrap();
    let replaced = change(old, Change::Replaced { by, events });
    let taken = change(copy, Change::TakenOver { events });
    let told = change(other, Change::Told { events });
    let settled = change(taken, Change::Settled);
    let stage = |name, old, new, other| Stage {
        name,
        old,
        new,
        other,
    };
    vec![
        stage("plain", old, None, other),
        stage("copying", old, Some(copy), other),
        stage("recorded", replaced, Some(copy), other),
        stage("taken over", replaced, Some(taken), other),
        stage("told", replaced, Some(taken), told),
        stage("settled", replaced, Some(settled), told),
    ]
}

fn at(name: &str) -> Stage {
    let found = stages().into_iter().find(|stage| stage.name == name);
    found.unwrap()
}

fn decide<'a>(labels: &[&'a Label]) -> Result<(Vec<Role>, Holders), Refusal<'a>> {
    let mut roles = vec![Role::Replaced; labels.len()];
    let holders = holders(labels, &mut roles)?;
    Ok((roles, holders))
}

/// What becomes of the devices, those of node 0 and the other node behind them.
fn roles(labels: &[&Label]) -> (Vec<Role>, Option<usize>) {
    let (roles, holders) = decide(labels).unwrap();
    assert_eq!(holders.node_count, 2);
    (roles, holders.unsettled)
}

#[test]
fn a_storage_that_never_moved() {
    let labels: Vec<_> = (0..4).map(|i| node([i as u8 + 1; 16], i, 4)).collect();
    let (forth, back): (Vec<_>, Vec<_>) = (labels.iter().collect(), labels.iter().rev().collect());
    for labels in [forth, back] {
        let holders = Holders {
            node_count: 4,
            events: 0,
            unsettled: None,
        };
        assert_eq!(decide(&labels), Ok((vec![Role::Holds; 4], holders)));
        assert_eq!(decide(&labels[1..]), Err(Refusal::Missing(labels[0].index)));
    }
    assert_eq!(decide(&[]), Err(Refusal::Nothing));
    // Many nodes are not looked for one by one.
    let one = node(OLD, 0, u32::MAX);
    assert_eq!(decide(&[&one]), Err(Refusal::Missing(1)));
}

#[test]
fn the_old_device_alone() {
    for stage in stages() {
        let labels = [&stage.old, &stage.other];
        match stage.name {
            "plain" | "copying" => {
                assert_eq!(roles(&labels), (vec![Role::Holds; 2], None));
            }
            name => assert_eq!(
                decide(&labels),
                Err(Refusal::NeedsNew(0, 0, "10.0.0.1:4711")),
                "{name}"
            ),
        }
    }
}

#[test]
fn the_new_device_alone() {
    for stage in stages() {
        let Some(new) = stage.new else {
            continue;
        };
        let labels = [&stage.other, &new];
        match stage.name {
            "copying" | "recorded" => assert_eq!(
                decide(&labels),
                Err(Refusal::NeedsOld(1, 0, "10.0.0.1:4711"))
            ),
            "settled" => assert_eq!(roles(&labels), (vec![Role::Holds; 2], None)),
            name => assert_eq!(roles(&labels), (vec![Role::Holds; 2], Some(1)), "{name}"),
        }
    }
}

#[test]
fn both_devices() {
    for stage in stages() {
        let Some(new) = stage.new else {
            continue;
        };
        let (old, unsettled) = match stage.name {
            "copying" => (Role::Holds, false),
            "settled" => (Role::Replaced, false),
            _ => (Role::Replaced, true),
        };
        let takes = |at| match stage.name {
            "copying" => Role::Copy,
            "recorded" => Role::TakesOver(at),
            _ => Role::Holds,
        };
        let labels = [&stage.old, &new, &stage.other];
        let expected = vec![old, takes(0), Role::Holds];
        assert_eq!(roles(&labels), (expected, unsettled.then_some(1)));
        let labels = [&new, &stage.other, &stage.old];
        let expected = vec![takes(2), Role::Holds, old];
        assert_eq!(roles(&labels), (expected, unsettled.then_some(0)));
    }
}

/// Where a device may be given: in its node's place, or behind all nodes.
#[test]
fn the_place_of_a_device() {
    let stage = at("recorded");
    let (old, new, other) = (&stage.old, &stage.new.unwrap(), &stage.other);
    let seats = |labels: &[&Label]| {
        let (roles, holders) = decide(labels).unwrap();
        let mut seats = vec![9; holders.node_count as usize];
        seat(labels, &roles, &mut seats).map(|()| seats)
    };
    assert_eq!(seats(&[old, other, new]), Ok(vec![2, 1]));
    assert_eq!(seats(&[new, other, old]), Ok(vec![0, 1]));
    assert_eq!(seats(&[old, new, other]), Err(Misplaced(1, 0)));
    assert_eq!(seats(&[other, old, new]), Err(Misplaced(0, 1)));
    // A storage that never moved, in order and out of it.
    let plain = at("plain");
    let (old, other) = (&plain.old, &plain.other);
    assert_eq!(seats(&[old, other]), Ok(vec![0, 1]));
    assert_eq!(seats(&[other, old]), Err(Misplaced(0, 1)));
    assert_eq!(
        Misplaced(2, 1).to_string(),
        "device 2 is one of node 1 (counted from 0): give it in that place, or behind all nodes if \
         the node's other device is in its place"
    );
}

#[test]
fn the_devices_of_a_refusal() {
    assert_eq!(Refusal::Nothing.devices(), (None, None));
    assert_eq!(Refusal::Missing(3).devices(), (None, None));
    assert_eq!(Refusal::Two(1, 4, 0).devices(), (Some(1), Some(4)));
    for refusal in [
        Refusal::Other(2),
        Refusal::NeedsNew(2, 0, ""),
        Refusal::NeedsOld(2, 0, ""),
        Refusal::Behind(2, 0),
    ] {
        assert_eq!(refusal.devices(), (Some(2), None));
    }
}

#[test]
fn a_role_that_holds() {
    let roles = [Role::Holds, Role::TakesOver(0), Role::Replaced, Role::Copy];
    assert_eq!(roles.map(|role| role.holds()), [true, true, false, false]);
}

#[test]
fn an_image_of_earlier_times() {
    let (before, after) = (at("copying"), at("settled"));
    let new = after.new.unwrap();
    // Beside a node that was told, it is noticed.
    assert_eq!(
        decide(&[&before.old, &after.other]),
        Err(Refusal::Behind(0, 0))
    );
    // So is a copy of which the image says that it is none.
    let copy = before.new.unwrap();
    assert_eq!(
        decide(&[&after.other, &before.old, &copy]),
        Err(Refusal::Behind(1, 0))
    );
    // Beside the device that holds the node both say that they do.
    assert_eq!(
        decide(&[&before.old, &new, &after.other]),
        Err(Refusal::Two(0, 1, 0))
    );
    // One from before all nodes were told, when another node has moved since.
    let taken = at("taken over").new.unwrap();
    let later = Label {
        events: 2,
        ..after.other
    };
    assert_eq!(decide(&[&taken, &later]), Err(Refusal::Behind(0, 0)));
    // A copy that remembers something is not asked.
    let copy = Label { events: 9, ..copy };
    let labels = [&before.old, &copy, &before.other];
    let expected = vec![Role::Holds, Role::Copy, Role::Holds];
    assert_eq!(roles(&labels), (expected, None));
}

/// While not all know of a migration an image is known by the migrations before, or by what others know already.
#[test]
fn an_image_beside_a_node_that_is_not_settled() {
    let later = |label: Label| Label {
        events: label.events + 1,
        ..label
    };
    for name in ["recorded", "taken over"] {
        let stage = at(name);
        // Some other node has moved before.
        let (old, other) = (later(stage.old), later(stage.other));
        let new = match name {
            "recorded" => stage.new.unwrap(),
            _ => later(stage.new.unwrap()),
        };
        assert!(decide(&[&old, &new, &other]).is_ok(), "{name}");
        let image = Label { events: 0, ..other };
        let told = decide(&[&old, &new, &image]).err();
        assert_eq!(told, Some(Refusal::Behind(2, 1)), "{name}");
    }
    // Nobody is told before the new device says that it has taken over: this is a copy of it from before that.
    let (recorded, told) = (at("recorded"), at("told"));
    let labels = [&told.old, &recorded.new.unwrap(), &told.other];
    assert_eq!(decide(&labels).err(), Some(Refusal::Behind(1, 0)));
}

#[test]
fn a_node_that_has_moved_twice() {
    let (first, third) = (at("settled"), [3; 16]);
    let (old, new) = (first.old, first.new.unwrap());
    let place = text("");
    let by = Partner { node: third, place };
    let copy = new
        .copy(third, place, (200_000, 180_000), None, 0, 0)
        .unwrap();
    let second = Change::Replaced { by, events: 2 };
    let replaced = new.change(NEW, &second).unwrap();
    let over = Change::TakenOver { events: 2 };
    let last = copy.change(third, &over).unwrap();
    let other = &first.other;
    assert_eq!(
        roles(&[&old, &replaced, &last, other]),
        (
            vec![Role::Replaced, Role::Replaced, Role::Holds, Role::Holds],
            Some(2)
        )
    );
    // The one in the middle may be missing; the last one may not.
    let expected = vec![Role::Replaced, Role::Holds, Role::Holds];
    assert_eq!(roles(&[&old, &last, other]), (expected, Some(1)));
    assert_eq!(
        decide(&[&old, &replaced, other]),
        Err(Refusal::NeedsNew(1, 0, ""))
    );
    // What the older one says of the newer one counts no more.
    assert_eq!(
        roles(&[&old, &replaced, &copy, other]).0[2],
        Role::TakesOver(1)
    );
}

#[test]
fn a_copy_of_another_attempt() {
    let (recorded, other) = (at("recorded"), [3; 16]);
    let stale = Label {
        node: other,
        ..recorded.new.unwrap()
    };
    assert_eq!(
        decide(&[&recorded.old, &stale, &recorded.other]),
        Err(Refusal::NeedsNew(0, 0, "10.0.0.1:4711"))
    );
    let plain = at("plain");
    let expected = vec![Role::Holds, Role::Copy, Role::Holds];
    assert_eq!(roles(&[&plain.old, &stale, &plain.other]), (expected, None));
}

#[test]
fn clones() {
    for stage in stages() {
        let labels = [&stage.other, &stage.old, &stage.old];
        assert_eq!(decide(&labels), Err(Refusal::Two(1, 2, 0)));
        let labels = [&stage.other, &stage.old, &stage.other];
        assert_eq!(
            decide(&labels).err(),
            match stage.name {
                "plain" | "copying" => Some(Refusal::Two(0, 2, 1)),
                // Node 0 is looked at first.
                _ => Some(Refusal::NeedsNew(1, 0, "10.0.0.1:4711")),
            }
        );
    }
    // Two devices that claim the same migration for different ones.
    let recorded = at("recorded");
    let place = text("");
    let other = Label {
        node: [5; 16],
        partner: Some(Partner {
            node: [6; 16],
            place,
        }),
        ..recorded.old
    };
    assert_eq!(
        decide(&[&recorded.old, &other, &recorded.other]),
        Err(Refusal::Two(0, 1, 0))
    );
    // One that names a device which says that it was replaced itself.
    let named = Label {
        node: NEW,
        events: 0,
        ..other
    };
    assert_eq!(
        decide(&[&recorded.other, &recorded.old, &named]),
        Err(Refusal::Two(1, 2, 0))
    );
}

/// The storage has grown since a node has moved: the device that was left knows nothing of that.
#[test]
fn a_node_that_moved_before_the_storage_grew() {
    let settled = at("settled");
    let grown = |label: Label| Label {
        node_count: 3,
        ..label
    };
    let new = grown(settled.new.unwrap());
    let other = grown(settled.other);
    let third = Label {
        node: [9; 16],
        index: 2,
        ..other
    };
    let (verdict, holders) = decide(&[&new, &other, &third, &settled.old]).unwrap();
    assert_eq!(verdict[3], Role::Replaced);
    assert!(verdict[..3].iter().all(|role| *role == Role::Holds));
    assert_eq!((holders.node_count, holders.unsettled), (3, None));
    // It does not count for its node, whatever it says.
    assert_eq!(
        decide(&[&settled.old, &other, &third]),
        Err(Refusal::Missing(0))
    );
    // One that knows of more nodes than those that hold them shows that these are images.
    let later = Label {
        node_count: 4,
        ..settled.old
    };
    let labels = [&new, &other, &third, &later];
    assert_eq!(decide(&labels), Err(Refusal::Other(3)));
}

#[test]
fn devices_of_another_storage() {
    let plain = at("plain");
    let others = [
        Label {
            storage: [1; 16],
            ..plain.other
        },
        Label {
            node_count: 3,
            ..plain.other
        },
        Label {
            name: text("other"),
            ..plain.other
        },
        Label {
            algorithm: text("alg_mirror"),
            ..plain.other
        },
    ];
    for other in others {
        assert_eq!(decide(&[&plain.old, &other]), Err(Refusal::Other(1)));
    }
}

/// The order of the devices makes no difference.
#[test]
fn any_order() {
    let mut random = Random(23);
    let all: Vec<Label> = stages()
        .iter()
        .flat_map(|stage| [Some(stage.old), stage.new, Some(stage.other)])
        .flatten()
        .collect();
    let mut good = 0;
    for _ in 0..20_000 {
        let mut labels: Vec<&Label> = Vec::new();
        for _ in 0..1 + random.below(4) {
            labels.push(&all[random.below(all.len() as u64) as usize]);
        }
        let mut turned = labels.clone();
        for at in (1..turned.len()).rev() {
            turned.swap(at, random.below(at as u64 + 1) as usize);
        }
        let (one, other) = (decide(&labels), decide(&turned));
        assert_eq!(one.is_ok(), other.is_ok(), "{labels:?}");
        let (Ok((roles, _)), Ok((again, _))) = (one, other) else {
            continue;
        };
        good += 1;
        let mut holding: Vec<_> = labels.iter().zip(&roles).collect();
        holding.retain(|(_, role)| role.holds());
        assert_eq!(holding.len(), 2, "one for each node");
        for (label, _) in holding {
            let mut there = turned.iter().zip(&again);
            assert!(there.any(|(other, role)| other.node == label.node && role.holds()));
        }
    }
    assert!(good > 1000, "{good}");
}

#[test]
fn refusals_say_what_to_do() {
    let told = |refusal: Refusal<'_>| refusal.to_string();
    assert_eq!(
        told(Refusal::Nothing),
        "the storage has no devices; add some first"
    );
    assert_eq!(
        told(Refusal::Other(2)),
        "device 2 belongs to another storage"
    );
    assert_eq!(
        told(Refusal::Missing(1)),
        "no device has node 1 of the storage (counted from 0); add the one that has it"
    );
    assert_eq!(
        told(Refusal::NeedsNew(0, 1, "/dev/vdb")),
        "node 1 has moved from device 0 to another one (/dev/vdb); give that one, in its place or \
         beside it"
    );
    assert_eq!(
        told(Refusal::NeedsNew(0, 1, "")),
        "node 1 has moved from device 0 to another one; give that one, in its place or beside it"
    );
    assert_eq!(
        told(Refusal::NeedsOld(2, 0, "10.0.0.1:4711")),
        "device 2 is a copy of node 0 of which it is not known whether it was finished; add the \
         device that it was made of (10.0.0.1:4711), which says so"
    );
    assert_eq!(
        told(Refusal::Two(0, 1, 3)),
        "devices 0 and 1 both hold node 3; one of them is a copy that was made behind the storage's \
         back, or both are the same: leave it out"
    );
    assert_eq!(
        told(Refusal::Behind(4, 3)),
        "device 4 held node 3 at an earlier time, and a node of the storage has moved since; give \
         the device that holds it now"
    );
}
