#!/usr/bin/env python3
"""Measures how well a static model stands in for its teacher.

Only package descriptions that the fit never saw are judged. Beside the model
stands a baseline of the same size: words hashed with a sign into 256 numbers,
weighted by (1 + log tf) * idf.
"""

import argparse
import hashlib
import json
import math
import re
from collections import Counter

import numpy

import static_model
import teacher

SEED, PAIRS, TOP = 20261120, 5000, 10
CORPUS_QUERIES = 2000  # of the held-out texts, asked of the complete corpus

# As a person would ask for a program. The first two must work; see the README.
QUERIES = """\
program to edit photographs
monitor network traffic
play music from the command line
web server with TLS support
compress files
library to parse JSON in C++
spreadsheet
draw vector graphics
back up a directory to a remote machine
find duplicate files
relational database server
read email in the terminal
chess game
convert video between formats
python library for machine learning
fonts for Japanese
recover deleted files from a disk
encrypt files with a password
astronomy planetarium
virtual machine manager
scan documents with a scanner
learn to type on a keyboard
manage a bibliography
simulate electronic circuits
block spam mail
measure cpu temperature and fan speed
graph plotting of scientific data
text editor for programmers
speech synthesis
genealogy family tree
dna sequence alignment
download videos from websites
password manager
instant messaging client
burn a dvd
static analysis of C code
kubernetes container orchestration
weather forecast on the desktop
mathematics geometry for school
chat server for a team""".split("\n")


def ranks(values):
    """Ranks from 0, equal values sharing their mean rank."""
    _, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    last = numpy.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]


def spearman(a, b):
    return float(numpy.corrcoef(ranks(a), ranks(b))[0, 1])


def normalised(vectors):
    vectors = vectors.astype(numpy.float32)
    return vectors / numpy.maximum(numpy.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def nearest(queries, corpus, skip=None, block=1000):
    """Returns each query's TOP nearest rows of `corpus`, itself (`skip`) left out."""
    out = []
    for start in range(0, len(queries), block):
        scores = queries[start : start + block] @ corpus.T
        if skip is not None:
            scores[numpy.arange(len(scores)), skip[start : start + block]] = -2
        out.append(numpy.argpartition(-scores, TOP, axis=1)[:, :TOP])
    return numpy.concatenate(out)


def share(found, wanted):
    """The mean share of `wanted` neighbours that are among `found`."""
    return float(numpy.mean([len(set(f) & set(w)) / TOP for f, w in zip(found, wanted)]))


def hashed_bags(texts):
    """The baseline's vectors; its idf is taken from the texts themselves."""
    bags = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    documents = Counter(word for bag in bags for word in bag)
    out = numpy.zeros((len(texts), 256), numpy.float32)
    for row, bag in enumerate(bags):
        for word, count in bag.items():
            digest = hashlib.md5(word.encode()).digest()
            sign = 1 if digest[1] & 1 else -1
            out[row, digest[0]] += sign * (1 + math.log(count)) * math.log(len(texts) / documents[word])
    return normalised(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", help="write the figures here as JSON")
    parser.add_argument("--max-tokens", type=int, help="instead of the model's own")
    parser.add_argument("--baseline", action="store_true", help="measure hashed bags of words too")
    parser.add_argument("--show", type=int, default=2, help="print the results of so many queries")
    options = parser.parse_args()

    # Identical descriptions are one document: finding a copy proves nothing.
    names, texts, held, vectors, seen = [], [], [], [], set()
    teacher_vectors = numpy.load(options.vectors, mmap_mode="r")
    with open(options.texts, encoding="utf-8") as file:
        for line, vector in zip(file, teacher_vectors):
            row = json.loads(line)
            if row["kind"] == "package" and row["text"] not in seen:
                seen.add(row["text"])
                names.append(row["id"])
                texts.append(row["text"])
                held.append(row["split"] == "held")
                vectors.append(vector)
    wanted = normalised(numpy.array(vectors))
    model = static_model.StaticModel(options.model)
    if options.max_tokens is not None:
        model.max_tokens = options.max_tokens or None
    students = {"model": model.embed(texts)}
    if options.baseline:
        students["hashed_words"] = hashed_bags(texts)

    queries = numpy.flatnonzero(held)
    figures = {"held_out_texts": len(queries), "corpus_texts": len(texts), "revision": model.revision}
    rng = numpy.random.default_rng(SEED)
    pairs = rng.choice(queries, (PAIRS * 2, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]][:PAIRS]

    def cosines(v):
        return (v[pairs[:, 0]] * v[pairs[:, 1]]).sum(axis=1)

    inner = numpy.arange(len(queries))
    wanted_held = nearest(wanted[queries], wanted[queries], inner)
    few = rng.choice(queries, CORPUS_QUERIES, replace=False)
    wanted_few = nearest(wanted[few], wanted, few)
    for name, v in students.items():
        figures[name] = {
            "spearman": spearman(cosines(v), cosines(wanted)),
            "top10_held_out": share(nearest(v[queries], v[queries], inner), wanted_held),
            "top10_corpus": share(nearest(v[few], v, few), wanted_few),
            "mean_cosine_error": float(numpy.abs(cosines(v) - cosines(wanted)).mean()),
        }

    ids = [e.ids for e in teacher.load_tokenizer().encode_batch(QUERIES)]
    asked_teacher = teacher.embed_ids(teacher.Teacher(), ids)
    asked = model.embed(QUERIES)
    v = students["model"]
    wanted_asked = nearest(asked_teacher, wanted)
    figures["model"]["top10_asked"] = share(nearest(asked, v), wanted_asked)
    for query, a, w in list(zip(QUERIES, asked, asked_teacher))[: options.show]:
        def best(corpus, q):
            return " ".join(names[i] for i in numpy.argsort(-(corpus @ q))[:TOP])
        print(f"{query!r}\n  model:   {best(v, a)}\n  teacher: {best(wanted, w)}")
    print(json.dumps(figures, indent=1))
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
