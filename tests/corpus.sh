#!/usr/bin/env bash
# Reads every file of a folder as a run does, each in a child of its own, and pictures as photos: `tests/corpus.sh FOLDER`.
# The promise: each ends as read or with one finding, within 5 seconds and 300 MB, and none by breaking its reader. What breaks it is listed;
# then come the outcomes with their numbers. Public corpora are the folders to try: test files of other readers, and of those who attack them.
set -euo pipefail
folder=${1:?which folder?}
cd "$(dirname "$0")/.."
cargo build --quiet --release --example read_file --example examine_photos
built=$PWD/target/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find "$folder" -type f -print0 | while IFS= read -r -d '' file; do
    case ${file,,} in
    *.jpg | *.jpeg | *.png | *.bmp | *.gif | *.webp | *.tif | *.tiff | *.heic | *.avif)
        mkdir "$work/one"
        ln -s "$(realpath "$file")" "$work/one/"
        program=("$built/examples/examine_photos" "$work/one" each)
        ;;
    *) program=("$built/examples/read_file" "$file") ;;
    esac
    rm -f "$work/cost"
    # Of the child too, which was waited for.
    timeout 30 /usr/bin/time --quiet --format '%e %M' --output "$work/cost" "${program[@]}" >"$work/said" 2>&1 </dev/null || true
    rm -rf "$work/one"
    { read -r seconds kilobytes <"$work/cost"; } 2>/dev/null || seconds=30 kilobytes=0
    outcome=$(grep --only-matching --max-count=1 --extended-regexp \
        'code: "[a-z-]+"|photo-(format|damaged|too-large)|"rows"|"photos"|panicked|Killed|Stalled' "$work/said" | head -1) || outcome=nothing
    printf '%s\n' "$outcome" >>"$work/outcomes"
    case $outcome in
    *reader-* | panicked | Killed | Stalled | nothing) printf '%s: %s\n' "$file" "$outcome" ;;
    esac
    if awk -v seconds="$seconds" -v kilobytes="$kilobytes" 'BEGIN { exit !(seconds > 5 || kilobytes > 300000) }'; then
        printf '%s: %s s, %s KB\n' "$file" "$seconds" "$kilobytes"
    fi
done | tee "$work/broken"
sort "$work/outcomes" | uniq --count | sort --reverse --numeric-sort
test ! -s "$work/broken"
