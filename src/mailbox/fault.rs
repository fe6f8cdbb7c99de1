//! Faults on purpose: in tests, each step that changes the disk can be made to fail. Otherwise nothing.

/// Stands before each change of the disk.
#[cfg(not(test))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "it fails in tests")]
pub(crate) fn step() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use armed::{Fault, step, with};

#[cfg(test)]
mod armed {
    use std::cell::Cell;
    use std::io;

    /// What goes wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// This step fails, the others do not.
        Error(u32),
        /// From this step on nothing reaches the disk, as if the process were gone.
        Crash(u32),
    }

    thread_local! {
        static ARMED: Cell<Option<(Fault, u32)>> = const { Cell::new(None) };
    }

    pub(crate) fn step() -> io::Result<()> {
        let Some((fault, taken)) = ARMED.get() else {
            return Ok(());
        };
        ARMED.set(Some((fault, taken + 1)));
        let fails = match fault {
            Fault::Error(at) => taken == at,
            Fault::Crash(at) => taken >= at,
        };
        if fails {
            Err(io::Error::other("a fault on purpose"))
        } else {
            Ok(())
        }
    }

    /// Runs `act` with a fault on this thread; the second value says whether the fault came.
    pub(crate) fn with<T>(fault: Fault, act: impl FnOnce() -> T) -> (T, bool) {
        ARMED.set(Some((fault, 0)));
        let value = act();
        let (Fault::Error(at) | Fault::Crash(at)) = fault;
        let taken = ARMED.take().map_or(0, |(_, taken)| taken);
        (value, taken > at)
    }
}
