//! The command line: one file a subcommand. What a command answers goes to stdout, everything else to stderr.
//!
//! Exit codes: 0 = done (for a run: applied, `no_change`, or a dry run that would be one of them), 1 = held, refused, failed, problems
//! found, unknown name or id, 2 = wrong usage or unreadable configuration.

mod audit;
mod audit_aside;
mod backup;
mod bans;
mod check;
mod diff;
mod explain_login;
mod forget;
mod hash_password;
mod import;
mod logins;
mod pause;
mod person;
mod photos;
mod publish;
mod reload;
mod rerun;
mod restore;
mod retry;
mod roster;
mod runs;
mod template;
mod undo;
mod verdict;
mod who;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::clock::SystemClock;
use crate::config::{Config, ConfigError, Problem};
use crate::daemon::{self, Core, StartError};
use crate::db::Db;
use crate::telemetry;
use crate::tenant::Environment;

/// Receives the employee files that HR systems push every night, and keeps each tenant's roster.
#[derive(Debug, Parser)]
#[command(name = "rosterd", version, max_term_width = 100)]
struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ROSTERD_CONFIG",
        default_value = "config/rosterd.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve,
    /// Check the configuration: every problem with file, line and key.
    Check,
    /// Have the running daemon load its configuration anew: all of it, or nothing if it has problems.
    Reload(reload::Arguments),
    /// Import a local file the way a pushed one is imported.
    Import(import::Arguments),
    /// Show the import history, newest first.
    Runs(runs::Arguments),
    /// Show one run: its counts, findings and changes.
    Run(runs::OneArguments),
    /// Print the error file of a run, as CSV.
    Errors {
        /// The run, or its delivery.
        id: String,
    },
    /// Apply a held run.
    Approve(verdict::Arguments),
    /// Refuse a held run.
    Reject(verdict::Arguments),
    /// Let the deliveries of a data source be applied, after a look at what the last one, or a sample, comes to.
    ///
    /// Until then they run dry: they are read, compared and told of, and change nobody. A change of the mapping or of the mode has it published anew.
    Publish(publish::Arguments),
    /// Let the deliveries of a data source run dry from now on.
    Unpublish(publish::UnpublishArguments),
    /// Try a failed run again, with all its tries.
    Retry {
        /// The run, or its delivery.
        id: String,
    },
    /// Import an archived delivery once more, as a new one.
    Rerun(rerun::Arguments),
    /// Take an applied run back by a new one, and pause its data source.
    Undo(undo::Arguments),
    /// Let each file of a data source wait for a person.
    Pause(pause::Arguments),
    /// Let the files of a paused data source in again.
    Resume(pause::Arguments),
    /// Show what lies between two runs of a data source, person by person.
    Diff(diff::Arguments),
    /// List the logins: from where, with which passwords and keys, and when each was last used.
    Logins(logins::Arguments),
    /// Say step by step whether someone would be let in now, and if not, why and what to do.
    ///
    /// It goes by the configuration files and by the same judgement as a login itself, and asks a running daemon for open sessions and bans. Nothing is
    /// counted, delayed or banned by asking. Ends with 0 if the login would be let in, and with 1 if not.
    ExplainLogin(explain_login::Arguments),
    /// Print who is employed, or who was on a day.
    Roster(roster::Arguments),
    /// Show one person: what is stored, how it came to be, and whom they belong to.
    Person(person::Arguments),
    /// Say whose photo is which, or what the tenant would be told of local photos.
    ///
    /// Without FILE: the photos in the mailbox and the people they belong to, as both are now. With FILE: each photo is looked at as a pushed one is, and
    /// matched with the people by its name; nothing is changed. Ends with 1 if a photo is refused.
    Photos(photos::Arguments),
    /// Erase a person on request: from roster, history, runs, photos and archive. Says what it has erased, and what it cannot reach.
    ///
    /// Files that still have the person are imported without them from then on.
    Forget(forget::Arguments),
    /// List who has looked at people's data through these commands, newest first.
    Audit(audit::Arguments),
    /// Print a CSV header and one sample row that a tenant's mapping accepts.
    Template(template::Arguments),
    /// Show which addresses the running daemon has banned for failed logins, or lift bans.
    Bans(bans::Arguments),
    /// Copy everything into a folder: database, archive, mailboxes, configuration; the daemon may run.
    Backup(backup::Arguments),
    /// Bring a backup back into an empty place.
    Restore(restore::Arguments),
    /// Read a password from stdin and print its argon2id hash for a [[login.password]].
    HashPassword,
}

