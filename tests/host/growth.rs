// SPDX-License-Identifier: GPL-2.0

//! A start that finds a growth that was cut short, at any time of it, and of any number of them.

use dst_core::label::*;

use crate::{samples::label, Random};

/// The node that is the newest, and the one that was it before; 0 for none.
fn newest(node: u8, before: u8) -> Option<Newest> {
    Some(Newest {
        node: [node; 16],
        before: [before; 16],
    })
}

/// A device that was labelled for a storage that has, or will have, so many nodes.
fn device(identity: u8, index: u32, node_count: u32, newest: Option<Newest>) -> Label {
    Label {
        node: [identity; 16],
        index,
        ..label()
    }
    .grown(node_count, newest)
}

fn judge(labels: &[Label]) -> Result<Growth, Unfinished> {
    let labels: Vec<&Label> = labels.iter().collect();
    judge_growth(&labels)
}

/// The labels after a start that does what was judged, if it may start.
fn settled(labels: &[Label]) -> Result<Vec<Label>, Unfinished> {
    let growth = judge(labels)?;
    let after: Vec<Label> = labels
        .iter()
        .map(|label| growth.change(label).unwrap())
        .collect();
    assert_eq!(judge(&after), Ok(Growth::None), "not settled: {growth:?}");
    Ok(after)
}

#[test]
fn a_storage_that_never_grew() {
    let nodes = [device(1, 0, 2, None), device(2, 1, 2, None)];
    assert_eq!(judge(&nodes), Ok(Growth::None));
    assert_eq!(Growth::None.change(&nodes[0]), Ok(nodes[0]));
    let copy = Label {
        state: state::COPY,
        ..nodes[0]
    };
    assert_eq!(Growth::None.change(&copy), Err(Foreign));
    assert_eq!(judge(&nodes[..1]), Err(Unfinished::Count(0, 2, 1)));
    let more = [nodes[0], nodes[1], device(3, 2, 9, None)];
    assert!(matches!(judge(&more), Err(Unfinished::Count(2, 9, 3))));
}

#[test]
fn every_moment_of_a_growth() {
    let newest = newest(9, 0);
    let old = [device(1, 0, 2, None), device(2, 1, 2, None)];
    let new = device(9, 2, 3, newest);
    let told = old.map(|label| label.grown(3, newest));
    let complete = [told[0], told[1], new];
    for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let nodes = [[old[0], told[0]][first], [old[1], told[1]][second]];
        let with = [nodes[0], nodes[1], new];
        assert_eq!(settled(&with), Ok(complete.to_vec()));
        match first + second {
            2 => assert_eq!(judge(&nodes), Err(Unfinished::Count(0, 3, 2))),
            _ => assert_eq!(settled(&nodes), Ok(old.to_vec())),
        }
    }
    assert_eq!(judge(&complete), Ok(Growth::None));
    assert_eq!(
        settled(&[device(1, 0, 1, None)]),
        Ok(vec![device(1, 0, 1, None)])
    );
    // The only node of a storage.
    let alone = [device(1, 0, 1, None), device(9, 1, 2, newest)];
    assert_eq!(judge(&alone), Ok(Growth::Finish(2, newest)));
}

#[test]
fn a_device_of_an_abandoned_growth() {
    let (first, second) = (newest(8, 0), newest(9, 0));
    let abandoned = device(8, 1, 2, first);
    // The storage has grown by another device.
    let grown = device(1, 0, 2, second);
    let error = judge(&[grown, abandoned]).unwrap_err();
    assert_eq!(error, Unfinished::Abandoned(1));
    assert!(error.to_string().contains("node 1"));
    // It is about to.
    let nodes = [device(1, 0, 2, second), device(2, 1, 3, second)];
    let third = device(8, 2, 3, first);
    assert!(judge(&[nodes[0], nodes[1], third]).is_err());
    // It grew once before: the newest node is the same for those that know of nothing else.
    let before = [device(1, 0, 2, first), device(8, 1, 2, first)];
    assert_eq!(judge(&before), Ok(Growth::None));
    let third = newest(9, 8);
    let with = [before[0], before[1], device(9, 2, 3, third)];
    assert_eq!(judge(&with), Ok(Growth::Finish(3, third)));
    // It was about to come to a storage that knew another newest node.
    let with = [before[0], before[1], device(9, 2, 3, second)];
    assert_eq!(judge(&with), Err(Unfinished::Abandoned(2)));
    // Two that never were the newest contradict each other.
    let image = [
        device(1, 0, 3, newest(5, 4)),
        device(2, 1, 3, newest(6, 4)),
        device(3, 2, 3, newest(5, 4)),
    ];
    let error = judge(&image).unwrap_err();
    assert_eq!(error, Unfinished::Contradiction(0, 1));
    assert!(!error.to_string().is_empty());
}

