#!/usr/bin/env bash
# Runs every check and every test. Installs the clients that the tests drive where it may; says what is missing where it may not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*" >&2; }

if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
  PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

# command:package
needed=(curl:curl lftp:lftp ssh:openssh-client sftp:openssh-client sshpass:sshpass python3:python3 faketime:faketime openssl:openssl cc:gcc)
missing=()
for pair in "${needed[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2
  else
    echo "The tests need these packages. Please install them and run this again: ${missing[*]}" >&2
    exit 2
  fi
fi
if ! command -v cargo >/dev/null; then
  echo "The tests need Rust. Please install it (https://rustup.rs) and run this again." >&2
  exit 2
fi

# Snapshots are compared here, never written.
export INSTA_UPDATE=no CARGO_TERM_PROGRESS_WHEN=never

say "format"
cargo fmt --check
say "clippy"
cargo clippy --locked -- -D warnings
cargo clippy --locked --all-targets --features failpoints -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --quiet
say "tests"
cargo test --locked --features failpoints "$@"
say "all is well"
