// SPDX-License-Identifier: GPL-2.0

//! Writing what runs to a file.

use crate::args::boot::Save;
use crate::config::text::{self, Devices};
use crate::config::{self, Contents};
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model::{Export, Node, Storage};
use crate::ops;
use serde_json::json;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Storages with their nodes in their order.
pub type Storages = Vec<(Storage, Vec<Node>)>;

/// What runs.
pub struct Running {
    /// Exports, in the order in which they were made.
    pub exports: Vec<Export>,
    /// Storages.
    pub storages: Storages,
}

/// Looks at everything that runs, also in a dry run.
pub fn look(env: &mut Env<'_>, what: &str) -> Result<Running, Error> {
    let mut client = (env.connect)().map_err(|failure| Error::from_failure(what, failure))?;
    let client = &mut client;
    let mut exports = env.dump(client, &ops::export_dump(), what, Export::decode)?;
    exports.sort_by_key(|export| export.id);
    let storages = env.dump(client, &ops::storage_dump(), what, Storage::decode)?;
    let mut nodes = env.dump(client, &ops::node_dump(None), what, Node::decode)?;
    nodes.sort_by_key(|node| node.index);
    let with_nodes = |storage: Storage| {
        let own = nodes.iter().filter(|node| node.storage == storage.name);
        let own = own.cloned().collect();
        (storage, own)
    };
    Ok(Running {
        exports,
        storages: storages.into_iter().map(with_nodes).collect(),
    })
}

/// `dst save`
pub fn save(env: &mut Env<'_>, args: &Save) -> Result<(), Error> {
    let mut running = look(env, "cannot look at what runs")?;
    leave_out_others(env, &mut running);
    let page = text::write(
        &running.exports,
        &running.storages,
        &Devices::of_the_system(),
    );
    if args.stdout || args.file == Path::new("-") || env.dry_run {
        return env.print(&page);
    }
    let empty = running.exports.is_empty() && running.storages.is_empty();
    compare_with_old(env, args, &running, empty)?;
    let file = &args.file;
    replace(file, &page).map_err(|error| {
        let exit = match error.kind() {
            io::ErrorKind::PermissionDenied => Exit::Permission,
            io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Failed,
        };
        Error::new(exit, format!("cannot write {}", file.display())).why(error.to_string())
    })?;
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let text = format!(
        "{}: {}, {}\n",
        file.display(),
        counted(running.exports.len(), "export"),
        counted(running.storages.len(), "storage")
    );
    if env.json {
        let saved = json!({
            "file": file.display().to_string(),
            "exports": running.exports.len(),
            "storages": running.storages.len(),
        });
        return env.print_json(&json!({"saved": saved}));
    }
    env.print(&text)
}

/// Inode number of the network namespace of this process.
pub fn own_netns() -> Option<u64> {
    let data = fs::metadata("/proc/self/ns/net").ok()?;
    Some(data.ino())
}

/// Whether something is of the network namespace `own`: also if one of the two is not known.
pub fn is_of(own: Option<u64>, netns: Option<u64>) -> bool {
    own.is_none_or(|own| netns.is_none_or(|netns| netns == own))
}

/// Leaves out what belongs to another network namespace: restoring would put it into this one.
fn leave_out_others(env: &mut Env<'_>, running: &mut Running) {
    let own = own_netns();
    let mut others = Vec::new();
    running.exports.retain(|export| {
        let keep = is_of(own, export.netns);
        if !keep {
            others.push(format!("export {}", export.id));
        }
        keep
    });
    running.storages.retain(|(storage, _)| {
        let keep = is_of(own, storage.netns);
        if !keep {
            others.push(format!("storage \"{}\"", storage.name));
        }
        keep
    });
    for other in others {
        env.note(&format!(
            "{other} belongs to another network namespace and is left out"
        ));
    }
}

/// Names what is in the file before and will not be any more. A file is not emptied by mistake.
fn compare_with_old(
    env: &mut Env<'_>,
    args: &Save,
    running: &Running,
    empty: bool,
) -> Result<(), Error> {
    let Ok(old) = fs::read_to_string(&args.file) else {
        return Ok(());
    };
    // What cannot be read is nobody's work to be kept but as FILE.old.
    let old = config::parse(&old).unwrap_or_default();
    if empty && !old.is_empty() && !args.force {
        let file = args.file.display();
        return Err(Error::new(
            Exit::Failed,
            format!("nothing runs, and {file} is not empty: it stays as it is"),
        )
        .hint(format!("\"dst restore {file}\" brings back what it says"))
        .hint("--force writes an empty file all the same"));
    }
    for gone in gone(&old, running) {
        env.note(&format!(
            "{gone} does not run and is left out; it stands in {}",
            kept(&args.file).display()
        ));
    }
    Ok(())
}

fn gone(old: &Contents, running: &Running) -> Vec<String> {
    let runs = |path: &str| {
        let same = |e: &Export| {
            let other = e.path.as_deref().unwrap_or("");
            config::stable::same(Path::new(path), Path::new(other))
        };
        running.exports.iter().any(same)
    };
    let exports = old.exports.iter().filter(|e| !runs(&e.new.path));
    let exports = exports.map(|e| format!("the export of {}", e.new.path));
    let is_there = |name: &str| running.storages.iter().any(|(s, _)| s.name == name);
    let storages = old.storages.iter().filter(|s| !is_there(&s.new.name));
    let storages = storages.map(|s| format!("storage \"{}\"", s.new.name));
    exports.chain(storages).collect()
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    PathBuf::from(name)
}

/// Where the file that is replaced is kept.
fn kept(file: &Path) -> PathBuf {
    with_ending(file, ".old")
}

/// Replaces a file in one step: whatever happens, the whole old or the whole new one is there.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let new = with_ending(file, ".new");
    let mut options = OpenOptions::new();
    // It says who may connect to what.
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    drop(out);
    let old = kept(file);
    let is_other = fs::read(file).is_ok_and(|before| before != text.as_bytes());
    if is_other {
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::hard_link(file, &old)?,
        }
    }
    fs::rename(&new, file)?;
    File::open(folder)?.sync_all()
}
