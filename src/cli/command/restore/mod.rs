// SPDX-License-Identifier: GPL-2.0

//! Making what a file says and is not there.
//!
//! Exports come first, then storages, one after the other and again and again: what waits for a
//! device or a machine keeps nothing else from coming back, so an export of a storage's disk and a
//! storage of that export find each other in any order.

mod compare;
mod make;

use crate::args::boot::Restore;
use crate::command::save::{look, Running};
use crate::config::{self, stable, Contents, Export, Mistake, Storage};
use crate::env::Env;
use crate::error::{errno, Error, Exit};
use crate::netlink::Client;
use serde_json::{json, Value};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long until what is not there yet is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be there.
#[derive(Debug)]
enum Wanted {
    Export(Box<Export>),
    Storage(Box<Storage>),
    /// An entry that cannot be understood.
    Mistake(Mistake),
}

impl Wanted {
    fn line(&self) -> usize {
        match self {
            Self::Export(export) => export.line,
            Self::Storage(storage) => storage.line,
            Self::Mistake(mistake) => mistake.line,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Export(export) => format!("export {}", export.new.path),
            Self::Storage(storage) => format!("storage \"{}\"", storage.new.name),
            Self::Mistake(mistake) => mistake.entry.clone(),
        }
    }
}

/// How it stands with an entry.
enum Standing {
    /// It was made.
    Made,
    /// It was there, as the file says.
    There,
    /// It was there and was made as the file says.
    Changed,
    /// It is there, and differs.
    Differs(Vec<String>),
    /// It could not be made.
    Failed(Error),
    /// It could not be made yet.
    Waits(Error),
}

/// What a command does.
struct Job<'a> {
    args: &'a Restore,
    file: String,
    /// Keeps what a dry run would ask.
    dry: Option<Client>,
}

/// `dst restore`
pub fn restore(env: &mut Env<'_>, args: &Restore) -> Result<(), Error> {
    let file = args.file.display().to_string();
    let contents = read(args, &file)?;
    let wanted = wanted(contents, args);
    let mut job = Job {
        args,
        file,
        dry: env.dry_run.then(Client::dry_run),
    };
    let mut standings = job.all(env, &wanted)?;
    if let Some(client) = &job.dry {
        env.finish(client, "", json!({}))?;
    }
    for standing in &mut standings {
        if let Standing::Waits(error) = standing {
            let error = error.clone().note(waited(args.wait));
            *standing = Standing::Failed(error);
        }
    }
    job.report(env, &wanted, &standings)
}

fn waited(ms: u32) -> String {
    match ms {
        0 => "nothing was waited for (--wait 0)".to_string(),
        ms => format!("it was waited for {} s (--wait)", f64::from(ms) / 1000.0),
    }
}

fn read(args: &Restore, file: &str) -> Result<Contents, Error> {
    let text = std::fs::read_to_string(&args.file).map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::PermissionDenied => Exit::Permission,
            _ => Exit::Failed,
        };
        Error::new(exit, format!("cannot read {file}"))
            .why(error.to_string())
            .hint("\"dst save\" writes what runs to it")
    })?;
    config::parse(&text).map_err(|mistake| {
        Error::usage(format!("{file}:{}: {}", mistake.line, mistake.message))
            .note("nothing was done: the file as a whole cannot be read")
    })
}

/// The entries in the order in which they are made.
fn wanted(contents: Contents, args: &Restore) -> Vec<Wanted> {
    let mistakes = contents.mistakes.into_iter().filter(|mistake| {
        let export = mistake.export;
        !(args.exports && export == Some(false) || args.storages && export == Some(true))
    });
    // An export of a storage's disk comes after it.
    let exports = contents.exports.into_iter().filter(|export| {
        match stable::is_storage(Path::new(&export.new.path)) {
            true => !args.exports,
            false => !args.storages,
        }
    });
    let storages = contents.storages.into_iter().filter(|_| !args.exports);
    mistakes
        .map(Wanted::Mistake)
        .chain(exports.map(|export| Wanted::Export(Box::new(export))))
        .chain(storages.map(|storage| Wanted::Storage(Box::new(storage))))
        .collect()
}

/// Whether something that comes later can put it right: a device, a machine, an address, the end
/// of a session that died with its machine.
fn may_come(error: &Error, storage: bool) -> bool {
    use errno::*;
    match error.errno {
        // A name that cannot be looked up yet.
        None => error.exit == Exit::NotFound,
        Some(
            ENOENT | ENODEV | ENXIO | ENOMEDIUM | EAGAIN | EADDRNOTAVAIL | ENETDOWN | ENETUNREACH
            | ECONNABORTED | ECONNRESET | ENOTCONN | ESHUTDOWN | ETIMEDOUT | ECONNREFUSED
            | EHOSTDOWN | EHOSTUNREACH,
        ) => true,
        Some(EBUSY) => storage,
        Some(_) => false,
    }
}

