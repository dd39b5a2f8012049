#!/usr/bin/env python3
"""Fits a table of token vectors to the teacher's sentence vectors.

Start: each vocabulary token through the teacher once, projected to 256
dimensions by PCA of the teacher's sentence vectors, weighted a / (a + p) by
its frequency p. Then the table is trained so that the normalised sum of a
text's rows points where the projected teacher's vector does, and so that
texts of a batch are as near to each other as they are for the teacher.

A row is (start row * map) * weight + correction. All tokens share the map, so
a token no text contains still moves with the others; the correction is held
small, so a rare token stays near its start.
"""

import argparse
import collections
import json
import os
import time

import numpy
import torch
import torch.nn.functional as F

import static_model
import teacher

DIMENSIONS = 256
SEED = 20261120
SIF_A = 1e-3
FIT_TOKENS = teacher.MAX_TOKENS - 2  # what the teacher reads beside [CLS] and [SEP]
TEMPERATURE = 0.05  # of the neighbour distribution that the student imitates


def special(token):
    return token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]") or token.startswith("[unused")


def load_vocabulary():
    path = os.path.join(teacher.model_directory(), "vocab.txt")
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


def token_vectors(vocabulary, cache):
    """Returns the teacher's vector of each vocabulary token alone."""
    if not os.path.exists(cache):
        cls, sep = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
        ids = [[cls, i or 1, sep] for i in range(len(vocabulary))]  # 0 is padding
        numpy.save(cache, teacher.embed_ids(teacher.Teacher(), ids))
    return numpy.load(cache)


def principal_axes(vectors):
    """Returns the 384 x 256 projection that keeps dot products best.

    Not centred: the mean is part of the cosines that the student imitates.
    """
    values, axes = numpy.linalg.eigh(vectors.T @ vectors / len(vectors))
    print(f"PCA keeps {values[-DIMENSIONS:].sum() / values.sum():.4f} of the squared length")
    return axes[:, ::-1][:, :DIMENSIONS].astype(numpy.float32)


class Bags:
    """Texts as token ids, laid out for embedding_bag."""

    def __init__(self, texts, tokenizer):
        encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
        ids = [numpy.array(e.ids[:FIT_TOKENS], numpy.int64) for e in encodings]
        self.starts = numpy.cumsum([0] + [len(i) for i in ids])
        self.flat = numpy.concatenate(ids)

    def batch(self, rows):
        parts = [self.flat[self.starts[r] : self.starts[r + 1]] for r in rows]
        offsets = numpy.cumsum([0] + [len(p) for p in parts[:-1]])
        return torch.from_numpy(numpy.concatenate(parts)), torch.from_numpy(offsets)


class Table(torch.nn.Module):
    def __init__(self, start):
        super().__init__()
        self.start = start
        self.map = torch.nn.Parameter(torch.eye(DIMENSIONS))
        self.weight = torch.nn.Parameter(torch.zeros(len(start), 1))
        self.correction = torch.nn.Parameter(torch.zeros_like(start))

    def forward(self, tokens=slice(None)):
        return (self.start[tokens] @ self.map) * self.weight[tokens].exp() + self.correction[tokens]


def losses(student, target):
    """Returns (direction, similarity, neighbour) losses of one batch."""
    student = F.normalize(student, dim=-1)
    direction = 1 - (student * F.normalize(target[:, :DIMENSIONS], dim=-1)).sum(-1).mean()
    ours, theirs = student @ student.T, target @ target.T
    similarity = F.mse_loss(ours, theirs)
    hidden = torch.eye(len(student), dtype=torch.bool)
    ours = (ours / TEMPERATURE).masked_fill(hidden, -1e9).log_softmax(-1)
    theirs = (theirs / TEMPERATURE).masked_fill(hidden, -1e9).softmax(-1)
    neighbour = F.kl_div(ours, theirs, reduction="batchmean")
    return direction, similarity, neighbour


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--vectors", required=True, help="teacher.py's vectors of --texts")
    parser.add_argument("--token-vectors", required=True, help="cache of the vocabulary's vectors")
    parser.add_argument("--output", required=True, help="float32 .npy table, to be quantised")
    parser.add_argument("--start", help="continue from this table instead")
    parser.add_argument("--threads", type=int, default=1, help="two only pay on an idle machine")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--hold", type=float, default=1.0, help="how firmly rows stay near their start")
    parser.add_argument("--weights", type=float, nargs=3, default=[1, 20, 0.5],
                        help="of the direction, similarity and neighbour losses")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    rng = numpy.random.default_rng(SEED)

    vocabulary = load_vocabulary()
    tokenizer = static_model.reference_tokenizer(vocabulary)
    with open(options.texts, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    vectors = numpy.load(options.vectors, mmap_mode="r")
    chosen = [i for i, row in enumerate(rows) if row["split"] == "fit"]
    bags = Bags([rows[i]["text"] for i in chosen], tokenizer)
    targets = vectors[chosen].astype(numpy.float32)
    targets /= numpy.linalg.norm(targets, axis=1, keepdims=True)

    axes = principal_axes(targets)
    # The whole rotation, so that the first 256 are the PCA and all 384 keep the cosines.
    rest = numpy.linalg.svd(axes, full_matrices=True)[0][:, DIMENSIONS:]
    targets = torch.from_numpy(targets @ numpy.concatenate([axes, rest], axis=1).astype(numpy.float32))

    counts = numpy.bincount(bags.flat, minlength=len(vocabulary))
    frequency = counts / counts.sum()
    if options.start:
        start = numpy.load(options.start)
    else:
        start = token_vectors(vocabulary, options.token_vectors) @ axes
        start = start * (SIF_A / (SIF_A + frequency))[:, None]
    start[[i for i, token in enumerate(vocabulary) if special(token)]] = 0
    print(f"{len(chosen)} texts, {len(bags.flat)} tokens, {(counts > 0).sum()} of {len(vocabulary)} tokens seen")

    table = Table(torch.from_numpy(start.astype(numpy.float32)))
    if options.epochs:
        check, train = numpy.split(rng.permutation(len(chosen)), [4096])
        optimizer = torch.optim.Adam(
            [{"params": [table.map], "lr": options.rate / 10}, {"params": [table.weight], "lr": options.rate * 2},
             {"params": [table.correction]}], lr=options.rate, betas=(0.9, 0.99), fused=True)
        steps = len(train) // options.batch * options.epochs
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, (s + 1) / 50) * max(0.02, 1 - s / steps))
        began = time.time()
        for epoch in range(options.epochs):
            sums = collections.Counter()
            order = rng.permutation(train)
            for first in range(0, len(order) - options.batch + 1, options.batch):
                batch = order[first : first + options.batch]
                ids, offsets = bags.batch(batch)
                # Only the rows of this batch are worked out: a third of the table.
                tokens, places = ids.unique(return_inverse=True)
                parts = losses(F.embedding_bag(places, table(tokens), offsets, mode="sum"), targets[batch])
                # Each token of the batch is held once, however often it occurs.
                held = table.correction[tokens].square().sum(-1).mean()
                loss = sum(w * part for w, part in zip(options.weights, parts)) + options.hold * held
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                for name, part in zip("dsnh", [*parts, held]):
                    sums[name] += part.item()
            with torch.no_grad():
                ids, offsets = bags.batch(check)
                parts = losses(F.embedding_bag(ids, table(), offsets, mode="sum"), targets[check])
            print(f"epoch {epoch} {time.time() - began:.0f}s fit",
                  {k: round(v * options.batch / len(order), 5) for k, v in sums.items()},
                  "check", [round(p.item(), 5) for p in parts], flush=True)

    with torch.no_grad():
        result = table().numpy()
    # [UNK] says nothing: visible only where nothing else is. See static_model_format.md.
    unknown = result[static_model.UNKNOWN]
    typical = numpy.median(numpy.linalg.norm(result[counts > 0], axis=1))
    result[static_model.UNKNOWN] = unknown * (typical / 500 / numpy.linalg.norm(unknown))
    numpy.save(options.output, result)
    revision = static_model.write(options.output.removesuffix(".npy") + ".model", result, vocabulary,
                                  static_model.MAX_TOKENS)
    print("revision", revision)


if __name__ == "__main__":
    main()
