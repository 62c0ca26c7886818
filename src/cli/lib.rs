// SPDX-License-Identifier: GPL-2.0

//! The program `dst`: forms, starts, shows and deletes distributed storages and exports.
//!
//! A command line becomes requests ([`ops`]) to the module's netlink family ([`netlink`]).
//! Everything that touches the outside is behind a trait ([`netlink::Datagrams`],
//! [`endpoint::Resolver`]), so that the tests run the whole program without a kernel module.

#![forbid(unsafe_code)]

pub mod access;
pub mod args;
pub mod command;
pub mod config;
pub mod endpoint;
pub mod env;
pub mod error;
pub mod hints;
pub mod label;
pub mod lookup;
pub mod model;
pub mod netlink;
pub mod node;
pub mod ops;
pub mod output;

use args::verbs::{Color, Global};
use args::{Args, Legacy};
use clap::Parser;
use endpoint::Resolver;
use env::{Connect, Env, Form, WriteOut};
use error::{Error, Exit};
use output::Style;
use std::ffi::OsString;
use std::io::Write;

/// Version of the JSON that the program prints.
pub const SCHEMA: u32 = 1;

/// What the program finds around it.
pub struct Surroundings<'a> {
    /// Makes connections to the module.
    pub connect: &'a mut Connect<'a>,
    /// Looks up names.
    pub resolver: &'a dyn Resolver,
    /// Has the system write what its caches hold to the disks.
    pub write_out: &'a mut WriteOut<'a>,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Standard output is a terminal.
    pub out_is_terminal: bool,
    /// Standard error is a terminal.
    pub err_is_terminal: bool,
    /// The user wants no colours (`NO_COLOR` is set).
    pub no_color: bool,
}

enum Parsed {
    Verbs(Args),
    Legacy(Legacy),
}

/// Runs a command line, the program's name included, and gives the exit code.
pub fn run(args: &[OsString], around: Surroundings<'_>) -> i32 {
    let Surroundings {
        connect,
        resolver,
        write_out,
        out,
        err,
        out_is_terminal,
        err_is_terminal,
        no_color,
    } = around;
    let parsed = if args::is_legacy(args) {
        Legacy::try_parse_from(args).map(Parsed::Legacy)
    } else {
        Args::try_parse_from(args).map(Parsed::Verbs)
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return explain_usage(&error, args, out, err),
    };
    let (global, form) = match &parsed {
        Parsed::Verbs(args) => (args.global.clone(), Form::Verbs),
        Parsed::Legacy(args) => (args.global.clone(), Form::Legacy),
    };
    let color = |terminal: bool| wants_color(&global, terminal, no_color);
    let err_style = Style {
        color: color(err_is_terminal),
    };
    let mut env = Env {
        connect,
        resolver,
        write_out,
        out,
        err,
        progress: err_is_terminal && out_is_terminal && !global.json,
        style: Style {
            color: color(out_is_terminal),
        },
        json: global.json,
        dry_run: global.dry_run,
        form,
    };
    let result = match &parsed {
        Parsed::Verbs(args) => command::run(&mut env, &args.verb),
        Parsed::Legacy(args) => command::legacy::run(&mut env, args),
    };
    match result {
        Ok(()) => Exit::Success as i32,
        Err(error) => report(&error, global.json, err_style, env.err),
    }
}

fn wants_color(global: &Global, terminal: bool, no_color: bool) -> bool {
    match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !no_color,
    }
}

/// Tells about a failure. If even that cannot be written, the exit code has to do.
fn report(error: &Error, json: bool, style: Style, err: &mut dyn Write) -> i32 {
    if json {
        let _ = writeln!(err, "{}", error.json());
    } else {
        for (i, line) in error.lines().iter().enumerate() {
            let line = if i == 0 {
                style.error(line)
            } else {
                line.clone()
            };
            let _ = writeln!(err, "{line}");
        }
    }
    error.exit as i32
}

fn explain_usage(
    error: &clap::Error,
    args: &[OsString],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> i32 {
    let text = error.to_string();
    if !error.use_stderr() {
        let _ = write!(out, "{text}");
        return Exit::Success as i32;
    }
    if args.iter().any(|a| a == "--json") {
        let first = text
            .lines()
            .next()
            .unwrap_or("")
            .trim_start_matches("error: ");
        let error = Error::usage(first).hint("\"dst --help\" explains the command line");
        return report(&error, true, Style::default(), err);
    }
    let _ = write!(err, "{text}");
    Exit::Usage as i32
}
