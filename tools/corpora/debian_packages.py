#!/usr/bin/python3
"""Writes Debian's package descriptions as JSON lines, one package a line.

The text comes from apt's own lists, so it needs no network once they are
there. Packages lists carry every field but the long description; that is in
the Translation-en lists, joined by Description-md5. A minimal machine lacks
the Translation-en lists; `apt-get update -o Acquire::Languages=en` brings them.
"""

import argparse
import contextlib
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

APT_HELPER = "/usr/lib/apt/apt-helper"
UPDATE_COMMAND = ["apt-get", "update", "-o", "Acquire::Languages=en"]

# Lists end so, plus the suffix of a compression (.lz4, .xz, ...) that
# cat-file understands. Only English is matched: "Translation-en", not "-en_GB".
PACKAGES_LIST = re.compile(r"_Packages(\.\w+)?$")
TRANSLATION_LIST = re.compile(r"_Translation-en(\.\w+)?$")


class MissingListsError(Exception):
    """Apt has not downloaded a list that the corpus is made from."""


def parse_stanzas(lines):
    """Yields each deb822 stanza as a dict of lower-case key to raw value.

    A value keeps its line breaks and the leading space of continuation lines,
    which mean something in descriptions.
    """
    stanza, key = {}, None
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if stanza:
                yield stanza
            stanza, key = {}, None
        elif line[0] in " \t":
            if key:
                stanza[key] += "\n" + line
        else:
            key, _, value = line.partition(":")
            key = key.lower()
            stanza[key] = value.strip()
    if stanza:
        yield stanza


def split_description(raw):
    """Splits a raw Description value into (short, long) plain text.

    Policy 5.6.13: each long line begins with a space, a lone " ." is a blank
    line, and further spaces ask for verbatim display, so they are kept.
    """
    short, *rest = raw.split("\n")
    long_lines = ["" if line.strip() == "." else line[1:] for line in rest]
    return short.strip(), "\n".join(long_lines).strip("\n")


def _character_order(character):
    """Ranks one non-digit as dpkg does: ~ below the end, then letters."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _part_key(part):
    """Turns an upstream version or revision into a list that sorts as dpkg's."""
    key = []
    for text, number in re.findall(r"(\D*)(\d*)", part):
        # The closing 0 is the end of the text run: above ~, below the rest.
        key.append([_character_order(c) for c in text] + [0])
        key.append(int(number or 0))
    return key


@functools.lru_cache(maxsize=None)
def version_key(version):
    """Returns a key whose order is that of `dpkg --compare-versions`."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-")
    if not upstream:
        upstream, revision = rest, ""
    return int(epoch), _part_key(upstream), _part_key(revision)


def to_record(stanza, descriptions):
    """Makes one package's JSON object; unknown fields are left out."""
    fallback = stanza.get("description", stanza.get("description-en", ""))
    raw = descriptions.get(stanza.get("description-md5"), fallback)
    short, long = split_description(raw)
    tags = stanza.get("tag", "").replace("\n", " ").split(",")
    record = {
        "id": stanza["package"],
        "version": stanza.get("version"),
        "section": stanza.get("section"),
        "homepage": stanza.get("homepage"),
        "size": int(stanza["installed-size"]) if "installed-size" in stanza else None,
        "tags": [tag.strip() for tag in tags if tag.strip()],
        "short_description": short,
        "long_description": long,
    }
    return {key: value for key, value in record.items() if value not in (None, "", [])}


def build_records(package_lists, translation_lists):
    """Returns the records of all lists, sorted by name, newest version each.

    Both arguments are iterables of iterables of lines.
    """
    descriptions = {}
    for lines in translation_lists:
        for stanza in parse_stanzas(lines):
            if "description-md5" in stanza and "description-en" in stanza:
                descriptions[stanza["description-md5"]] = stanza["description-en"]

    newest = {}
    for lines in package_lists:
        for stanza in parse_stanzas(lines):
            if "package" not in stanza:
                continue
            known = newest.get(stanza["package"])
            # Equal versions (one package in two lists) keep the first seen.
            if known is None or version_key(stanza.get("version", "")) > version_key(
                known.get("version", "")
            ):
                newest[stanza["package"]] = stanza
    return [to_record(newest[name], descriptions) for name in sorted(newest)]


