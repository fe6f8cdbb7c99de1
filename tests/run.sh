#!/usr/bin/env bash
# Runs every check and every test. Installs the clients that the tests drive where it may; says what is missing where it may not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*" >&2; }

if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
  PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

# command:package
commands=(curl:curl lftp:lftp ssh:openssh-client sftp:openssh-client sshpass:sshpass python3:python3 faketime:faketime openssl:openssl cc:gcc
  sslscan:sslscan java:default-jdk-headless php:php-cli perl:perl rclone:rclone psftp:putty-tools wget:wget ftp-ssl:ftp-ssl sshfs:sshfs
  node:nodejs npm:npm gnutls-cli:gnutls-bin gpg:gnupg soffice:libreoffice-calc-nogui)
# What has no command of its own.
libraries=(libcommons-net-java libio-socket-ssl-perl)
missing=()
for pair in "${commands[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if command -v dpkg-query >/dev/null; then
  for package in "${libraries[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
fi
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
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

# Libraries from PyPI and npm, below target/, where the tests look for them. A copy of the list of versions tells whether they are there.
clients="${ROSTERD_CLIENTS:-$PWD/target/clients}"
mkdir -p "$clients"
export ROSTERD_CLIENTS="$clients"
wanted=tests/clients/python/requirements.txt
if ! cmp -s "$wanted" "$clients/venv/requirements.txt" || ! "$clients/venv/bin/python" -c '' 2>/dev/null; then
  say "installing Python's clients"
  rm -rf "$clients/venv"
  python3 -m venv "$clients/venv"
  "$clients/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  cp "$wanted" "$clients/venv/requirements.txt"
fi
wanted=tests/clients/node/package-lock.json
if ! cmp -s "$wanted" "$clients/node/installed-lock.json"; then
  say "installing Node's clients"
  rm -rf "$clients/node"
  mkdir "$clients/node"
  cp tests/clients/node/package.json "$wanted" "$clients/node/"
  # ssh2's native parts only make it faster.
  npm ci --prefix "$clients/node" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2
  cp "$wanted" "$clients/node/installed-lock.json"
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
