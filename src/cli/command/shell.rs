// SPDX-License-Identifier: GPL-2.0

//! Completion scripts and manual pages, made from the description of the command line.

use crate::args::{Args, Legacy};
use crate::env::Env;
use crate::error::{Error, Exit};
use clap::{Command, CommandFactory};
use std::path::Path;

/// `dst completions`
pub fn completions(env: &mut Env<'_>, shell: clap_complete::Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "dst", &mut script);
    env.print(&String::from_utf8_lossy(&script))
}

/// `dst man`: the page of the program, or all pages into a directory.
pub fn man(env: &mut Env<'_>, dir: Option<&Path>) -> Result<(), Error> {
    let Some(dir) = dir else {
        let page = page(&Args::command())?;
        return env.print(&page);
    };
    let failed = |error: std::io::Error| {
        Error::new(
            Exit::Failed,
            format!("cannot write manual pages to {}: {error}", dir.display()),
        )
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut pages = Vec::new();
    let mut root = Args::command();
    root.build();
    collect(&root, "dst", &mut pages)?;
    pages.push((
        "dst-2007".to_string(),
        page(&Legacy::command().name("dst-2007"))?,
    ));
    for (name, page) in &pages {
        std::fs::write(dir.join(format!("{name}.8")), page).map_err(failed)?;
    }
    env.print(&format!(
        "{} manual pages in {}\n",
        pages.len(),
        dir.display()
    ))
}

fn page(command: &Command) -> Result<String, Error> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .section("8")
        .render(&mut page)
        .map_err(|e| Error::new(Exit::Failed, format!("cannot write a manual page: {e}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<(), Error> {
    // A page's name is that of a file, so it lives as long as the program: a few dozen bytes.
    let file: &'static str = Box::leak(name.to_string().into_boxed_str());
    pages.push((name.to_string(), page(&command.clone().name(file))?));
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        collect(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}
