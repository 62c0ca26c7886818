// SPDX-License-Identifier: GPL-2.0

//! `kernel::alloc`: boxes and vectors.

use super::{Error, Flags, PinInit, Result, EINVAL, ENOMEM};
use core::{
    ops::{Deref, DerefMut},
    pin::Pin,
};

pub use std::boxed::Box as KBox;

/// What the kernel's box has beside the standard library's.
pub trait KBoxInit<T>: Sized {
    fn pin_init(value: impl PinInit<T>, _: Flags) -> Result<Pin<KBox<T>>>;
}

impl<T> KBoxInit<T> for KBox<T> {
    fn pin_init(value: impl PinInit<T>, _: Flags) -> Result<Pin<KBox<T>>> {
        Ok(Box::pin(value.make()))
    }
}

/// `KBox::new`.
pub fn boxed<T>(value: T, _: Flags) -> Result<KBox<T>> {
    Ok(Box::new(value))
}

/// `KBox::pin`.
pub fn pinned<T>(value: T, _: Flags) -> Result<Pin<KBox<T>>> {
    Ok(Box::pin(value))
}

/// A vector whose growth asks for memory aloud.
pub struct KVec<T>(Vec<T>);

pub type KVVec<T> = KVec<T>;

impl<T> KVec<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn with_capacity(capacity: usize, _: Flags) -> Result<Self> {
        Ok(Self(Vec::with_capacity(capacity)))
    }

    pub fn reserve(&mut self, more: usize, _: Flags) -> Result {
        self.0.reserve(more);
        Ok(())
    }

    pub fn push(&mut self, value: T, _: Flags) -> Result {
        self.0.push(value);
        Ok(())
    }

    pub fn push_within_capacity(&mut self, value: T) -> Result<(), Error> {
        if self.0.len() == self.0.capacity() {
            return Err(ENOMEM);
        }
        self.0.push(value);
        Ok(())
    }

    pub fn drain_all(&mut self) -> impl Iterator<Item = T> + '_ {
        self.0.drain(..)
    }

    pub fn remove(&mut self, at: usize) -> Result<T> {
        if at >= self.0.len() {
            return Err(EINVAL);
        }
        Ok(self.0.remove(at))
    }

    pub fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.0.retain_mut(keep);
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
