#!/bin/sh
# take_turns.sh PROGRAM: two copies of the example on one lock; the second leads once the first has ended.
set -eu
folder=$(mktemp -d)
first='' second=''
trap 'kill $first $second 2>/dev/null || true; rm -rf "$folder"' EXIT
mkfifo "$folder/first" "$folder/second"
exec 3<>"$folder/first" 4<>"$folder/second"

# The next line from standard input must be this one; fails instead of hanging.
expect() {
  line=$(timeout 30 head -n 1) || { echo "waited 30 s for: $1" >&2; exit 1; }
  [ "$line" = "$1" ] || { echo "expected: $1, read: $line" >&2; exit 1; }
}

"$1" "sqlite://$folder/locks.db" >&3 & first=$!
expect "leading with epoch 1" <&3
"$1" "sqlite://$folder/locks.db" >&4 & second=$!
kill -TERM $first
wait $first
first=''
expect "leading with epoch 2" <&4
kill -TERM $second
wait $second
second=''
