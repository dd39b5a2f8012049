#!/usr/bin/env python3
"""faiss_test.py <folder of programs>: a saved graph, opened by FAISS's own package.

The file that search saves of an index's graph is a FAISS IndexHNSWSQ, or, of
float32, an IndexHNSWFlat. What the newest FAISS finds in it, searching as wide and scored again by the vectors
themselves, mapped from the file that search maps them from, must be as near to
the truth as what search finds.
"""

import pathlib
import struct
import subprocess
import tempfile
import unittest

import processes

processes.run_by_python_with("numpy", "faiss")

import faiss  # noqa: E402  It is not in every Python.
import numpy as np  # noqa: E402

COUNT, QUERIES, DIMENSIONS = 20_000, 300, 64
LIMIT, WIDTH = 10, 16


def clustered(count, random, centers):
    """Vectors that lie as those of texts do: in clusters, and off them in a few directions."""
    noise = random.standard_normal((count, 16)) @ centers[:16] / 4
    rows = centers[random.integers(len(centers), size=count)] + noise
    return (rows + random.standard_normal(rows.shape) / 5).astype(np.float32)


class FaissTest(unittest.TestCase):
    binaries = None  # The folder of Engram's programs; set by main.

    def compare(self, metric, bits):
        random = np.random.default_rng(7)
        centers = random.standard_normal((100, DIMENSIONS))
        rows, queries = (clustered(n, random, centers) for n in (COUNT, QUERIES))
        if metric == "dot":
            for each in (rows, queries):
                each /= np.linalg.norm(each, axis=1, keepdims=True)
        # The larger, the nearer.
        scores = queries @ rows.T
        if metric == "l2":
            scores = 2 * scores - (rows ** 2).sum(axis=1)
        nearest = np.argsort(-scores, axis=1)[:, :LIMIT]

        def recall(found, vectors):
            """Of the `LIMIT` best of `found`, scored by `vectors`."""
            self.assertEqual(found.shape, (QUERIES, WIDTH))
            total = 0
            for query, nodes, true in zip(queries, found, nearest):
                again = vectors[nodes] @ query
                if metric == "l2":
                    again = -((vectors[nodes] - query) ** 2).sum(axis=1)
                best = nodes[np.argsort(-again)[:LIMIT]]
                total += len(set(best) & set(true)) / LIMIT
            return total / QUERIES

        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            rows.tofile(path / "vectors")
            queries.tofile(path / "queries")
            subprocess.run([f"{self.binaries}/saved_graph", metric,
                            str(DIMENSIONS), str(bits), str(WIDTH), folder],
                           check=True)
            ours = recall(np.fromfile(path / "found", np.uint32)
                          .reshape(QUERIES, WIDTH).astype(np.int64), rows)
            # docs/design/index_cache.md draws it.
            self.assertEqual((path / "base").read_bytes()[:24],
                             struct.pack("<8sQQ", b"engrbas1", 4 * DIMENSIONS, COUNT))
            vectors = np.memmap(path / "base", np.float32, "r", 65_536, (COUNT, DIMENSIONS))
            index = faiss.read_index(str(path / "graph.faiss"))

        self.assertIsInstance(index, faiss.IndexHNSWFlat if bits == 32 else faiss.IndexHNSWSQ)
        self.assertEqual((index.ntotal, index.d), (COUNT, DIMENSIONS))
        self.assertEqual(index.metric_type, faiss.METRIC_L2 if metric == "l2"
                         else faiss.METRIC_INNER_PRODUCT)
        if bits == 32:
            self.assertTrue((index.storage.reconstruct_n(0, COUNT) == rows).all())
        else:
            self.assertEqual(faiss.downcast_index(index.storage).sq.qtype,
                             faiss.ScalarQuantizer.QT_8bit_uniform if bits == 8
                             else faiss.ScalarQuantizer.QT_4bit_uniform)
        faiss.omp_set_num_threads(1)  # For so little more cost more than they bring.
        index.hnsw.efSearch = WIDTH
        theirs = recall(index.search(queries, WIDTH)[1], vectors)
        print(f"{metric}, {bits} bits: recall@{LIMIT} of {ours:.4f} by search, "
              f"{theirs:.4f} by faiss {faiss.__version__}")
        # Else there would be nothing to see.
        self.assertGreater(ours, 0.9)
        self.assertLess(ours, 1)
        self.assertLess(abs(ours - theirs), 0.01)

    def test_cosine(self):
        self.compare("dot", 8)

    def test_l2(self):
        self.compare("l2", 8)

    def test_cosine_of_4_bits(self):
        self.compare("dot", 4)

    def test_l2_of_4_bits(self):
        self.compare("l2", 4)

    def test_cosine_of_float32(self):
        self.compare("dot", 32)

    def test_l2_of_float32(self):
        self.compare("l2", 32)


if __name__ == "__main__":
    processes.main(FaissTest)
