#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizer/: strings with the ids that Hugging Face `tokenizers` gives them.

    python3 tools/make_tokenizer_fixtures.py --model models/tiny-qwen3 --out tests/fixtures/tokenizer

For the tiny model's tokenizer: `tiny-qwen3.jsonl` (the tokenizer itself is in the model's folder). For three synthetic
tokenizers, trained here on the same generated strings: a folder with `tokenizer.json` and `strings.jsonl`. Each line is
`{"category", "text", "ids", "ids_special"[, "decoded"]}`: the ids without and with the post-processor's special tokens,
and what decoding `ids` (special tokens kept) gives where that is not the text. `decode.jsonl` holds random ids of the
tiny tokenizer, most of them broken UTF-8, with their decoding: `{"ids", "text", "text_without_special"}`.
All strings are made by this file from a fixed seed.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import random
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from tokenizers import Tokenizer, processors

from train_tokenizer import QWEN3_PATTERN, SPECIAL_TOKENS, as_qwen, new_tokenizer, save, train

QWEN35_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
                  r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3_PATTERN = QWEN3_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
LLAMA3_SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
WHITE_SPACE = [*map(chr, [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
                          0x202F, 0x205F, 0x3000])]
NOT_SPACE = ["\u180e", "\u200b", "\u2060", "\ufeff", "\x1c", "\x1f"]  # taken for spaces by one engine or another

SENTENCES = [
    "The verifier runs the same tokens again and compares what it finds.", "A small model writes long manuals.",
    "She said that it wasn't here, but they'd seen it; we're sure he'll come.", "Nothing rounds twice on this road.",
    "Der Prüfer rechnet jede Zeile noch einmal, übergroße Äpfel inbegriffen.", "Le café où l’été s’achève, déjà.",
    "El niño pidió un vaso de agua fría mañana.", "Il perché è più che altro un’abitudine.", "Não há razão à vista.",
    "Zażółć gęślą jaźń, proszę.", "Příliš žluťoučký kůň.", "Ἡ γλῶσσα καὶ ὁ λόγος.", "Η μηχανή μετρά ξανά.",
    "Проверка повторяет каждый шаг, ещё раз.", "Її книжка лежить тут.", "यह वाक्य हिन्दी में लिखा है।", "তুমি কেমন আছো?",
    "தமிழ் ஒரு பழைய மொழி.", "ภาษาไทยไม่มีช่องว่าง", "ພາສາລາວ", "ქართული ენა", "Հայերեն լեզու", "שָׁלוֹם עוֹלָם", "هٰذَا نَصٌّ عَرَبِيٌّ قَصِير.",
    "این یک جملهٔ کوتاه است.", "你好，世界。今天算得很慢。", "東京の夜は今日も長いです。カタカナも、ひらがなも。", "한국어 문장을 하나 씁니다.",
    "Đây là tiếng Việt, có nhiều dấu.", "Işıklı İstanbul'da ılık bir akşam.", "አማርኛ ጽሑፍ ነው።", "မြန်မာစာ", "ខ្មែរ", "བོད་ཡིག",
    "ᏣᎳᎩ", "𐌰𐌱𐌲 𐍈", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛", "Þetta er íslenska.", "Ħobż tal-Malti.", "Llanfair, ŵy a thŷ.",
]
CODE = [
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];\n}\n", "def add(a, b):\n    return a + b  # one rounding\n",
    "SELECT id, name FROM runs WHERE score >= 0.95 ORDER BY 2 DESC;", "#include <vector>\r\n\r\nint main() { return 0; }\r\n",
    "if [ -f \"$1\" ]; then\n  cat -- \"$1\" | sed 's/^  //'\nfi\n", "let x = a?.b ?? {c: [1, 2, 3]};\n\n\n  // end   \n",
    "<p class=\"a\">x &amp; y</p>", "{\"k\": [null, true, -1.5e-07]}", "x=y\\n\\t%s%d\n", "a->b::c<d>(e)&&!f||~g^h%i",
    "0x1F 0b1010 1_000_000 3.14159e+00 1e6 0777", "\\frac{a}{b} \\leq \\sum_{i=1}^{n} x_i", "@@ -1,3 +1,4 @@\n-old\n+new\n",
    "user@example.org https://example.org/a/b?c=d&e=%20#f", "/usr/bin/env -S bash -eu", "*** **bold** _it_ `code` ***",
]
WORDS = "matrix round noise kernel replay sum order scale zero point group tile claim proof bits token draft north".split()
EMOJI = ["👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇯🇵", "1️⃣", "❤️‍🔥", "🫠", "🧑🏿‍🚀", "☃️", "™", "©️"]
APOSTROPHES = ["'s", "'S", "'t", "'re", "'RE", "'Ve", "'m", "'LL", "'d", "'\u017f", "'\u017fx", "\u2019s", "'x", "''s", " 's",
               "'ll've", "'r", "'l", "'\u212a", "'D3", "'\u0073\u0301"]
