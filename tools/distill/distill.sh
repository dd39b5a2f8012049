#!/bin/sh
# Makes deploy/models/static-minilm-256.* and the fixtures, from nothing.
#
# Takes about an hour on 2 cores with AVX-512. Finished steps are kept in the
# work directory and skipped; delete a file there to make it again.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:-/var/tmp/distill}
venv=${2:-/opt/distill-venv}
model=$root/deploy/models/static-minilm-256
python="nice -n 10 $venv/bin/python"
export HF_HUB_OFFLINE=1

mkdir -p "$work/debs" "$work/i18n"
if [ ! -x "$venv/bin/python" ]; then
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install -r "$here/requirements.txt"
fi

# Downloaded and unpacked, not installed: the machine stays as it was.
if [ -z "$(ls "$work/debs")" ]; then
  # shellcheck disable=SC2046  # one argument a line
  (cd "$work/debs" && apt-get download $(cat "$here/doc-packages.txt"))
fi
for language in cs da de el eo es "fi" fr hu ja km ko pl ro ru tr uk vi zh_CN zh_TW; do
  [ -e "$work/i18n/$language.bz2" ] || curl -fsS -o "$work/i18n/$language.bz2" \
    "http://deb.debian.org/debian/dists/bookworm/main/i18n/Translation-$language.bz2"
done

[ -e "$work/packages.jsonl" ] ||
  "$root/tools/corpora/debian_packages.py" --update --output "$work/packages.jsonl"
[ -e "$work/texts.jsonl" ] ||
  $python "$here/texts.py" --packages "$work/packages.jsonl" --debs "$work/debs" --work "$work"
[ -e "$work/teacher.npy" ] ||
  $python "$here/teacher.py" --texts "$work/texts.jsonl" --output "$work/teacher.npy"
fit() {
  $python "$here/fit.py" --texts "$work/texts.jsonl" --vectors "$work/teacher.npy" \
    --token-vectors "$work/tokens.npy" "$@"
}
[ -e "$work/first.npy" ] || fit --output "$work/first.npy" --epochs 10 --rate 4e-3
[ -e "$work/table.npy" ] ||
  fit --start "$work/first.npy" --output "$work/table.npy" --epochs 5 --rate 2e-3
cp "$work/table.model" "$model.model"

$python "$here/evaluate.py" --texts "$work/texts.jsonl" --vectors "$work/teacher.npy" \
  --model "$model.model" --baseline --output "$work/figures.json"
$python "$here/card.py" --model "$model.model" --work "$work" --figures "$work/figures.json" \
  --output "$model.json"
$python "$here/make_fixtures.py" --model "$model.model" --texts "$work/texts.jsonl" \
  --translations "$work/i18n" --unpacked "$work/unpacked" \
  --output "$root/services/embedding/testing"