#[test]
fn an_abandoned_device_after_two_growths() {
    // It was to be the third node; then others became the third and the fourth.
    let stray = device(8, 2, 3, newest(8, 0));
    let last = newest(7, 9);
    let nodes = [
        device(1, 0, 4, last),
        device(2, 1, 4, last),
        device(9, 2, 4, last),
        device(7, 3, 4, last),
    ];
    assert_eq!(judge(&nodes), Ok(Growth::None));
    let with = [nodes[0], nodes[1], stray, nodes[3]];
    assert_eq!(judge(&with), Err(Unfinished::Abandoned(2)));
    assert_eq!(judge(&with[..3]), Err(Unfinished::Abandoned(2)));
    // The node that it is taken for, if it was not told: that is a growth that was cut short.
    let known = [nodes[0], nodes[1], device(9, 2, 3, newest(9, 0)), nodes[3]];
    assert_eq!(judge(&known), Ok(Growth::Finish(4, last)));
}

#[test]
fn a_last_device_that_names_another_one() {
    // It is not the one that is to come.
    let nodes = [device(1, 0, 1, None), device(2, 1, 2, newest(9, 0))];
    assert_eq!(judge(&nodes), Err(Unfinished::Count(0, 1, 2)));
    assert!(judge(&[device(1, 0, 1, None), device(2, 1, 2, None)]).is_err());
}

/// A storage that grows, is cut short at any label, and is started with and without the device that
/// was to come. Nobody is ever let in who is not of it once the disk has been larger.
#[test]
fn many_growths() {
    let mut random = Random(21);
    for _ in 0..3_000 {
        let mut nodes = vec![device(1, 0, 1, None)];
        let mut stray: Vec<Label> = Vec::new();
        let mut next = 2_u8;
        for _ in 0..5 {
            let count = nodes.len() as u32;
            // A device that was to come once may be tried again, or a new one.
            let identity = next;
            next += 1;
            let newest = Newest::after(nodes[0].newest, [identity; 16]);
            let new = device(identity, count, count + 1, Some(newest));
            let told = random.below(u64::from(count) + 1) as usize;
            let mut order: Vec<usize> = (0..nodes.len()).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, random.below(at as u64 + 1) as usize);
            }
            let before = nodes.clone();
            for at in order.iter().take(told) {
                nodes[*at] = nodes[*at].grown(count + 1, new.newest);
            }
            let all_told = told == nodes.len();
            let with = [&nodes[..], &[new]].concat();
            if all_told || random.below(2) == 0 {
                nodes = settled(&with).expect("the device that was to come is there");
                assert_eq!(nodes.len() as u32, count + 1);
            } else {
                nodes = settled(&nodes).expect("it is not, and holds nothing");
                assert_eq!(nodes, before);
                stray.push(new);
            }
            for stray in &stray {
                refused(&nodes, stray);
            }
        }
    }
}

/// A device that never became a node is not let in for one, whether the others are all given or without the last ones.
fn refused(nodes: &[Label], stray: &Label) {
    let index = stray.index as usize;
    if index >= nodes.len() {
        return;
    }
    for given in index + 1..=nodes.len() {
        let mut swapped = nodes[..given].to_vec();
        swapped[index] = *stray;
        if given > 1 {
            assert!(judge(&swapped).is_err(), "{swapped:?}");
        }
    }
}
