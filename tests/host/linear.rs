// SPDX-License-Identifier: GPL-2.0

//! The linear algorithm against a model that knows the place of every single sector.

use dst_core::map::*;
use proptest::prelude::*;

const BLOCKS: [u32; 4] = [512, 1024, 4096, 65536];

fn spec(start: Option<u64>, size: Option<u64>, available: u64) -> NodeSpec {
    NodeSpec {
        start,
        size,
        available,
    }
}

fn placed(specs: &[NodeSpec], block: u32) -> Result<(Vec<Segment>, Vec<Note>), ConfigError> {
    let mut out = vec![Segment::EMPTY; specs.len()];
    let mut notes = Vec::new();
    let placement = place(Kind::Linear, specs, block, &mut out, &mut |n| notes.push(n))?;
    assert_eq!(placement.segments, specs.len());
    assert_eq!(
        placement.sectors,
        out.iter().map(|s| s.sectors).sum::<u64>()
    );
    Ok((out, notes))
}

fn refused(specs: &[NodeSpec], block: u32) -> ConfigError {
    let error = placed(specs, block).expect_err("the configuration is wrong");
    assert!(!error.to_string().is_empty());
    error
}

/// The place of every sector, or `None` if the configuration is not a linear storage.
fn model(specs: &[NodeSpec], block: u32) -> Option<Vec<(usize, u64)>> {
    let unit = u64::from(block) / 512;
    let mut places: Vec<Option<(usize, u64)>> = Vec::new();
    let mut next = 0;
    for (node, spec) in specs.iter().enumerate() {
        let start = spec.start.unwrap_or(next);
        let size = spec.size.unwrap_or(spec.available);
        if size > spec.available || size / unit == 0 || start % unit != 0 {
            return None;
        }
        next = start + size / unit * unit;
        for sector in start..next {
            let at = usize::try_from(sector).unwrap();
            if places.len() <= at {
                places.resize(at + 1, None);
            }
            if places[at].replace((node, sector - start)).is_some() {
                return None;
            }
        }
    }
    places.into_iter().collect()
}

/// Walks a range piece by piece and compares every sector.
fn walk(layout: &dyn Layout, places: &[(usize, u64)], op: Op, mut sector: u64, mut sectors: u64) {
    while sectors > 0 {
        let piece = layout
            .piece(op, sector, sectors)
            .expect("within the storage");
        assert!(piece.sectors() > 0 && piece.sectors() <= sectors);
        assert_eq!((piece.targets(), piece.need()), (1, Need::All));
        assert_eq!(piece.extents().collect::<Vec<_>>(), [piece.first()]);
        let extent = piece.first();
        for i in 0..extent.sectors {
            let place = places[usize::try_from(sector + i).unwrap()];
            assert_eq!(place, (extent.node, extent.node_sector + i));
        }
        // The longest possible: the sector behind it is elsewhere.
        if extent.sectors < sectors {
            let behind = places[usize::try_from(sector + extent.sectors).unwrap()];
            assert_ne!(behind, (extent.node, extent.node_sector + extent.sectors));
        }
        sector += extent.sectors;
        sectors -= extent.sectors;
    }
}

#[test]
fn nodes_one_after_the_other() {
    let (segments, notes) = placed(
        &[
            spec(None, None, 801),
            spec(None, Some(799), 900),
            spec(None, None, 1),
        ],
        512,
    )
    .unwrap();
    assert!(notes.is_empty());
    let layout = Linear::new(segments.as_slice()).unwrap();
    assert_eq!((layout.sectors(), layout.nodes()), (1601, 3));
    assert_eq!(layout.range_of(1), Some((801, 799)));
    assert_eq!(layout.range_of(3), None);
    let extent = |sector, sectors| layout.extent(sector, sectors).unwrap();
    assert_eq!(
        extent(0, 1601),
        Extent {
            node: 0,
            node_sector: 0,
            sectors: 801
        }
    );
    assert_eq!(
        extent(800, 8),
        Extent {
            node: 0,
            node_sector: 800,
            sectors: 1
        }
    );
    assert_eq!(
        extent(801, 8),
        Extent {
            node: 1,
            node_sector: 0,
            sectors: 8
        }
    );
    assert_eq!(
        extent(1600, 1),
        Extent {
            node: 2,
            node_sector: 0,
            sectors: 1
        }
    );
    for (sector, sectors) in [(0, 0), (1601, 1), (1600, 2), (u64::MAX, 1), (1, u64::MAX)] {
        assert_eq!(layout.extent(sector, sectors), None);
    }
}

