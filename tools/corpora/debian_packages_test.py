#!/usr/bin/python3
"""Tests of debian_packages.py, on made-up lists.

Run as `python3 -m unittest debian_packages_test` in this folder.
"""

import contextlib
import io
import json
import os
import stat
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian_packages  # noqa: E402

PACKAGES = """\
Package: zebra
Version: 1.0-1
Installed-Size: 40
Description: paints stripes
Description-md5: aaa
Homepage: https://zebra.example/
Tag: role::program,
 use::painting
Section: graphics
Size: 900

Package: ant
Version: 2.0-1
Description: carries things
Description-md5: unknown
Section: misc

Package: zebra
Version: 1.0-1+deb12u1
Installed-Size: 41
Description: paints stripes
Description-md5: bbb
Section: graphics
"""

TRANSLATION = """\
Package: zebra
Description-md5: aaa
Description-en: paints stripes
 Old text.

Package: zebra
Description-md5: bbb
Description-en: paints stripes
 Wide and narrow
 stripes, in Zürich:
  * black
 .
 More below.
"""

LIST_PREFIX = "deb.example_debian_dists_bookworm_main_"


class StanzaTest(unittest.TestCase):
    def test_keeps_continuation_lines_and_ends_without_blank_line(self):
        stanzas = list(debian_packages.parse_stanzas(io.StringIO("A: 1\n b\n\n\nC: 2")))
        self.assertEqual(stanzas, [{"a": "1\n b"}, {"c": "2"}])

    def test_description_keeps_verbatim_indent_and_turns_dot_into_blank_line(self):
        short, long = debian_packages.split_description("tool\n One\n  * two\n .\n Three")
        self.assertEqual(short, "tool")
        self.assertEqual(long, "One\n * two\n\nThree")


class VersionTest(unittest.TestCase):
    def test_orders_as_dpkg_does(self):
        # Each is older than the next; the order was checked with dpkg --compare-versions.
        ordered = ["0", "1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1.0a-1", "1.0+b-1", "1.9-1", "1.10-1",
                   "1:0.1", "2:0~", "2:0"]
        self.assertEqual(sorted(reversed(ordered), key=debian_packages.version_key), ordered)


class RecordTest(unittest.TestCase):
    def records(self):
        return debian_packages.build_records([io.StringIO(PACKAGES)], [io.StringIO(TRANSLATION)])

    def test_one_record_a_name_with_the_newest_version_and_its_description(self):
        ant, zebra = self.records()
        self.assertEqual(ant["id"], "ant")
        self.assertEqual(zebra["version"], "1.0-1+deb12u1")
        self.assertEqual(zebra["size"], 41)
        self.assertEqual(zebra["long_description"],
                         "Wide and narrow\nstripes, in Zürich:\n * black\n\nMore below.")

    def test_leaves_out_what_a_package_lacks(self):
        ant, _ = self.records()
        self.assertEqual(ant, {"id": "ant", "version": "2.0-1", "section": "misc",
                               "short_description": "carries things"})

    def test_splits_tags_over_lines(self):
        first = PACKAGES.split("\n\n")[0]
        (zebra,) = debian_packages.build_records([io.StringIO(first)], [])
        self.assertEqual(zebra["tags"], ["role::program", "use::painting"])


class CommandTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.lists = directory.name
        self.output = os.path.join(self.lists, "corpus.jsonl")
        # The real reader is apt's; the lists here are plain text.
        patch = mock.patch.object(debian_packages, "read_list", self.read_plain)
        patch.start()
        self.addCleanup(patch.stop)

    @staticmethod
    def read_plain(path):
        with open(path, encoding="utf-8") as file:
            return file.readlines()

    def write(self, name, text):
        with open(os.path.join(self.lists, LIST_PREFIX + name), "w", encoding="utf-8") as file:
            file.write(text)

    def run_tool(self, *arguments):
        self.stderr = io.StringIO()
        with contextlib.redirect_stderr(self.stderr):
            return debian_packages.main(["--lists", self.lists, "--output", self.output, *arguments])

    def test_writes_whole_file_and_counts_on_stderr(self):
        self.write("binary-amd64_Packages", PACKAGES)
        self.write("i18n_Translation-en", TRANSLATION)
        self.assertEqual(self.run_tool(), 0)
        with open(self.output, encoding="utf-8") as file:
            self.assertEqual([json.loads(line)["id"] for line in file], ["ant", "zebra"])
        self.assertIn("2 packages, 1 with a long description", self.stderr.getvalue())
        self.assertEqual(sum(name.startswith(".") for name in os.listdir(self.lists)), 0)
        self.assertTrue(stat.S_IMODE(os.stat(self.output).st_mode) & stat.S_IRUSR)

    def test_limit_keeps_the_first_by_name(self):
        self.write("binary-amd64_Packages", PACKAGES)
        self.write("i18n_Translation-en", TRANSLATION)
        self.assertEqual(self.run_tool("--limit", "1"), 0)
        with open(self.output, encoding="utf-8") as file:
            self.assertEqual([json.loads(line)["id"] for line in file], ["ant"])

    def test_missing_translations_fail_with_the_command_that_brings_them(self):
        self.write("binary-amd64_Packages", PACKAGES)
        self.assertEqual(self.run_tool(), 1)
        self.assertIn("apt-get update -o Acquire::Languages=en", self.stderr.getvalue())
        self.assertFalse(os.path.exists(self.output))

    def test_another_language_is_not_english(self):
        self.write("binary-amd64_Packages", PACKAGES)
        self.write("i18n_Translation-en_GB", TRANSLATION)
        self.assertEqual(self.run_tool(), 1)

    def test_update_brings_missing_lists(self):
        self.write("binary-amd64_Packages", PACKAGES)
        bring = mock.patch.object(debian_packages, "update_lists",
                                  lambda: self.write("i18n_Translation-en", TRANSLATION))
        with bring:
            self.assertEqual(self.run_tool("--update"), 0)


if __name__ == "__main__":
    unittest.main()
