#!/usr/bin/env python3
"""Gathers the texts that the static model is fitted to and judged by.

Everything comes from named Debian packages, downloaded and unpacked but not
installed, so that another machine finds the same texts. Standard library only.

Writes texts.jsonl: {"kind", "split", "text"} a line, plus "id" for packages.
split is "fit", "held" (evaluation only) or "near": a fitting package that
shares a paragraph with a held-out one, which neither may use.
"""

import argparse
import glob
import gzip
import hashlib
import html.parser
import json
import os
import random
import re
import subprocess

SEED = 20261120

# How many texts of each kind the fit gets, besides the package descriptions.
QUOTA = {"short": 25000, "paragraph": 24000, "sentence": 30000, "gloss": 16000, "query": 30000}
MAX_CHARACTERS = 700  # about the 128 tokens that the teacher reads


def is_held_out(name):
    """The stable rule: a fifth of all packages is for evaluation only."""
    return hashlib.sha256(name.encode()).digest()[0] % 5 == 0


def squeeze(text):
    return " ".join(text.split())


def paragraphs_of(text):
    """Yields the paragraphs of plain text, lists' items apart."""
    for block in re.split(r"\n\s*\n|\n(?=\s*[*+-] )", text):
        yield squeeze(block)


class HtmlText(html.parser.HTMLParser):
    """Collects paragraphs; inline tags do not break one."""

    BREAKS = {"p", "div", "li", "dt", "dd", "td", "th", "tr", "h1", "h2", "h3", "h4", "h5", "br",
              "section", "table", "ul", "ol", "dl", "body", "title"}
    SKIPS = {"script", "style", "pre", "nav", "head"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts, self.skipping = [], 0

    def handle_starttag(self, tag, attrs):
        self.skipping += tag in self.SKIPS
        if tag in self.BREAKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag):
        if tag in self.SKIPS and self.skipping:
            self.skipping -= 1
        if tag in self.BREAKS:
            self.parts.append("\n\n")

    def handle_data(self, data):
        if not self.skipping:
            self.parts.append(data)


def from_html(text):
    parser = HtmlText()
    parser.feed(text)
    return "".join(parser.parts)


def from_roff(text):
    """Roughly a man page's prose: font macros stay in line, others break."""
    out = []
    for line in text.split("\n"):
        if line.startswith((".\\\"", "'")):
            continue
        if line.startswith("."):
            name, _, arguments = line[1:].strip().partition(" ")
            if name in {"B", "I", "BR", "IR", "RB", "RI", "BI", "IB", "Nm", "Ar", "Fl", "Xr", "Em", "Pa"}:
                line = arguments.replace('"', "")
            else:
                out.append("\n")
                continue
        line = re.sub(r"\\f.|\\s[+-]?\d|\\[&|/,c]", "", line)
        line = re.sub(r"\\\((lq|rq)|\\\*\(..", '"', line).replace("\\-", "-").replace("\\e", "\\")
        out.append(line)
    return "\n".join(out)


def read_text(path):
    opener = gzip.open if path.endswith((".gz", ".dz")) else open
    try:
        with opener(path, "rb") as file:
            return file.read(4 << 20).decode("utf-8", "replace")
    except (OSError, EOFError):
        return ""


def reader_of(path):
    """Returns (converter, kind) for a file we can read prose from, or None."""
    base = re.sub(r"\.(gz|dz)$", "", path)
    if re.search(r"changelog|copyright|NEWS|/genindex|/locale/|-license", base, re.I):
        return None
    if "/dictd/" in base:
        return (lambda t: t, "gloss") if base.endswith(".dict") else None
    if "/share/man/" in base:
        return (from_roff, "text") if re.search(r"/man/man\d\w*/", base) else None
    if base.endswith((".html", ".htm", ".xhtml", ".page", ".en")):
        return from_html, "text"
    if "/games/fortunes/" in base:
        return (lambda t: t.replace("\n%\n", "\n\n"), "text") if "." not in os.path.basename(base) else None
    if base.endswith((".txt", ".info", ".rst", ".pod")):
        return lambda t: t, "text"
    return None


def is_prose(text):
    words = text.split()
    if len(words) < 4 or len(text) < 20:
        return False
    letters = sum(c.isascii() and (c.isalpha() or c == " ") for c in text)
    return letters > 0.85 * len(text)


def cut(text):
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[:MAX_CHARACTERS].rsplit(" ", 1)[0]


