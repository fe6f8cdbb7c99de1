//! The one value that a reload replaces as a whole, and the views that the parts have of it.
//!
//! Each part asks its view at its own door (a connection, a login, an operation in a mailbox, a job) and goes on with what it got: old or new, never
//! half of each. There is one holder in the daemon, and replacing its value is one step for all parts. Nothing is waited for here.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Holds what is in force.
#[derive(Debug)]
pub struct Holder<T>(Arc<RwLock<Arc<T>>>);

impl<T: Send + Sync + 'static> Holder<T> {
    /// Begins with `value`.
    pub fn new(value: Arc<T>) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }

    /// A view of it.
    pub fn live(&self) -> Live<T> {
        let held = Arc::clone(&self.0);
        Live(Arc::new(move || {
            Arc::clone(&held.read().unwrap_or_else(PoisonError::into_inner))
        }))
    }

    /// From now on every view shows `value`.
    pub fn replace(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// A part's view of what is in force.
pub struct Live<T: ?Sized>(Arc<dyn Fn() -> Arc<T> + Send + Sync>);

impl<T: Send + Sync + 'static> Live<T> {
    /// A view of what never changes: for the commands and for tests.
    pub fn fixed(value: Arc<T>) -> Self {
        Self(Arc::new(move || Arc::clone(&value)))
    }

    /// What is in force now. Whoever needs two things of it asks once.
    pub fn now(&self) -> Arc<T> {
        (self.0)()
    }

    /// A view of one part of it.
    pub fn part<U>(&self, part: impl Fn(&T) -> Arc<U> + Send + Sync + 'static) -> Live<U> {
        let whole = self.clone();
        Live(Arc::new(move || part(&whole.now())))
    }
}

impl<T: ?Sized> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_shows_the_new_value_and_what_was_taken_before_stays() {
        let holder = Holder::new(Arc::new((1, Arc::new("one"))));
        let whole = holder.live();
        let text = whole.part(|value| Arc::clone(&value.1));
        let before = whole.now();
        holder.replace(Arc::new((2, Arc::new("two"))));
        assert_eq!((whole.now().0, *text.now()), (2, "two"));
        assert_eq!(before.0, 1);
    }
}