MARKS = [chr(c) for c in (*range(0x300, 0x370), 0x5B0, 0x5B4, 0x64B, 0x651, 0x93C, 0x94D, 0x9BE, 0x9D7, 0xE38, 0xE48, 0x1DC0,
                          0x20D0, 0x302A, 0x3099, 0x309A, 0x1D165, 0x1D16D)]
BASES = "aAeEiouycnszZxqkαωиЕआকกעا가かハ\u1100\u00c5\u1e9b\u212b\u2126"
HANGUL = [*map(chr, [0x1100, 0x1101, 0x1112, 0x1161, 0x1175, 0x11A7, 0x11A8, 0x11C2, 0xAC00, 0xAC01, 0xD7A3, 0xD788, 0x115F, 0x1160])]
NFC_EDGES = [*map(chr, [0x340, 0x341, 0x343, 0x344, 0x374, 0x37E, 0x387, 0x958, 0x95F, 0x9DC, 0xA33, 0xB5C, 0xF43, 0xF73, 0x1F71,
                        0x1FFB, 0x2000, 0x2126, 0x212A, 0x212B, 0x2329, 0x2ADC, 0xF900, 0xFA0E, 0xFB1D, 0xFB4E, 0x1D15E, 0x1D1BB,
                        0x2F800, 0x2FA1D, 0x11099, 0x1109A, 0x110BA, 0x1112E, 0x1134B, 0x114BB, 0x115BA, 0x11938])]
ADVERSARIAL = [*WHITE_SPACE, *NOT_SPACE, *APOSTROPHES, *"aZé1٣½Ⅷ漢ー'’_-.!\"#", "\r\n", "\n\n", "\u0301", "\u0308", "\u0e31", "🙂", "ſ",
               *SPECIAL_TOKENS, "<|im_", "|>", "\x00", "\x7f"]

Strings = Iterator[tuple[str, str]]


def random_text(rng: random.Random, pieces: list[str] | str, most: int) -> str:
    return "".join(rng.choices(pieces, k=rng.randint(1, most)))


def prose(rng: random.Random) -> str:
    words = rng.choices(WORDS, k=rng.randint(2, 12))
    return rng.choice(["", " ", "  "]) + rng.choice([" ", " ", "\n", "  ", ", ", "-"]).join(
        rng.choice([str.lower, str.capitalize, str.upper])(word) for word in words) + rng.choice(".!?:;\n")


