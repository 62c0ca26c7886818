// SPDX-License-Identifier: GPL-2.0

//! Each broken variant until it is found. The seeds without a fault are the test `simulation`.

use simulation::{many, Place, PLACES};

/// In so many seeds each variant has to be found.
const SEEDS: u64 = 4_000;

fn found(variant: &'static str) {
    let mut all = PLACES.iter().flat_map(|place| {
        let variants = place.variants();
        variants.map(move |variant| (place, variant))
    });
    let (place, (name, what)) = all.find(|(_, (name, _))| *name == variant).unwrap();
    let summary = many(place, 1..1 + SEEDS, Some(variant), 1);
    let (seed, broken) = summary.broken.expect("the variant is not found");
    println!("seed {seed}: {broken}");
    let (rule, _) = broken.split_once(':').unwrap();
    let row = format!("| `{name}` | {what} | {rule} |");
    assert!(document().contains(&row), "not in the document: {row}");
}

fn document() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../Documentation/testing.md"
    );
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_document_names_no_other_variant() {
    let document = document();
    let tables: Vec<_> = document
        .split("| variant | what it breaks |")
        .skip(1)
        .collect();
    assert_eq!(tables.len(), PLACES.len());
    for (table, place) in tables.into_iter().zip(PLACES) {
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        assert_eq!(rows.count(), place.variants().count(), "{}", place.name);
    }
}

#[test]
fn a_seed_repeats_itself() {
    for Place { run, .. } in PLACES {
        for seed in 1..10 {
            assert_eq!(run(seed, true).trace, run(seed, true).trace);
        }
    }
}

#[test]
fn what_does_not_happen_fails_the_run() {
    for place in PLACES {
        // No seed has everything.
        let mut summary = many(place, 1..2, None, 1);
        assert_eq!(summary.broken, None);
        let missing = summary.coverage.missing();
        assert!(!missing.is_empty(), "{}", place.name);
        let gaps = summary.gaps();
        assert_eq!(gaps, [format!("never happened: {missing:?}")]);
        for what in missing {
            summary.coverage.note(what);
        }
        assert_eq!(summary.gaps(), [""; 0]);
        summary.fewest = Some(1_999);
        assert_eq!(summary.gaps(), ["a seed has fewer than 2000 events"]);
    }
}

mod variant {
    use super::found;

    include!(concat!(env!("OUT_DIR"), "/variants.rs"));
}
