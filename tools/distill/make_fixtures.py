#!/usr/bin/env python3
"""Makes the fixtures that hold another implementation to this one.

  wordpiece_fixture.jsonl      2,000 strings with the reference tokenizer's ids
  static_model_fixture.jsonl   texts with the vector that the model gives

Beside the reference runs a second tokenizer, written from the rules in
docs/design/static_model_format.md alone. Where they differ the string is left
out and counted: that happens only for characters whose Unicode properties
changed after the reference's tables were made.
"""

import argparse
import bz2
import glob
import json
import os
import random
import re
import unicodedata

import static_model

SEED = 20261120
COUNT = 2000
CJK = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
       (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
ASCII_PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

# One string a rule, or a corner of one.
CORNERS = [
    "", " ", "\t\r\n", "\u00a0\u3000", "\u200b", "\x00\ufffd\x07", "[CLS] [SEP] [UNK] [PAD] [MASK]",
    "[CLS][unused1]##ing ##s", "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 100, "한" * 33,
    "한" * 34, "한" * 51, "x" * 100 + " " + "y" * 101 + " tail", "-" * 150, "a-" * 120, "中" * 120,
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "Ünïcödé ÀÉÎÕÜ ñ ç ø đ ł ı",
    "İstanbul IĞDIR ısı iİıI Iı", "ΟΔΥΣΣΕΥΣ ΣΊΣΥΦΟΣ ς σ Σ", "ß ẞ STRASSE Straße GROẞ", "ﬁ ﬂ ﬀ ĳ Ǆ ǅ ǆ Ŀ ŉ",
    "ＦＵＬＬＷＩＤＴＨ ｆｕｌｌ １２３ ！？", "𝐁𝐨𝐥𝐝 𝓢𝓬𝓻𝓲𝓹𝓽 𝟙𝟚𝟛", "Å Å A\u030a Ω Ω K K", "ǖ u\u0308\u0304 u\u0304\u0308 ṩ s\u0323\u0307 s\u0307\u0323",
    "q\u0307\u0323 q\u0323\u0307", "Tiếng Việt: Đặng Thái Sơn, Nguyễn Ái Quốc, phở, ưu đãi",
    unicodedata.normalize("NFD", "Tiếng Việt: Đặng Thái Sơn, Nguyễn Ái Quốc"), "한국어 문장을 토큰으로 나눈다 각",
    unicodedata.normalize("NFD", "한국어 문장을 토큰으로"), "ㄱㄴㄷ ㅏㅑ ᄀ각", "日本語の文章、カタカナとｶﾀｶﾅ。「引用」", "がぎぐ パピプ か\u3099 は\u309a",
    "中文分词：你好，世界！", "漢字かな交じり文abc漢", "㐀㐁𠀀𠀁𪜀𫝀𫠠𫤠豈更丽", "㈱㍿①②③Ⅷⅷ½¼", "العربية: مُحَمَّد ١٢٣ ؟ ، ـ", "שָׁלוֹם עולם־", "हिन्दी में नमस्ते ज़िंदगी क्ष",
    "ภาษาไทย น้ำ ที่นี่ ไม่", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "Հայերեն և ՀԱՅԵՐԵՆ", "Ꭰꭰ ᏸ", "ДЕБИАН Ёлка ёлка Йод й и\u0306 ї", "ᾳ ᾼ ῼ Ώ ώ ᾷ",
    "👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 1️⃣ ☺ ☺️", "text😀emoji😀text", "I ❤ NY ❤️", "€ £ ¥ ₹ ₿ © ® ™ ° ± × ÷ ¬ ¦", "“quotes” ‘single’ «guillemets» „low‟ ‹a›",
    "en–dash em—dash minus− hyphen‐ nb‑hyphen soft\u00adhyphen", "ellipsis… dots... ⋯ bullet• ‣ ⁃ · ‧", "§1 ¶2 †3 ‡4 №5 ‰ ′″ ‽ ⁇", "¿Qué? ¡Hola! ª º",
    "zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffbom", "left\u200eright\u200f\u202aembed\u202c\u2066iso\u2069", "\ufeffstart", "line\u2028para\u2029end",
    "tab\tnl\ncr\rvt\vff\fnel\u0085end", "a\x01b\x1fc\x7fd\x80e\x9ff", "a\u1680b\u2003c\u205fd\u202fe", "\ue000private\uf8ff \U000f0000",
    "unassigned\u0378here", "non\ufdd0char\uffff", "keep_under_scores and-dashes and.dots", "C++ C# F# .NET node.js R&D AT&T", "a+b=c; x<y>z | w ^ v ~u `t` $s",
    "http://www.example.org/~user/a%20b?q=1&r=2#frag", "git+ssh://git@host.example:2222/repo.git", "user.name+tag@example.co.uk", "/usr/lib/x86_64-linux-gnu/libfoo.so.1.2.3",
    "std::vector<std::unique_ptr<T>> v{1, 2};", "if (a && !b || c != d) { return -1; }", "SELECT * FROM t WHERE a = 'b''c';", "$(echo \"${HOME}\" | sed -e 's/x/y/g')",
    "printf(\"%5.2f\\n\", 3.14e-10);", "0xDEADBEEF 1e10 1,234,567.89 12:34:56 2026-11-20T23:59:59Z", "v1.2.3~rc1+dfsg-4+deb12u1", "10.0.0.1/8 ::1 fe80::1%eth0 00:1A:2B:3C:4D:5E",
    "camelCase PascalCase SCREAMING_CASE kebab-case", "don't can't it's o'clock 'tis rock'n'roll", "naïve café résumé Zoë coöperate façade", "Łódź Kraków Gdańsk źdźbło", "Þórr Ægir ðæt Œuvre œil Øre",
    "Ŝanĝo ĉiuĵaŭde eĥo", "Čeština řeřicha Žižkov", "Magyarország árvíztűrő tükörfúrógép", "Türkçe ĞÜŞİÖÇ ğüşiöç", "Română șț şţ ăâî", "x̂ ȳ z̃ a̧ o̧̊ n̈", "Z̸̡̛a̵l̶g̷o̴", "\u0301leading mark", "  spaces   between  ",
    "ʰ ʷ ˈ ˌ ː ʔ ɪŋɡlɪʃ ˀ", "α₁ x² H₂O m³ ⁿ ₙ", "→ ← ⇒ ∀ ∃ ∑ ∞ ≠ ≤ √ ∫", "░▒▓ ┌─┐ █ ▲ ♠ ♪ ✓ ✗ ★", "\U0001d400\U0001f600\U00020000\U0002f800", "ᠮᠣᠩᠭᠣᠯ བོད་ཡིག ខ្មែរ မြန်မာ සිංහල ລາວ አማርኛ",
]


def followed_rules(vocabulary):
    """Returns a tokenizer written from the documented rules alone."""
    ids = {token: i for i, token in enumerate(vocabulary)}

    def is_cjk(c):
        return any(low <= ord(c) <= high for low, high in CJK)

    def clean(text):
        for c in text:
            if c in "\t\n\r" or unicodedata.category(c) in ("Zs", "Zl", "Zp"):
                yield " "
            elif c != "\ufffd" and unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"):
                yield c

    def pieces(word):
        if len(word) > static_model.MAX_WORD_CHARACTERS:
            return [static_model.UNKNOWN]
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in ids:
                    break
            else:
                return [static_model.UNKNOWN]
            found.append(ids[piece])
            start = end
        return found

    def tokenize(text):
        text = "".join(f" {c} " if is_cjk(c) else c for c in clean(text))
        text = unicodedata.normalize("NFD", text)
        text = "".join(c.lower() for c in text if unicodedata.category(c) != "Mn")
        text = "".join(f" {c} " if c in ASCII_PUNCTUATION or unicodedata.category(c)[0] == "P" else c
                       for c in text)
        return [i for word in text.split() for i in pieces(word)]

    return tokenize


def snippets(rng, texts, count, least=1, most=280):
    """Returns spans of `texts`, some cut in the middle of a word or a mark."""
    out = []
    for text in rng.sample(texts, min(len(texts), count)):
        start = 0 if rng.random() < 0.6 else rng.randrange(len(text))
        out.append(text[start : start + rng.randint(least, most)])
    return out


def translations(directory):
    """Yields (language, descriptions) of apt's Translation-*.bz2 files."""
    for path in sorted(glob.glob(os.path.join(directory, "*.bz2"))):
        with bz2.open(path, "rt", encoding="utf-8") as file:
            found = re.findall(r"^Description-\S+: (.*(?:\n .*)*)", file.read(4 << 20), re.M)
        yield os.path.basename(path), sorted({text for text in found if not text.isascii()})


def random_mixture(rng):
    """A string of characters from blocks that the vocabulary knows or nearly knows."""
    blocks = [(0x20, 0x7E)] * 4 + [
        (0x00, 0x1F), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5F4),
        (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE5B), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x20BF), (0x2100, 0x218F),
        (0x2200, 0x22FF), (0x2500, 0x26FF), (0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xACFF), (0xF900, 0xF91F), (0xFB00, 0xFB06),
        (0xFF00, 0xFF9F), (0x1D400, 0x1D4FF), (0x1F300, 0x1F64F), (0x20000, 0x20010)]
    chosen = rng.sample(blocks, rng.randint(1, 4))
    return "".join(chr(rng.randint(*rng.choice(chosen))) + (" " if rng.random() < 0.15 else "")
                   for _ in range(rng.randint(3, 60)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True, help="texts.py's texts.jsonl")
    parser.add_argument("--translations", required=True, help="directory of apt's Translation-*.bz2")
    parser.add_argument("--unpacked", required=True, help="where texts.py unpacked the packages")
    parser.add_argument("--output", required=True, help="directory for both fixtures")
    options = parser.parse_args()
    rng = random.Random(SEED)

    with open(options.texts, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    by_kind = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row["text"])
    manuals = []
    for path in sorted(glob.glob(os.path.join(options.unpacked, "*/usr/share/**/*"), recursive=True)):
        if path.endswith((".c", ".py", ".sh", ".sql", ".conf", ".awk", ".pl", ".xml", ".tcl")) and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                manuals += [line.rstrip("\n") for line in file.read(20000).split("\n") if len(line) > 12]

    texts = list(CORNERS)
    texts += snippets(rng, by_kind["package"], 450)
    texts += snippets(rng, by_kind["paragraph"], 150)
    texts += snippets(rng, by_kind["query"], 60)
    texts += snippets(rng, sorted(set(manuals)), 250)
    for _, found in translations(options.translations):
        texts += snippets(rng, found, 40, most=140)
    while len(texts) < COUNT + 300:
        texts.append(random_mixture(rng))

    model = static_model.StaticModel(options.model)
    reference = model.tokenizer
    vocabulary = [token for token, _ in sorted(reference.get_vocab().items(), key=lambda item: item[1])]
    rules = followed_rules(vocabulary)
    kept, differing = {}, []
    for text in texts:
        ids = reference.encode(text, add_special_tokens=False).ids
        if rules(text) != ids:
            differing.append(text)
        elif len(kept) < COUNT:
            kept[text] = ids
    with open(os.path.join(options.output, "wordpiece_fixture.jsonl"), "w", encoding="ascii") as file:
        for text, ids in kept.items():
            file.write(json.dumps({"text": text, "ids": ids}, separators=(",", ":")) + "\n")
    unknown = sum(static_model.UNKNOWN in ids for ids in kept.values())
    print(f"{len(kept)} strings, {unknown} with an unknown word, {len(differing)} left out:")
    for text in differing:
        print("  ", ascii(text[:150]))

    # For the vectors: one of every sort, an unknown-only one, and long ones.
    sample = CORNERS[16:22] + ["photo editor", "the the the cat", "✓ ✓", "a", "\u2603 snowman"]
    sample += snippets(rng, by_kind["package"], 20, least=200, most=1500) + snippets(rng, by_kind["query"], 12)
    longest = max(by_kind["package"], key=len)
    sample += [longest, longest[:4000]] + [text for _, found in translations(options.translations) for text in found[:1]][:8]
    with open(os.path.join(options.output, "static_model_fixture.jsonl"), "w", encoding="ascii") as file:
        for text in sample:
            vector = [round(float(x), 5) for x in model.embed([text])[0]]
            file.write(json.dumps({"text": text, "vector": vector}, separators=(",", ":")) + "\n")
    print(f"{len(sample)} texts with vectors, model {model.revision}")


if __name__ == "__main__":
    main()
