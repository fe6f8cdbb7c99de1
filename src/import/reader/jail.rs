//! What the child may still ask of the kernel once it holds its input and its output: next to nothing.
//!
//! Two walls, each of which holds without the other. Landlock: no file opened, made or removed, no TCP, no abstract socket of others, no signal to
//! others. Seccomp: the few system calls that reading bytes, writing frames and memory need; any other ends the process with SIGSYS. Both last until
//! its end and cannot be taken back. Where a kernel lacks one, the child goes on without it, and the daemon has said so at its start.

use std::collections::BTreeMap;
use std::io;
use std::process;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetError, Scope,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// The newest set of rights that is known here; a kernel that knows fewer denies those.
const NEWEST: ABI = ABI::V9;

/// Whatever the arguments are: they name nothing outside of this process.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    // The end: by itself, by a panic, by an abort.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
];

/// Locks this process in. It has one thread, and must have what it needs.
pub(super) fn lock_in() -> io::Result<()> {
    landlock().map_err(io::Error::other)?;
    seccomp()
}

/// What this kernel cannot do, for the daemon to say once.
pub fn missing() -> Vec<&'static str> {
    let files = AccessFs::from_all(ABI::V1);
    let network = AccessNet::from_all(ABI::V4);
    let strictly = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let creates =
        |ruleset: Result<Ruleset, RulesetError>| ruleset.and_then(Ruleset::create).is_ok();
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    let mut missing = Vec::new();
    if !creates(strictly().handle_access(files)) {
        missing.push("landlock (Linux 5.13)");
    } else if !creates(strictly().handle_access(network)) {
        missing.push("landlock for the network (Linux 6.7)");
    }
    if arch().is_none() || !actions.is_ok_and(|actions| actions.contains("kill_process")) {
        missing.push("seccomp (Linux 4.14, x86_64 or aarch64)");
    }
    missing
}

/// Denies every right that the kernel knows, and grants none.
fn landlock() -> Result<(), RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
        .map(drop)
}

/// Sets `no_new_privs` too.
fn seccomp() -> io::Result<()> {
    let Some(arch) = arch() else { return Ok(()) };
    let program = program(arch).map_err(io::Error::other)?;
    match apply_filter(&program) {
        // A kernel without it.
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
        {
            Ok(())
        }
        applied => applied.map_err(io::Error::other),
    }
}

fn arch() -> Option<TargetArch> {
    std::env::consts::ARCH.try_into().ok()
}

fn program(arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // Memory, but none that can be run.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![without(2, libc::PROT_EXEC)?]);
    }
    // A signal to itself is how it aborts.
    for call in [libc::SYS_tgkill, libc::SYS_tkill] {
        rules.insert(call, vec![only(0, process::id().into())?]);
    }
    let questions = [libc::F_GETFD, libc::F_GETFL].map(i64::from);
    let questions = questions
        .into_iter()
        .map(|question| only(1, question.unsigned_abs()));
    rules.insert(libc::SYS_fcntl, questions.collect::<Result<_, _>>()?);
    let otherwise = SeccompAction::KillProcess;
    SeccompFilter::new(rules, otherwise, SeccompAction::Allow, arch)?.try_into()
}

/// If the argument is `value`.
fn only(argument: u8, value: u64) -> Result<SeccompRule, BackendError> {
    rule(argument, SeccompCmpOp::Eq, value)
}

/// If the argument has none of `bits`.
fn without(argument: u8, bits: i32) -> Result<SeccompRule, BackendError> {
    rule(
        argument,
        SeccompCmpOp::MaskedEq(bits.unsigned_abs().into()),
        0,
    )
}

fn rule(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::File;
    use std::net::{TcpListener, TcpStream};

    /// It binds the thread that asks for it, and what that starts.
    fn behind_landlock<T: Send + 'static>(attempt: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::spawn(|| {
            landlock().unwrap();
            attempt()
        });
        thread.join().unwrap()
    }

    #[test]
    fn nothing_is_missing_where_this_is_tested() {
        assert_eq!(missing(), Vec::<&str>::new());
    }

    #[test]
    fn landlock_alone_denies_files_and_the_network() {
        let opened = behind_landlock(|| File::open("/etc/passwd").map(drop));
        assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let made = behind_landlock(move || File::create(path).map(drop));
        assert_eq!(made.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connected = behind_landlock(move || TcpStream::connect(address).map(drop));
        assert_eq!(
            connected.unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
    }
}
