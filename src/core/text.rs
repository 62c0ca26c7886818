// SPDX-License-Identifier: GPL-2.0

//! Short texts of bounded length, without allocation.
//!
//! [`Text`] holds what is composed here (a reason to send to a peer) or what came from outside
//! (a peer's reason, a name in a label) and is about to be shown to a person or put into the
//! kernel log.

use core::fmt;

/// A UTF-8 text of at most `N` bytes.
///
/// Writing to it (`core::fmt::Write`) never fails: what does not fit is cut off at a character
/// boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    // INVARIANT: `len <= N`, `bytes[..len]` is UTF-8, `bytes[len..]` is zero.
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// An empty text.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Formats `value`, cutting off what does not fit.
    pub fn from_display(value: &dyn fmt::Display) -> Self {
        let mut text = Self::new();
        // Cannot fail: `write_str` below always succeeds. A `Display` that itself reports an
        // error leaves what it had written so far, which is as good as can be had.
        let _ = fmt::write(&mut text, format_args!("{value}"));
        text
    }

    /// Takes a zero-padded field that came from outside.
    ///
    /// Bytes after the first zero are ignored. Control characters and bytes that are not UTF-8
    /// become `?`, so that the text can go into a log line as it is.
    pub fn from_padded(field: &[u8]) -> Self {
        let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        let field = field.get(..end).unwrap_or(&[]);
        let mut text = Self::new();
        for chunk in field.utf8_chunks() {
            for c in chunk.valid().chars() {
                text.push(if c.is_control() { '?' } else { c });
            }
            if !chunk.invalid().is_empty() {
                text.push('?');
            }
        }
        text
    }

    /// Appends one character, or nothing (and `false`) if it does not fit.
    pub fn push(&mut self, c: char) -> bool {
        let mut buffer = [0; 4];
        let encoded = c.encode_utf8(&mut buffer).as_bytes();
        let end = self.len.saturating_add(encoded.len());
        match self.bytes.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(encoded);
                self.len = end;
                true
            }
            None => false,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }

    /// The text's bytes, zero-padded to `N`: the form in which it goes into a field.
    pub const fn padded(&self) -> &[u8; N] {
        &self.bytes
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for c in s.chars() {
            if !self.push(c) {
                // A later, shorter character must not follow the gap: close the text.
                break;
            }
        }
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Reads a zero-padded field strictly: the bytes before the first zero.
///
/// # Errors
///
/// `None` if they are not UTF-8 or if anything but zeroes follows the first zero.
pub fn padded_str(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at_checked(end)?;
    if rest.iter().any(|b| *b != 0) {
        return None;
    }
    core::str::from_utf8(text).ok()
}

/// Fills a zero-padded field of `N` bytes with `text`.
///
/// # Errors
///
/// `None` if `text` is longer than the field or contains a zero byte.
pub fn pad<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.contains(&0) {
        return None;
    }
    let mut field = [0; N];
    field.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(field)
}