#[test]
fn starts_may_come_in_any_order() {
    let specs = [
        spec(Some(800), Some(800), 1000),
        spec(Some(0), Some(800), 800),
        // Without a start: behind the node before it in the order given, which is taken.
        spec(None, None, 8),
    ];
    let a = Segment {
        start: 800,
        sectors: 800,
        node: 0,
    };
    let b = Segment {
        start: 800,
        sectors: 8,
        node: 2,
    };
    assert_eq!(refused(&specs, 512), ConfigError::Overlap(a, b));
    let (segments, _) = placed(&specs[..2], 512).unwrap();
    assert_eq!(segments.iter().map(|s| s.node).collect::<Vec<_>>(), [1, 0]);
    let layout = Linear::new(segments).unwrap();
    assert_eq!(layout.range_of(0), Some((800, 800)));
    assert_eq!(layout.extent(0, 1).unwrap().node, 1);
}

#[test]
fn mistakes_are_named() {
    let a = |start, sectors, node| Segment {
        start,
        sectors,
        node,
    };
    assert_eq!(refused(&[], 512), ConfigError::NoNodes);
    assert_eq!(
        refused(&[spec(None, Some(0), 8)], 512),
        ConfigError::ZeroSize(0)
    );
    assert_eq!(
        refused(&[spec(None, None, 8), spec(None, None, 0)], 512),
        ConfigError::TooSmall(1, 0, 512)
    );
    assert_eq!(
        refused(&[spec(None, Some(9), 8)], 512),
        ConfigError::BeyondNode(0, 9, 8)
    );
    assert_eq!(
        refused(&[spec(None, None, 7)], 4096),
        ConfigError::TooSmall(0, 7, 4096)
    );
    assert_eq!(
        refused(&[spec(None, None, 8), spec(Some(9), None, 8)], 4096),
        ConfigError::UnalignedStart(1, 9, 4096)
    );
    assert_eq!(
        refused(&[spec(Some(8), None, 8)], 512),
        ConfigError::Gap(None, a(8, 8, 0))
    );
    let gap = refused(&[spec(None, None, 8), spec(Some(10), None, 8)], 512);
    assert_eq!(gap, ConfigError::Gap(Some(a(0, 8, 0)), a(10, 8, 1)));
    assert_eq!(
        gap.to_string(),
        "sectors 8 to 9 lie on no node: node 0 ends before and node 1 begins after"
    );
    let overlap = refused(&[spec(None, None, 8), spec(Some(7), None, 8)], 512);
    assert_eq!(
        overlap.to_string(),
        "node 0 (start 0, size 8) and node 1 (start 7, size 8) overlap"
    );
    for block in [0, 256, 511, 513, 768, 3 << 20] {
        assert_eq!(
            refused(&[spec(None, None, 8)], block),
            ConfigError::LogicalBlock(block)
        );
    }
}

#[test]
fn limits_of_size() {
    let most = dst_core::units::MAX_SECTORS;
    assert!(placed(&[spec(None, None, most)], 512).is_ok());
    assert_eq!(
        refused(&[spec(None, None, most + 1)], 512),
        ConfigError::TooLarge
    );
    assert_eq!(
        refused(&[spec(None, None, u64::MAX)], 512),
        ConfigError::TooLarge
    );
    assert_eq!(
        refused(&[spec(None, None, most), spec(None, None, 1)], 512),
        ConfigError::TooLarge
    );
    assert_eq!(
        refused(&[spec(Some(u64::MAX), None, 1)], 512),
        ConfigError::TooLarge
    );
    assert_eq!(
        refused(&[spec(Some(1), None, u64::MAX)], 512),
        ConfigError::TooLarge
    );
    let nodes = vec![spec(None, None, 3); MAX_NODES];
    let (segments, _) = placed(&nodes, 512).unwrap();
    let layout = Linear::new(segments).unwrap();
    for sector in 0..layout.sectors() {
        let node = usize::try_from(sector / 3).unwrap();
        assert_eq!(layout.extent(sector, 1).unwrap().node, node);
    }
    let nodes = vec![spec(None, None, 3); MAX_NODES + 1];
    assert_eq!(
        refused(&nodes, 512),
        ConfigError::TooManyNodes(MAX_NODES + 1, MAX_NODES)
    );
    let mut small = [Segment::EMPTY; 2];
    assert_eq!(
        place(Kind::Linear, &nodes[..3], 512, &mut small, &mut |_| ()),
        Err(ConfigError::TooManyNodes(3, 2))
    );
}

#[test]
fn sizes_are_rounded_down_and_told() {
    let (segments, notes) = placed(&[spec(None, None, 801), spec(None, None, 807)], 4096).unwrap();
    assert_eq!(segments[0].sectors, 800);
    assert_eq!((segments[1].start, segments[1].sectors), (800, 800));
    assert_eq!(notes.len(), 2);
    assert_eq!(
        notes[1].to_string(),
        "node 1: size rounded down from 807 to 800 sectors, \
         whole logical blocks of 4096 bytes"
    );
}

#[test]
fn foreign_segments_are_refused() {
    let s = |start, sectors, node| Segment {
        start,
        sectors,
        node,
    };
    let wrong: [&[Segment]; 6] = [
        &[],
        &[s(0, 0, 0)],
        &[s(0, 8, 1)],
        &[s(0, 8, 0), s(8, 8, 0)],
        &[s(8, 8, 0), s(0, 8, 1)],
        &[s(0, u64::MAX, 0)],
    ];
    for segments in wrong {
        assert!(Linear::new(segments).is_err(), "{segments:?}");
    }
}

