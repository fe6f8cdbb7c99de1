//! The limits of the child, by `setrlimit`. They hold wherever the jail does not.
//!
//! | what | is | else |
//! |---|---|---|
//! | memory of its own | `import_memory` under `[limits]` | an allocation fails, which ends it with words |
//! | address space | that, and room for the program itself | the same |
//! | CPU time | `import_time` under `[limits]`, in whole seconds | SIGXCPU, a second later SIGKILL |
//! | size of a written file | nothing, or the plain text of an encrypted file | SIGXFSZ |
//! | open files | 8 | none is opened |
//! | processes and threads | none | none is started (not for root) |
//! | core dump | none | |

use std::io;

use rlimit::Resource;

use crate::parse::limits::ReadLimits;

/// What a program maps that is not memory of its own: itself, its libraries, its stack.
const MAPPED_BYTES: u64 = 512 << 20;

/// What is the same for every file, and can be said before there is one.
pub(super) fn ahead() -> io::Result<()> {
    // On a machine without memory the kernel is to take this process, and not the daemon. Where that cannot be said, the limits still hold.
    std::fs::write("/proc/self/oom_score_adj", "1000").unwrap_or_default();
    set([
        (Resource::NOFILE, 8, 8),
        (Resource::NPROC, 0, 0),
        (Resource::CORE, 0, 0),
    ])
}

/// From here on: no more memory and time than allowed, and no more bytes in a file than `written`.
pub(super) fn for_reading(limits: &ReadLimits, written: u64) -> io::Result<()> {
    let seconds = limits.time.as_secs() + u64::from(limits.time.subsec_nanos() > 0);
    let mapped = limits.memory_bytes.saturating_add(MAPPED_BYTES);
    set([
        // Memory of its own, whatever the size of the program.
        (Resource::DATA, limits.memory_bytes, limits.memory_bytes),
        (Resource::AS, mapped, mapped),
        // At the soft limit comes SIGXCPU, which tells why; at the hard one SIGKILL.
        (Resource::CPU, seconds, seconds.saturating_add(1)),
        (Resource::FSIZE, written, written),
    ])
}

fn set<const N: usize>(limits: [(Resource, u64, u64); N]) -> io::Result<()> {
    for (resource, soft, hard) in limits {
        let (_, most) = resource.get()?;
        let hard = hard.min(most);
        resource.set(soft.min(hard), hard)?;
    }
    Ok(())
}
