"""Reads, writes and applies the static model's file.

The layout and the arithmetic are in docs/design/static_model_format.md; this
is their reference implementation. The tokenizer is Hugging Face's, built from
the model's own vocabulary.
"""

import hashlib
import os
import struct

import numpy
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

MAGIC, VERSION, HEADER_BYTES = b"EngramSM", 1, 256
FLAGS = 15  # lower-case, strip accents, split CJK, clean text
MAX_WORD_CHARACTERS, UNKNOWN = 100, 100
# Bounds the work a text can ask for. Beyond it a mean says little: on package
# descriptions 512 and no bound at all gave the same figures.
MAX_TOKENS = 512
HEADER = struct.Struct("<8s8IQ8Q")


def reference_tokenizer(vocabulary):
    """The uncased BERT tokenizer, without special tokens, even where text names one."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece(
        {token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]",
        max_input_chars_per_word=MAX_WORD_CHARACTERS))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def quantise(table):
    """Returns int8 rows and a float32 scale a row; a zero row has scale 0."""
    scales = (numpy.abs(table).max(axis=1) / 127).astype(numpy.float32)
    divisors = numpy.where(scales > 0, scales, 1)[:, None]
    return numpy.rint(table / divisors).astype(numpy.int8), scales


def write(path, table, vocabulary, max_tokens):
    """Writes float `table` (one weighted row a token) as a model; returns its revision."""
    rows, scales = quantise(table)
    tokens = [token.encode() for token in vocabulary]
    offsets = numpy.cumsum([0] + [len(token) for token in tokens], dtype=numpy.uint32)
    sections = [rows.tobytes(), scales.astype("<f4").tobytes(), offsets.astype("<u4").tobytes(),
                b"".join(tokens)]
    payload, places = bytearray(), []
    for section in sections:
        payload += bytes(-len(payload) % 64)
        places += [HEADER_BYTES + len(payload), len(section)]
        payload += section
    head = HEADER.pack(MAGIC, VERSION, HEADER_BYTES, rows.shape[1], rows.shape[0], max_tokens,
                       MAX_WORD_CHARACTERS, UNKNOWN, FLAGS, HEADER_BYTES + len(payload), *places)
    head = head.ljust(128, b"\0")
    revision = hashlib.sha256(head + payload).hexdigest()[:16]
    head += revision.encode().ljust(64, b"\0")
    head += hashlib.sha256(head + payload).digest()
    with open(path + ".tmp", "wb") as file:
        file.write(head.ljust(HEADER_BYTES, b"\0") + payload)
    os.replace(path + ".tmp", path)
    return revision


class StaticModel:
    """A model read from its file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        fields = HEADER.unpack_from(data)
        if fields[:3] != (MAGIC, VERSION, HEADER_BYTES) or fields[9] != len(data):
            raise ValueError(f"{path}: not a static model of version {VERSION}, or cut short")
        if hashlib.sha256(data[:192] + data[HEADER_BYTES:]).digest() != data[192:224]:
            raise ValueError(f"{path}: wrong checksum")
        self.revision = data[128:192].rstrip(b"\0").decode()
        self.max_tokens = fields[5] or None
        sections = [data[at : at + size] for at, size in zip(fields[10::2], fields[11::2])]
        rows = numpy.frombuffer(sections[0], numpy.int8).reshape(fields[4], fields[3])
        scales = numpy.frombuffer(sections[1], "<f4")
        offsets = numpy.frombuffer(sections[2], "<u4")
        vocabulary = [sections[3][a:b].decode() for a, b in zip(offsets, offsets[1:])]
        self.table = rows * scales[:, None]
        self.tokenizer = reference_tokenizer(vocabulary)

    def embed(self, texts):
        """Returns a normalised row a text; ValueError where a text has no token."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        out = numpy.empty((len(encodings), self.table.shape[1]), numpy.float32)
        for row, encoding in enumerate(encodings):
            if not encoding.ids:
                raise ValueError(f"text {row} has no token")
            total = self.table[encoding.ids[: self.max_tokens]].sum(axis=0)
            out[row] = total / numpy.linalg.norm(total)
        return out