#[test]
fn algorithms_by_name() {
    for name in ["linear", "alg_linear"] {
        assert_eq!(Kind::by_name(name), Some(Kind::Linear));
    }
    for name in ["", "alg_", "mirror", "Linear", "alg_alg_linear", "linear "] {
        assert_eq!(Kind::by_name(name), None, "{name}");
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::by_name(kind.name()), Some(*kind));
        assert_eq!(kind.to_string(), kind.name());
    }
}

#[test]
fn a_piece_may_have_several_targets() {
    let first = Extent {
        node: 2,
        node_sector: 80,
        sectors: 8,
    };
    let piece = Piece::copies(first, 0b101 | (1 << 63), Need::Any);
    assert_eq!(
        (piece.targets(), piece.need(), piece.sectors()),
        (4, Need::Any, 8)
    );
    let nodes: Vec<_> = piece.extents().map(|e| e.node).collect();
    assert_eq!(nodes, [2, 3, 5, 66]);
    assert!(piece
        .extents()
        .all(|e| (e.node_sector, e.sectors) == (80, 8)));
}

/// Nodes in a valid order, in any order of giving, sometimes with a fault.
fn configuration() -> impl Strategy<Value = (u32, Vec<NodeSpec>)> {
    let node = (1_u64..40, 0_u64..9, any::<bool>(), any::<bool>());
    let nodes = proptest::collection::vec(node, 1..12);
    (0..BLOCKS.len() - 1, nodes, any::<u64>(), 0_u8..6).prop_map(|(block, nodes, order, fault)| {
        let block = BLOCKS[block];
        let unit = u64::from(block) / 512;
        let mut specs = Vec::new();
        let mut next = 0;
        for (blocks, rest, sized, started) in nodes {
            let size = blocks * unit + rest % unit;
            let spare = if sized { rest } else { 0 };
            let shuffled = order % 2 == 0;
            specs.push(NodeSpec {
                start: (started || shuffled).then_some(next),
                size: sized.then_some(size),
                available: size + spare,
            });
            next += blocks * unit;
        }
        if order % 2 == 0 {
            // With all starts given the order does not matter.
            let mut random = crate::Random(order);
            for i in (1..specs.len()).rev() {
                let j = usize::try_from(random.below(i as u64 + 1)).unwrap();
                specs.swap(i, j);
            }
        }
        let victim = usize::try_from(order / 2 % specs.len() as u64).unwrap();
        let spec = &mut specs[victim];
        match fault {
            0 => spec.start = Some(spec.start.unwrap_or(0) + unit),
            1 => spec.size = Some(spec.available + 1),
            2 => spec.available = spec.available.saturating_sub(unit),
            _ => {}
        }
        (block, specs)
    })
}

proptest! {
    #![proptest_config(crate::fixed(1500, 5))]

    #[test]
    fn layouts_are_the_models(
        (block, specs) in configuration(),
        ranges in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..8),
    ) {
        let expected = model(&specs, block);
        let found = placed(&specs, block);
        prop_assert_eq!(expected.is_some(), found.is_ok(), "{:?}", found);
        if let (Some(places), Ok((segments, notes))) = (expected, found) {
            let unit = u64::from(block) / 512;
            let rounded = specs.iter().filter(|s| s.size.unwrap_or(s.available) % unit != 0);
            prop_assert_eq!(notes.len(), rounded.count());
            prop_assert!(segments.iter().all(|s| s.start % unit == 0 && s.sectors % unit == 0));
            let layout = Linear::new(segments).unwrap();
            let total = layout.sectors();
            prop_assert_eq!(total, places.len() as u64);
            walk(&layout, &places, Op::Read, 0, total);
            for (sector, sectors) in ranges {
                let sector = sector % total;
                let sectors = sectors % (total - sector) + 1;
                walk(&layout, &places, Op::Write, sector, sectors);
            }
            prop_assert_eq!(layout.piece(Op::Discard, 0, total + 1), None);
            prop_assert_eq!(layout.piece(Op::WriteZeroes, total, 1), None);
        }
    }

    #[test]
    fn any_numbers_are_judged(
        specs in proptest::collection::vec(
            (proptest::option::of(any::<u64>()), proptest::option::of(any::<u64>()), any::<u64>()),
            0..6,
        ),
        block in any::<u32>(),
        sector in any::<u64>(),
        sectors in any::<u64>(),
    ) {
        let specs: Vec<_> = specs.into_iter().map(|(a, b, c)| spec(a, b, c)).collect();
        for block in BLOCKS.into_iter().chain([block]) {
            if let Ok((segments, _)) = placed(&specs, block) {
                let layout = Linear::new(segments).unwrap();
                if let Some(piece) = layout.piece(Op::Read, sector, sectors) {
                    prop_assert!(piece.sectors() <= sectors);
                }
            }
        }
    }
}
