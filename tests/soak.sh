#!/usr/bin/env bash
# The long runs that are too long for every day: breaks rosterd a thousand times and counts what was lost.
#
#   tests/soak.sh [SEED]     the seed is printed, so that a run can be repeated
#
# ROSTERD_SOAK_KILLS (1000) says how often, ROSTERD_SOAK_SECONDS (300) how long the quota is shaken,
# ROSTERD_SOAK_RELOADS (1000) how often the configuration changes, ROSTERD_SOAK_DAMAGES (50) how often each fixture is broken and read. Each run prints one line that begins with "soak:"; the script fails when one of them does.
# A further soak is a test that reads ROSTERD_SOAK_SEED and has its line below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export ROSTERD_SOAK_SEED="${1:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
export ROSTERD_SOAK_KILLS="${ROSTERD_SOAK_KILLS:-1000}"
export ROSTERD_SOAK_SECONDS="${ROSTERD_SOAK_SECONDS:-300}"
export ROSTERD_SOAK_RELOADS="${ROSTERD_SOAK_RELOADS:-1000}"
export ROSTERD_SOAK_DAMAGES="${ROSTERD_SOAK_DAMAGES:-50}"
echo "soak: seed $ROSTERD_SOAK_SEED" >&2

soak() { cargo test --locked --features failpoints --test it -- --nocapture --exact "$@"; }

soak soak::killed_at_random_moments_under_load_it_loses_nothing_and_doubles_nothing
soak reload::many_reloads_leak_nothing
soak chaos::under_any_number_of_parallel_senders_what_is_used_is_exactly_what_lies_there
soak damaged_files::every_damaged_file_ends_within_the_limits_of_its_reader
cargo test --locked --features failpoints --lib -- --nocapture --exact parse::read::tests::damage::every_damaged_file_ends_as_read_or_as_one_finding \
  parse::read::pgp::tests::a_message_that_is_damaged_inside_or_outside_ends_as_read_or_as_one_finding