def sentences_of(paragraph):
    for sentence in re.split(r"(?<=[.!?;:]) +(?=[A-Z0-9])", paragraph):
        if 4 <= len(sentence.split()) <= 40:
            yield sentence


def query_from(rng, text):
    """A span of two to seven words, as a person would type it."""
    words = re.findall(r"[A-Za-z0-9][\w+.-]*\w|\w", text)
    length = rng.randint(2, 7)
    if len(words) <= length:
        return " ".join(words).lower() if len(words) > 1 else None
    start = rng.randrange(len(words) - length)
    return " ".join(words[start : start + length]).lower()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", required=True, help="debian_packages.py's JSONL")
    parser.add_argument("--debs", required=True, help="directory of downloaded .deb files")
    parser.add_argument("--work", required=True, help="directory for unpacked files and the result")
    options = parser.parse_args()
    rng = random.Random(SEED)

    with open(options.packages, encoding="utf-8") as file:
        packages = [json.loads(line) for line in file]
    held_parts = set()
    for package in packages:
        if is_held_out(package["id"]):
            held_parts.add(package["short_description"])
            held_parts.update(p for p in paragraphs_of(package.get("long_description", "")) if len(p) > 30)

    rows, short, own_paragraphs = [], set(), set()
    for package in packages:
        long = package.get("long_description", "")
        parts = [p for p in paragraphs_of(long)]
        split = "held"
        if not is_held_out(package["id"]):
            shared = package["short_description"] in held_parts or any(p in held_parts for p in parts)
            split = "near" if shared else "fit"
            if package["short_description"] not in held_parts:
                short.add(package["short_description"])
            own_paragraphs.update(p for p in parts if p not in held_parts and is_prose(p))
        text = package["short_description"] + "\n" + long if long else package["short_description"]
        rows.append({"kind": "package", "split": split, "id": package["id"], "text": text})

    by_source = {}  # package -> its paragraphs, so that no manual drowns the rest
    glosses = set()
    for deb in sorted(glob.glob(os.path.join(options.debs, "*.deb"))):
        root = os.path.join(options.work, "unpacked", os.path.basename(deb)[:-4])
        if not os.path.isdir(root):
            os.makedirs(root)
            subprocess.run(["dpkg", "-x", deb, root], check=True)
        found = by_source.setdefault(os.path.basename(deb), set())
        for folder, _, names in sorted(os.walk(root)):
            for path in sorted(os.path.join(folder, name) for name in names):
                reader = reader_of(path)
                if not reader or os.path.islink(path) or len(found) > 60000:
                    continue
                convert, kind = reader
                for paragraph in paragraphs_of(convert(read_text(path))):
                    paragraph = cut(paragraph)
                    if is_prose(paragraph) and paragraph not in held_parts:
                        (glosses if kind == "gloss" else found).add(paragraph)

    paragraphs = []
    for source in sorted(by_source):
        ordered = sorted(by_source[source])
        paragraphs += rng.sample(ordered, min(len(ordered), 2500))
    own = sorted(own_paragraphs)
    # Package prose is half of the sentences: it is what Engram's example holds.
    sentences = sorted({s for p in paragraphs for s in sentences_of(p)})
    own_sentences = sorted({s for p in own for s in sentences_of(p)} - set(sentences))

    def sample(items, count):
        return rng.sample(items, min(len(items), count))

    chosen = {
        "short": sample(sorted(short), QUOTA["short"]),
        "paragraph": sample([p for p in paragraphs if len(p) > 120], QUOTA["paragraph"]),
        "sentence": sample(sentences, QUOTA["sentence"] // 2)
        + sample(own_sentences, QUOTA["sentence"] // 2),
        "gloss": sample(sorted(glosses), QUOTA["gloss"]),
    }
    pool = chosen["short"] + chosen["sentence"] + chosen["gloss"]
    queries = {query_from(rng, text) for text in pool} - {None}
    chosen["query"] = sample(sorted(queries), QUOTA["query"])
    for kind, texts in chosen.items():
        rows += [{"kind": kind, "split": "fit", "text": text} for text in texts]

    with open(os.path.join(options.work, "texts.jsonl"), "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    counts = {}
    for row in rows:
        key = f'{row["kind"]}/{row["split"]}'
        counts[key] = counts.get(key, 0) + 1
    print(json.dumps(counts), {k: len(v) for k, v in by_source.items() if len(v) < 50})


if __name__ == "__main__":
    main()