impl Job<'_> {
    /// Tries all entries until each is made or has failed, or the time is up.
    fn all(&mut self, env: &mut Env<'_>, wanted: &[Wanted]) -> Result<Vec<Standing>, Error> {
        let end = Instant::now() + Duration::from_millis(self.args.wait.into());
        let mut standings: Vec<Option<Standing>> = wanted.iter().map(|_| None).collect();
        loop {
            let running = self.look(env)?;
            let over = Instant::now() >= end;
            let mut waiting = false;
            for (wanted, standing) in wanted.iter().zip(&mut standings) {
                if !matches!(standing, None | Some(Standing::Waits(_))) {
                    continue;
                }
                let now = self.one(env, &running, wanted);
                if let Standing::Waits(error) = &now {
                    waiting = true;
                    let before = match standing {
                        Some(Standing::Waits(before)) => before.why.clone(),
                        _ => None,
                    };
                    if !over && (standing.is_none() || before != error.why) {
                        self.tell_wait(env, wanted, error);
                    }
                }
                *standing = Some(now);
            }
            // A dry run does not wait either: nothing that it would make makes anything come.
            if !waiting || over || self.dry.is_some() {
                return Ok(standings.into_iter().flatten().collect());
            }
            std::thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
        }
    }

    /// What runs. A dry run on a machine without the module begins with nothing.
    fn look(&self, env: &mut Env<'_>) -> Result<Running, Error> {
        match look(env, &format!("cannot restore {}", self.file)) {
            Err(error) if self.dry.is_some() && error.exit == Exit::NotLoaded => Ok(Running {
                exports: Vec::new(),
                storages: Vec::new(),
            }),
            other => other,
        }
    }

    fn one(&mut self, env: &mut Env<'_>, running: &Running, wanted: &Wanted) -> Standing {
        let (result, storage) = match wanted {
            Wanted::Export(export) => (self.export(env, running, export), false),
            Wanted::Storage(storage) => (self.storage(env, running, storage), true),
            Wanted::Mistake(mistake) => {
                let (entry, message) = (&mistake.entry, &mistake.message);
                let what = match entry.is_empty() || message.starts_with(entry) {
                    true => message.clone(),
                    false => format!("{entry}: {message}"),
                };
                return Standing::Failed(Error::usage(what));
            }
        };
        match result {
            Ok(standing) => standing,
            Err(error) if may_come(&error, storage) => Standing::Waits(error),
            Err(error) => Standing::Failed(error),
        }
    }

    fn tell_wait(&self, env: &mut Env<'_>, wanted: &Wanted, error: &Error) {
        let why = error.why.as_deref().unwrap_or(&error.what);
        let _ = writeln!(env.err, "{} waits: {why}", wanted.name());
    }

    /// Tells how it stands with each entry; the error says what the exit code is.
    fn report(
        &self,
        env: &mut Env<'_>,
        wanted: &[Wanted],
        standings: &[Standing],
    ) -> Result<(), Error> {
        let mut worst: Option<Exit> = None;
        let mut entries = Vec::new();
        let mut bad = 0;
        for (wanted, standing) in wanted.iter().zip(standings) {
            let exit = match standing {
                Standing::Failed(error) => Some(error.exit),
                Standing::Differs(_) => Some(Exit::Busy),
                _ => None,
            };
            if let Some(exit) = exit {
                bad += 1;
                // Failures of several kinds have no code of their own.
                worst = Some(match worst {
                    Some(other) if other != exit => Exit::Failed,
                    _ => exit,
                });
            }
            entries.push(self.entry(wanted, standing));
            if !env.json {
                self.tell(env, wanted, standing)?;
            }
        }
        if env.json && self.dry.is_none() {
            env.print_json(&json!({"restored": entries}))?;
        }
        let Some(exit) = worst else { return Ok(()) };
        let what = format!(
            "{}: {bad} of {} entries are not as the file says",
            self.file,
            wanted.len()
        );
        Err(Error::new(exit, what))
    }

    fn tell(&self, env: &mut Env<'_>, wanted: &Wanted, standing: &Standing) -> Result<(), Error> {
        let name = wanted.name();
        let at = format!("{}:{}", self.file, wanted.line());
        match standing {
            Standing::Made if self.dry.is_some() => Ok(()),
            Standing::Made => env.print(&format!("{name} is back\n")),
            Standing::There => env.print(&format!("{name} is there\n")),
            Standing::Changed => env.print(&format!("{name} is changed as the file says\n")),
            Standing::Differs(how) => {
                let lines: Vec<String> = how.iter().map(|line| format!("  {line}\n")).collect();
                let lines = lines.concat();
                let text = format!("{at}: {name} differs and stays as it is:\n{lines}");
                let _ = env.err.write_all(text.as_bytes());
                Ok(())
            }
            Standing::Failed(error) | Standing::Waits(error) => {
                let mut lines = error.lines();
                if let Some(first) = lines.first_mut() {
                    let rest = first.trim_start_matches("dst: ");
                    *first = env.style.error(&format!("{at}: {rest}"));
                }
                let _ = writeln!(env.err, "{}", lines.join("\n"));
                Ok(())
            }
        }
    }

    fn entry(&self, wanted: &Wanted, standing: &Standing) -> Value {
        let (outcome, differences, error) = match standing {
            Standing::Made => ("made", None, None),
            Standing::There => ("there", None, None),
            Standing::Changed => ("changed", None, None),
            Standing::Differs(how) => ("differs", Some(how), None),
            Standing::Failed(error) | Standing::Waits(error) => ("failed", None, Some(error)),
        };
        json!({
            "entry": wanted.name(),
            "line": wanted.line(),
            "outcome": outcome,
            "differences": differences,
            "error": error.map(|error| error.json()["error"].clone()),
        })
    }
}
