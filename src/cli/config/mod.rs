// SPDX-License-Identifier: GPL-2.0

//! The file of `dst save` and `dst restore`: what this machine exports and which storages it uses.
//!
//! `Documentation/admin/command-line.md` describes it. [`parse`] reads it entry by entry, so that
//! a mistake in one of them is told with its line and keeps no other from coming back; [`text`]
//! writes it.

pub mod raw;
pub mod stable;
pub mod text;

use crate::endpoint::Endpoint;
use crate::node::NodeSpec;
use crate::ops::{NewExport, NewStorage, NodeOptions, WorkersChange};
use serde::Deserialize;
use std::ops::Range;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::Spanned;

/// Where the file is unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/dst/dst.conf";

/// An export that is to be there.
#[derive(Debug, Clone)]
pub struct Export {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Where to listen.
    pub listen: Endpoint,
    /// Who may connect, as on the command line.
    pub allow: Vec<String>,
    /// From which machines' exports it may copy, as on the command line.
    pub copy_from: Vec<String>,
    /// The rest; the address and the list of addresses are looked up later.
    pub new: NewExport,
}

/// A storage that is to be there.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// The storage itself.
    pub new: NewStorage,
    /// Whether it is to be started.
    pub start: bool,
    /// Its workers.
    pub workers: WorkersChange,
    /// Its nodes in their order.
    pub nodes: Vec<Node>,
}

/// A node of a storage.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is, and which part of the storage lies on it.
    pub spec: NodeSpec,
    /// How it is used.
    pub options: NodeOptions,
}

/// An entry that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, from 1.
    pub line: usize,
    /// What it is about, as in `storage "vol"`.
    pub entry: String,
    /// What is wrong.
    pub message: String,
    /// It is an export rather than a storage; `None` if it is neither.
    pub export: Option<bool>,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Contents {
    /// Exports in their order.
    pub exports: Vec<Export>,
    /// Storages in their order.
    pub storages: Vec<Storage>,
    /// Entries that cannot be understood.
    pub mistakes: Vec<Mistake>,
}

/// The line of the byte at `offset`, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// Reads a file. The error is one of the whole file: its syntax.
pub fn parse(text: &str) -> Result<Contents, Mistake> {
    let mistake = |span: Option<Range<usize>>, message: &str| Mistake {
        line: line_of(text, span.map_or(0, |span| span.start)),
        entry: String::new(),
        message: message.to_string(),
        export: None,
    };
    let table = DeTable::parse(text).map_err(|e| mistake(e.span(), e.message()))?;
    let mut contents = Contents::default();
    for (key, value) in table.into_inner() {
        let span = key.span();
        let known = matches!(key.get_ref().as_ref(), "export" | "storage");
        let (true, DeValue::Array(entries)) = (known, value.into_inner()) else {
            let key = key.get_ref();
            let message = format!("unknown key \"{key}\": there are [[export]] and [[storage]]");
            contents.mistakes.push(mistake(Some(span), &message));
            continue;
        };
        for entry in entries {
            take(text, &mut contents, key.get_ref() == "export", entry);
        }
    }
    contents.check_twice();
    Ok(contents)
}

/// Takes one entry into `contents`, as a mistake if it is one.
fn take(text: &str, contents: &mut Contents, export: bool, entry: Spanned<DeValue<'_>>) {
    let start = entry.span().start;
    let line = line_of(text, start);
    let name = name_of(export, entry.get_ref());
    let wrong = |line, message: String| Mistake {
        line,
        entry: name.clone(),
        message,
        export: Some(export),
    };
    let unread = |error: toml::de::Error| {
        let at = error.span().map_or(start, |span| span.start);
        wrong(line_of(text, at), error.message().to_string())
    };
    let entry = ValueDeserializer::from(entry);
    let taken = if export {
        raw::RawExport::deserialize(entry)
            .map_err(unread)
            .and_then(|raw| raw.check(line).map_err(|why| wrong(line, why)))
            .map(|export| contents.exports.push(export))
    } else {
        raw::RawStorage::deserialize(entry)
            .map_err(unread)
            .and_then(|raw| {
                raw.check(line, &|offset| line_of(text, offset))
                    .map_err(|(line, why)| wrong(line, why))
            })
            .map(|storage| contents.storages.push(storage))
    };
    if let Err(mistake) = taken {
        contents.mistakes.push(mistake);
    }
}

/// What an entry is called in messages, also if the rest of it is wrong.
fn name_of(export: bool, entry: &DeValue<'_>) -> String {
    let (what, key) = if export {
        ("export", "device")
    } else {
        ("storage", "name")
    };
    match entry.get(key).and_then(|value| value.get_ref().as_str()) {
        Some(name) => format!("{what} \"{name}\""),
        None => format!("{what} without a {key}"),
    }
}

impl Contents {
    /// What is there twice can be made only once: the second is a mistake.
    fn check_twice(&mut self) {
        let mistakes = &mut self.mistakes;
        let mut twice = |line: usize, before: usize, entry: String, what: &str, export| {
            mistakes.push(Mistake {
                line,
                entry,
                message: format!("{what} is in line {before} already"),
                export: Some(export),
            });
        };
        let mut exports: Vec<Export> = Vec::new();
        for export in std::mem::take(&mut self.exports) {
            let same = |e: &&Export| e.new.path == export.new.path;
            match exports.iter().find(same) {
                Some(first) => {
                    let entry = format!("export \"{}\"", export.new.path);
                    twice(export.line, first.line, entry, "the device", true);
                }
                None => exports.push(export),
            }
        }
        let mut storages: Vec<Storage> = Vec::new();
        for storage in std::mem::take(&mut self.storages) {
            let clash =
                |s: &&Storage| s.new.name == storage.new.name || s.new.disk == storage.new.disk;
            match storages.iter().find(clash) {
                Some(first) => {
                    let entry = format!("storage \"{}\"", storage.new.name);
                    let what = if first.new.name == storage.new.name {
                        "the name".to_string()
                    } else {
                        format!("/dev/{}", storage.new.disk)
                    };
                    twice(storage.line, first.line, entry, &what, false);
                }
                None => storages.push(storage),
            }
        }
        self.exports = exports;
        self.storages = storages;
    }

    /// Whether nothing is in the file.
    pub fn is_empty(&self) -> bool {
        self.exports.is_empty() && self.storages.is_empty() && self.mistakes.is_empty()
    }
}
