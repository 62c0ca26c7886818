// SPDX-License-Identifier: GPL-2.0

//! `kernel::list`: an object is in one list at a time, which its tracker decides. The links are a
//! queue of references here.

use super::sync::{
    atomic::{ordering, Atomic},
    Arc, ArcBorrow, KernelArc,
};
use std::collections::VecDeque;

/// Links that are not needed here.
pub struct ListLinks;

impl ListLinks {
    pub fn new() -> Self {
        Self
    }
}

/// Whether there is a [`ListArc`] of the object. The orders are those of the kernel's.
pub struct AtomicTracker(Atomic<u32>);

impl AtomicTracker {
    pub fn new() -> Self {
        Self(Atomic::<u32>::new(0))
    }

    fn take(&self) -> bool {
        self.0.cmpxchg(0, 1, ordering::Acquire).is_ok()
    }

    fn give(&self) {
        self.0.store(0, ordering::Release);
    }
}

pub trait ListArcSafe {
    fn tracker(&self) -> &AtomicTracker;
}

#[macro_export]
macro_rules! impl_list_arc_safe {
    (impl ListArcSafe<0> for $type:ty { tracked_by $field:ident: AtomicTracker; }) => {
        impl $crate::list::ListArcSafe for $type {
            fn tracker(&self) -> &$crate::list::AtomicTracker {
                &self.$field
            }
        }
    };
}

#[macro_export]
macro_rules! impl_list_item {
    ($($tokens:tt)*) => {};
}

pub use crate::{impl_list_arc_safe, impl_list_item};

/// For the name alone: [`ListArc::try_from_arc`] is not part of a trait here.
pub trait TryNewListArc {}

/// The one reference with which the object can be in a list; `None` once it is given up.
pub struct ListArc<T: ListArcSafe>(Option<Arc<T>>);

impl<T: ListArcSafe> ListArc<T> {
    pub fn try_from_arc(arc: Arc<T>) -> Result<Self, Arc<T>> {
        match arc.tracker().take() {
            true => Ok(Self(Some(arc))),
            false => Err(arc),
        }
    }

    pub fn into_arc(mut self) -> Arc<T> {
        let arc = self.0.take().unwrap();
        arc.tracker().give();
        arc
    }
}

impl<T: ListArcSafe> Drop for ListArc<T> {
    fn drop(&mut self) {
        if let Some(arc) = self.0.take() {
            arc.tracker().give();
        }
    }
}

impl<T: ListArcSafe> core::ops::Deref for ListArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

pub struct List<T: ListArcSafe>(VecDeque<ListArc<T>>);

impl<T: ListArcSafe> List<T> {
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push_back(&mut self, item: ListArc<T>) {
        self.0.push_back(item);
    }

    pub fn pop_front(&mut self) -> Option<ListArc<T>> {
        self.0.pop_front()
    }

    pub fn iter(&self) -> impl Iterator<Item = ArcBorrow<'_, T>> {
        self.0
            .iter()
            .filter_map(|item| Some(item.0.as_ref()?.as_arc_borrow()))
    }

    pub fn cursor_front(&mut self) -> Cursor<'_, T> {
        Cursor { list: self, at: 0 }
    }
}

pub struct Cursor<'a, T: ListArcSafe> {
    list: &'a mut List<T>,
    at: usize,
}

impl<'a, T: ListArcSafe> Cursor<'a, T> {
    pub fn peek_next(&mut self) -> Option<Peek<'_, 'a, T>> {
        (self.at < self.list.0.len()).then_some(Peek { cursor: self })
    }

    pub fn move_next(&mut self) {
        self.at += 1;
    }
}

pub struct Peek<'a, 'b, T: ListArcSafe> {
    cursor: &'a mut Cursor<'b, T>,
}

impl<T: ListArcSafe> Peek<'_, '_, T> {
    pub fn remove(self) -> ListArc<T> {
        self.cursor.list.0.remove(self.cursor.at).unwrap()
    }
}

impl<T: ListArcSafe> core::ops::Deref for Peek<'_, '_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.cursor.list.0[self.cursor.at]
    }
}