def find_lists(directory):
    """Returns (package list files, translation list files) of `directory`.

    Raises MissingListsError where either kind is absent, or where an archive's
    Packages list has no Translation-en list beside it.
    """
    files = sorted(glob.glob(os.path.join(directory, "*")))
    packages = [path for path in files if PACKAGES_LIST.search(path)]
    translations = [path for path in files if TRANSLATION_LIST.search(path)]

    def archive(path):
        # ..._dists_bookworm_main_binary-amd64_Packages.lz4 and
        # ..._dists_bookworm_main_i18n_Translation-en.lz4 share what is before.
        return re.sub(r"_(binary-[^_/]+_Packages|i18n_Translation-en)(\.\w+)?$", "", path)

    translated = {archive(path) for path in translations}
    untranslated = [path for path in packages if archive(path) not in translated]
    if not packages:
        raise MissingListsError(f"no Packages list in {directory}")
    # One small archive without translations (a local repository) is common and
    # harmless; a machine set to download none has none at all.
    if not translations or len(untranslated) == len(packages):
        raise MissingListsError(f"no Translation-en list in {directory}")
    for path in untranslated:
        print(f"warning: no Translation-en list for {path}: its packages have "
              "short descriptions only", file=sys.stderr)
    return packages, translations


def read_list(path):
    """Yields the lines of a list file, compressed or not."""
    with subprocess.Popen(
        [APT_HELPER, "cat-file", path], stdout=subprocess.PIPE,
        encoding="utf-8", errors="replace",
    ) as process:
        yield from process.stdout
    if process.returncode:
        raise OSError(f"{APT_HELPER} cat-file {path}: exit code {process.returncode}")


def update_lists():
    """Runs the apt-get update that brings the lists, as root."""
    command = list(UPDATE_COMMAND)
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise MissingListsError("--update needs root or sudo")
        command.insert(0, "sudo")
    print("running:", " ".join(command), file=sys.stderr)
    # apt's own chatter must not mix with records written to stdout.
    subprocess.run(command, check=True, stdout=sys.stderr)


@contextlib.contextmanager
def atomic_output(path):
    """Opens `path` for writing; a reader sees all of the new text or none."""
    if path is None:
        yield sys.stdout
        return
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".debian_packages.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Write Debian's package descriptions as JSON lines, sorted by name.",
        epilog="Keys: id (the package's name), version, section, homepage, size "
        "(Installed-Size: KiB on disk), tags (debtags), short_description, "
        "long_description. A key without a value is left out. A package in several "
        "lists or versions is written once, with its newest version as dpkg compares "
        "them.",
    )
    parser.add_argument("--output", metavar="FILE", help="write here (default: stdout)")
    parser.add_argument("--limit", type=int, metavar="N", help="write the first N packages only")
    parser.add_argument("--lists", default="/var/lib/apt/lists", metavar="DIR",
                        help="apt's lists (default: %(default)s)")
    parser.add_argument("--update", action="store_true",
                        help="where lists are missing, run `" + " ".join(UPDATE_COMMAND)
                        + "` first (with sudo unless root)")
    options = parser.parse_args(arguments)
    if options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")
    return options


def main(arguments=None):
    options = parse_arguments(arguments)
    try:
        try:
            packages, translations = find_lists(options.lists)
        except MissingListsError:
            if not options.update:
                raise
            update_lists()
            packages, translations = find_lists(options.lists)
        records = build_records(map(read_list, packages), map(read_list, translations))
        records = records[: options.limit]
        with atomic_output(options.output) as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    except MissingListsError as error:
        print(f"error: {error}.\nBring apt's lists with\n  {' '.join(UPDATE_COMMAND)}\n"
              "(as root), or run this again with --update.", file=sys.stderr)
        return 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with_long = sum("long_description" in record for record in records)
    print(f"{len(records)} packages, {with_long} with a long description, from "
          f"{len(packages)} Packages and {len(translations)} Translation-en lists",
          file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
