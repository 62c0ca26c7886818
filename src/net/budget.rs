// SPDX-License-Identifier: GPL-2.0

//! How much a task, or a thread that sends for others, may do before it is somebody else's turn.

/// Bytes for one turn.
const TURN: u32 = 1 << 20;
/// What a message costs beside its payload, in bytes.
const MESSAGE: u32 = 4096;

/// What is left of a turn.
pub struct Budget(u32);

impl Budget {
    /// A whole turn.
    pub const fn turn() -> Self {
        Self(TURN)
    }

    /// Pays for a message with `payload` bytes.
    pub fn spend(&mut self, payload: u32) {
        self.0 = self.0.saturating_sub(MESSAGE.saturating_add(payload));
    }

    /// Whether the turn is over.
    pub const fn is_spent(&self) -> bool {
        self.0 == 0
    }
}
