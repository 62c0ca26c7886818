// SPDX-License-Identifier: GPL-2.0

//! How things look on the screen.

pub mod table;
pub mod time;

pub use table::Table;

/// Colours for words that tell how something stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether colours are wanted.
    pub color: bool,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BOLD: &str = "1";

impl Style {
    fn paint(self, text: &str, code: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        self.paint(text, BOLD)
    }

    /// The beginning of an error.
    pub fn error(self, text: &str) -> String {
        self.paint(text, RED)
    }

    /// `text`, coloured after what `state` means to the user.
    pub fn state(self, text: &str, state: &str) -> String {
        match state {
            "running" | "up" | "listening" | "established" | "done" => self.paint(text, GREEN),
            "failed" | "closed" => self.paint(text, RED),
            "configuring" | "configured" => text.to_string(),
            _ => self.paint(text, YELLOW),
        }
    }
}

/// A number of bytes as a person reads it: `1.5 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut tenths = u128::from(n) * 10;
    let mut unit = "";
    for name in UNITS {
        tenths /= 1024;
        unit = name;
        if tenths < 10240 {
            break;
        }
    }
    if tenths % 10 == 0 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}
