// SPDX-License-Identifier: GPL-2.0

//! The commands: what each verb, and each combination of the options of 2007, does.

pub mod connection;
pub mod down;
pub mod events;
pub mod export;
pub mod info;
pub mod job;
pub mod label;
pub mod legacy;
pub mod node;
pub mod replace;
pub mod restore;
pub mod save;
pub mod shell;
pub mod status;
pub mod storage;
pub mod suspend;
pub mod top;

use crate::args::export::ExportVerb;
use crate::args::verbs::{ConnectionVerb, Verb};
use crate::env::Env;
use crate::error::Error;

/// Runs a verb.
pub fn run(env: &mut Env<'_>, verb: &Verb) -> Result<(), Error> {
    match verb {
        Verb::Create(args) => storage::create(env, args),
        Verb::Add(args) => node::add(env, args),
        Verb::Remove(args) => node::remove(env, args),
        Verb::Replace(args) => replace::run(env, args),
        Verb::Suspend(args) => suspend::suspend(env, args),
        Verb::Resume(args) => suspend::resume(env, args),
        Verb::Clear(args) => suspend::clear(env, args),
        Verb::Start(args) => storage::start(env, &args.storage, args.force, args.timeout),
        Verb::Delete(args) => storage::delete(env, &args.storage, args.force, args.timeout),
        Verb::Set(args) => storage::set(env, args),
        Verb::Down(args) => down::down(env, args),
        Verb::Label(args) => label::label(env, args),
        Verb::Save(args) => save::save(env, args),
        Verb::Restore(args) => restore::restore(env, args),
        Verb::Status(args) => status::status(env, args.storage.as_deref()),
        Verb::Export(ExportVerb::Add(args)) => export::add_verb(env, args),
        Verb::Export(ExportVerb::List) => export::list(env),
        Verb::Export(ExportVerb::Del(args)) => export::delete_verb(env, args),
        Verb::Export(ExportVerb::Set(args)) => export::set(env, args),
        Verb::Connection(ConnectionVerb::List(args)) => connection::list(env, args),
        Verb::Job(verb) => job::run(env, verb),
        Verb::Events(args) => events::follow(env, args.count),
        Verb::Info => info::info(env),
        Verb::Top(args) => top::top(env, args.interval, args.count),
        Verb::Completions { shell } => shell::completions(env, *shell),
        Verb::Man { dir } => shell::man(env, dir.as_deref()),
    }
}