def number(rng: random.Random) -> str:
    digits = rng.choice(["0123456789", "0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "²³¹½¼ⅣⅫ①⑳", "０１２３４", "𝟎𝟏𝟐"])
    return rng.choice(["", " ", "v", "-", "$", "  "]) + random_text(rng, digits, 12) + rng.choice(["", ".5", "%", "abc", "\n", ",000"])


def apostrophes(rng: random.Random) -> str:
    return "".join(rng.choice(["it", "WE", "I", "x1", "é", " ", "", "don"]) + rng.choice(APOSTROPHES)
                   for _ in range(rng.randint(1, 5)))


def spaces(rng: random.Random) -> str:
    return "".join(random_text(rng, [*WHITE_SPACE, *NOT_SPACE, " ", " "], 5) + rng.choice(["", "a", "Wort", "!", "7", "。"])
                   for _ in range(rng.randint(1, 5)))


def newlines(rng: random.Random) -> str:
    return "".join(random_text(rng, ["\r", "\n", "\r\n", " ", "\t", "\u2028"], 6) + rng.choice(["", "line", "?!", "3", "—"])
                   for _ in range(rng.randint(1, 6)))


def combining(rng: random.Random) -> str:
    return "".join(rng.choice(BASES) + random_text(rng, MARKS, rng.choice([1, 1, 2, 3, 8])) for _ in range(rng.randint(1, 6)))


def special(rng: random.Random) -> str:
    pieces = [*SPECIAL_TOKENS, *LLAMA3_SPECIAL, "<|im_start|", "<|endoftext|>>", "<<|im_end|>", " ", "\n", "user", "e\u0301", "Hi!"]
    return random_text(rng, pieces, 8)


def any_code_point(rng: random.Random, wanted: Callable[[str], bool]) -> str:
    while True:
        candidate = chr(rng.choice([rng.randrange(0x80, 0x3000), rng.randrange(0x3000, 0x20000), rng.randrange(0x110000)]))
        if not 0xD800 <= ord(candidate) < 0xE000 and wanted(candidate):
            return candidate


def code_points(rng: random.Random, wanted: Callable[[str], bool]) -> str:
    return "".join(any_code_point(rng, wanted) + rng.choice(["", "", " ", "a", "'s", "\n"]) for _ in range(rng.randint(1, 8)))


def is_assigned(c: str) -> bool:
    return unicodedata.category(c) != "Cn"


def all_strings(scale: int) -> Strings:
    """(category, text) pairs, about 38 x scale of them."""
    rng = random.Random(20)
    fixed = {"language": SENTENCES, "code": CODE, "emoji": EMOJI, "apostrophe": APOSTROPHES, "nfc_edge": NFC_EDGES,
             "empty": [""], "space": WHITE_SPACE + NOT_SPACE, "hangul": HANGUL}
    for category, texts in fixed.items():
        yield from ((category, text) for text in texts)
    yield from (("space", f"a{space}b{space}{space}c {space}\n{space}") for space in WHITE_SPACE + NOT_SPACE)
    yield from (("language", unicodedata.normalize("NFD", text)) for text in SENTENCES)
    yield from (("repeat", piece * count) for piece in ("a", " ", "\n", "=", "7", "é", "\u0301", "漢", "ab ", "👍")
                for count in (2, 3, 17, 100))
    generated: list[tuple[str, int, Callable[[], str]]] = [
        ("prose", 4, lambda: prose(rng)), ("number", 3, lambda: number(rng)), ("apostrophe", 3, lambda: apostrophes(rng)),
        ("space", 4, lambda: spaces(rng)), ("newline", 3, lambda: newlines(rng)), ("combining", 4, lambda: combining(rng)),
        ("hangul", 2, lambda: random_text(rng, HANGUL + [" ", "a"], 10)), ("special", 3, lambda: special(rng)),
        ("emoji", 1, lambda: random_text(rng, EMOJI + [" ", "ok", "\u200d", "\ufe0f"], 6)),
        ("nfc_edge", 2, lambda: random_text(rng, NFC_EDGES + MARKS, 8)),
        ("language", 2, lambda: random_text(rng, SENTENCES + [" ", "\n"], 4)),
        ("code", 1, lambda: random_text(rng, CODE + ["\n", "    "], 4)),
        ("adversarial", 4, lambda: random_text(rng, ADVERSARIAL, 20)),
        ("code_point", 2, lambda: code_points(rng, is_assigned)),
        ("unassigned_in_unicode_14", 1, lambda: code_points(rng, lambda c: not is_assigned(c)))]
    for category, share, make in generated:
        yield from ((category, make()) for _ in range(share * scale))


def write_strings(tokenizer: Tokenizer, strings: Strings, path: pathlib.Path) -> None:
    with open(path, "w") as out:
        for category, text in strings:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            line = {"category": category, "text": text, "ids": ids, "ids_special": tokenizer.encode(text).ids}
            decoded = tokenizer.decode(ids, skip_special_tokens=False)
            if decoded != text:
                line["decoded"] = decoded
            out.write(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n")


def write_decoding(tokenizer: Tokenizer, path: pathlib.Path) -> None:
    rng = random.Random(21)
    size = tokenizer.get_vocab_size()
    with open(path, "w") as out:
        for _ in range(400):
            ids = [rng.randrange(rng.choice([256, 256, size])) for _ in range(rng.randint(1, 12))]
            ids += rng.choices(range(size - len(SPECIAL_TOKENS), size), k=rng.randrange(2))
            line = {"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False),
                    "text_without_special": tokenizer.decode(ids)}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")


def qwen35_like(texts: list[str]) -> dict[str, Any]:
    tokenizer = new_tokenizer(QWEN35_PATTERN, nfc=True)
    train(tokenizer, texts, 1000, SPECIAL_TOKENS)
    return as_qwen(tokenizer)


def llama3_like(texts: list[str]) -> dict[str, Any]:
    """Every third merge is dropped while its token stays, so that `ignore_merges` changes the result."""
    tokenizer = new_tokenizer(LLAMA3_PATTERN, nfc=False)
    train(tokenizer, texts, 800, LLAMA3_SPECIAL)
    begin = LLAMA3_SPECIAL[0]
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{begin} $A", pair=f"{begin} $A {begin} $B",
                                      special_tokens=[(begin, tokenizer.token_to_id(begin))])])
    data = json.loads(tokenizer.to_str())
    data["model"]["ignore_merges"] = True
    data["model"]["merges"] = [merge for i, merge in enumerate(data["model"]["merges"]) if i % 3 != 2]
    return data


def old_merges(texts: list[str]) -> dict[str, Any]:
    """Merges as strings "a b" and no `ignore_merges`, as files of 2023 have them."""
    tokenizer = new_tokenizer(QWEN3_PATTERN, nfc=True)
    train(tokenizer, texts, 600, SPECIAL_TOKENS)
    data = as_qwen(tokenizer)
    data["model"]["merges"] = [" ".join(merge) for merge in data["model"]["merges"]]
    del data["model"]["ignore_merges"]
    return data


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    out: pathlib.Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    tiny = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    write_strings(tiny, all_strings(80), out / "tiny-qwen3.jsonl")
    write_decoding(tiny, out / "decode.jsonl")
    texts = [text for category, text in all_strings(20) if category != "special"]
    for name, make in {"qwen35-like": qwen35_like, "llama3-like": llama3_like, "old-merges": old_merges}.items():
        tokenizer = save(make(texts), out / name / "tokenizer.json")
        write_strings(tokenizer, all_strings(8), out / name / "strings.jsonl")


if __name__ == "__main__":
    main()
