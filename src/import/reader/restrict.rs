//! The limits of the child, by `setrlimit`.

use std::io;

use rlimit::Resource;

use crate::parse::limits::ReadLimits;

/// What a program maps that is not memory of its own: itself, its libraries, its stack.
const MAPPED_BYTES: u64 = 512 << 20;

/// From here on: no more memory and time than allowed, no file written, hardly one opened, no process started, no core dump.
pub(super) fn restrict(limits: &ReadLimits) -> io::Result<()> {
    // On a machine without memory the kernel is to take this process, and not the daemon. Where that cannot be said, the limits still hold.
    std::fs::write("/proc/self/oom_score_adj", "1000").unwrap_or_default();
    let seconds = limits.time.as_secs() + u64::from(limits.time.subsec_nanos() > 0);
    let mapped = limits.memory_bytes.saturating_add(MAPPED_BYTES);
    for (resource, soft, hard) in [
        // Memory of its own, whatever the size of the program.
        (Resource::DATA, limits.memory_bytes, limits.memory_bytes),
        (Resource::AS, mapped, mapped),
        // At the soft limit comes SIGXCPU, which tells why; at the hard one SIGKILL.
        (Resource::CPU, seconds, seconds.saturating_add(1)),
        (Resource::FSIZE, 0, 0),
        (Resource::NOFILE, 8, 8),
        (Resource::NPROC, 0, 0),
        (Resource::CORE, 0, 0),
    ] {
        let (_, most) = resource.get()?;
        let hard = hard.min(most);
        resource.set(soft.min(hard), hard)?;
    }
    Ok(())
}