/// Which tenant, and where.
#[derive(Debug, Args)]
struct Place {
    /// The tenant's name.
    #[arg(long, short, value_name = "NAME")]
    tenant: String,
    /// production or sandbox.
    #[arg(long, short, value_name = "NAME", default_value = "production", value_parser = Environment::parse)]
    environment: Environment,
}

/// How a command ended, when nothing went wrong on our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    /// Held, refused, failed, problems found, unknown name or id.
    Not,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::Not => Self::FAILURE,
        }
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let answer = match cli.command {
        Command::HashPassword => hash_password::run(),
        Command::Check => check::run(&cli.config),
        Command::Reload(arguments) => reload::run(&cli.config, &arguments),
        // The configuration may be what is to be restored.
        Command::Restore(arguments) => restore::run(&cli.config, &arguments),
        command => match Config::load(&cli.config) {
            Ok(config) => with_config(&cli.config, config, command),
            Err(error) => {
                complain_about_config(&error);
                return ExitCode::from(2);
            }
        },
    };
    match answer {
        Ok(ending) => ending.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref() {
                Some(StartError::Config(error)) => complain_about_config(error),
                _ => complain(&format!("rosterd: {error:#}")),
            }
            ExitCode::from(if error.is::<StartError>() { 2 } else { 1 })
        }
    }
}

fn with_config(file: &Path, config: Config, command: Command) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => daemon::serve(file, config).await.map(|()| Ending::Done),
            Command::Import(arguments) => Box::pin(import::run(config, arguments)).await,
            Command::Runs(arguments) => runs::list(&config, &arguments).await,
            Command::Run(arguments) => runs::show(&config, &arguments).await,
            Command::Errors { id } => runs::errors(&config, &id).await,
            Command::Approve(arguments) => verdict::approve(config, &arguments).await,
            Command::Reject(arguments) => verdict::reject(config, &arguments).await,
            Command::Publish(arguments) => publish::publish(config, arguments).await,
            Command::Unpublish(arguments) => publish::unpublish(config, &arguments).await,
            Command::Retry { id } => retry::run(config, &id).await,
            Command::Rerun(arguments) => rerun::run(config, &arguments).await,
            Command::Undo(arguments) => undo::run(config, &arguments).await,
            Command::Pause(arguments) => pause::pause(config, &arguments).await,
            Command::Resume(arguments) => pause::resume(config, &arguments).await,
            Command::Diff(arguments) => diff::run(&config, &arguments).await,
            Command::Person(arguments) => person::run(&config, &arguments).await,
            Command::Roster(arguments) => roster::run(&config, &arguments).await,
            Command::Photos(arguments) => photos::run(&config, &arguments).await,
            Command::Forget(arguments) => Box::pin(forget::run(config, &arguments)).await,
            Command::Audit(arguments) => audit::run(&config, &arguments).await,
            Command::Logins(arguments) => logins::run(&config, &arguments).await,
            Command::ExplainLogin(arguments) => explain_login::run(&config, &arguments),
            Command::Template(arguments) => template::run(&config, &arguments),
            Command::Bans(arguments) => bans::run(&config, &arguments),
            Command::Backup(arguments) => backup::run(file, &config, &arguments).await,
            Command::Check | Command::Reload(_) | Command::Restore(_) | Command::HashPassword => {
                Ok(Ending::Done)
            }
        }
    })
}

/// Writes `text` to stdout as it stands.
fn answer(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line to stderr; there is nowhere to say that this failed.
fn complain(line: &str) {
    writeln!(io::stderr().lock(), "{line}").unwrap_or_default();
}

fn complain_about_config(error: &ConfigError) {
    match error {
        ConfigError::Unreadable { source, .. } => complain(&format!("rosterd: {error}: {source}")),
        ConfigError::Problems(problems) => complain(&format!("{}{error}", listed(problems))),
    }
}

/// The problems, a line each.
fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n") + "\n"
}

/// `rosterd runs | head` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// All parts, for commands that change something: only as the owner of the state folder.
async fn open_core(config: Config) -> anyhow::Result<Core> {
    telemetry::log_problems_to_stderr();
    daemon::own_state_dir(&config.server.state_dir)?;
    Ok(Core::attach(config).await.map_err(StartError::of)?)
}

/// One JSON document, for people's eyes too.
fn json<T: serde::Serialize>(document: &T) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}

/// The database, for commands that only read.
async fn open_db(config: &Config) -> anyhow::Result<Db> {
    let path = &config.database.path;
    if !path.is_file() {
        // It will be made, and must be the daemon's.
        daemon::own_state_dir(&config.server.state_dir)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(daemon::at(folder))?;
        }
    }
    let db = Db::open(path, Arc::new(SystemClock)).await;
    Ok(db.map_err(StartError::of)?)
}
