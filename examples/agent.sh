#!/bin/sh
# An agent in a few lines of shell: reads its task, does the one thing that it understands
# (`src/NAME.sh`), and leaves committing to the harness.
set -eu
task="$1"
mkdir -p src
if grep -q 'src/greet.sh NAME' "$task"; then
    printf 'echo "Hello, $1!"\n' > src/greet.sh
elif grep -q 'src/report.sh NAME' "$task"; then
    printf 'words=$(sh src/count.sh)\necho "$(sh src/greet.sh "$1") $words words."\n' > src/report.sh
elif grep -q 'src/count.sh' "$task"; then
    printf 'wc -w | tr -d " "\n' > src/count.sh
fi
sh check.sh --present
