#!/usr/bin/env python3
"""Builds the training text of the tiny models from documentation packages of Debian 12 (section main).

    python3 tools/build_corpus.py --work /tmp/corpus

Downloads the packages below with `apt-get download`, unpacks them with `dpkg -x`, turns HTML, manual pages, POD,
reStructuredText and dictionaries into plain text, and writes `train.jsonl`, `valid.jsonl` (one document a line:
`source`, `text`) and `packages.txt` (the versions that were read) under --work. Nothing is committed: the text stays
under its own licenses. The split is by document: a document is for validation when its hash says so (about 1.5 %).
Needs apt, dpkg and groff. Takes about three minutes.
"""
from __future__ import annotations

import argparse
import collections
import gzip
import hashlib
import html.parser
import json
import multiprocessing
import pathlib
import re
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator

# package -> glob patterns of the files to read, below the package's root
PACKAGES: dict[str, list[str]] = {
    "apache2-doc": ["usr/share/doc/apache2-doc/manual/en/**/*.html"],
    "aptitude-doc-en": ["usr/share/doc/aptitude/html/en/*.html"],
    "bash-doc": ["usr/share/doc/bash/bashref.html"],
    "bind9-doc": ["usr/share/doc/bind9-doc/arm/*.html"],
    "debian-faq": ["usr/share/doc/debian/FAQ/*.html"],
    "debian-handbook": ["usr/share/doc/debian-handbook/html/en-US/*.html"],
    "debian-policy": ["usr/share/doc/debian-policy/policy.html/*.html", "usr/share/doc/debian-policy/*.html"],
    "debian-reference-en": ["usr/share/debian-reference/*.en.html"],
    "developers-reference": ["usr/share/developers-reference/*.html"],
    "dict-foldoc": ["usr/share/dictd/*.dict.dz"],
    "dict-jargon": ["usr/share/dictd/*.dict.dz"],
    "erlang-doc": ["usr/share/doc/erlang-doc/lib/[a-v]*/**/*.html", "usr/share/doc/erlang-doc/doc/**/*.html",
                   "usr/share/doc/erlang-doc/erts-*/doc/**/*.html"],
    "exim4-doc-html": ["usr/share/doc/exim4-doc-html/spec_html/*.html"],
    "git-doc": ["usr/share/doc/git-doc/**/*.txt", "usr/share/doc/git-doc/**/*.html"],
    "gnome-user-docs": ["usr/share/help/C/**/*.page"],
    "gnuplot-doc": ["usr/share/doc/gnuplot/htmldocs/*.html"],
    "installation-guide-amd64": ["usr/share/doc/installation-guide-amd64/en/*.html"],
    "libreoffice-help-en-us": ["usr/share/libreoffice/help/en-US/text/**/*.html"],
    "linux-doc-6.1": ["usr/share/doc/linux-doc-6.1/html/_sources/**/*.txt"],
    "maint-guide": ["usr/share/doc/maint-guide/html/*.en.html"],
    "manpages": ["usr/share/man/man*/*.gz"],
    "manpages-dev": ["usr/share/man/man*/*.gz"],
    "perl-doc": ["usr/share/perl/5.36.0/**/*.pod"],
    "postgresql-doc-15": ["usr/share/doc/postgresql-doc-15/html/*.html"],
    "python-django-doc": ["usr/share/doc/python-django-doc/html/[!_]*/**/*.html"],
    "python3.11-doc": ["usr/share/doc/python3.11/html/_sources/**/*.txt"],
    "rust-doc": [f"usr/share/doc/rust-doc/html/{part}/**/*.html"
                 for part in ("book", "reference", "nomicon", "rust-by-example", "edition-guide", "cargo", "rustc",
                              "embedded-book", "std", "alloc")],
    "sbcl-doc": ["usr/share/doc/sbcl/*.html", "usr/share/doc/sbcl/sbcl-internals/*.html"],
    "sqlite3-doc": ["usr/share/doc/sqlite3/**/*.html"],
    "zsh-doc": ["usr/share/doc/zsh-common/html/*.html"],
}
SKIP = re.compile(r"/translations/|/genindex|/py-modindex|/search\.html|print\.html|/all\.html|toc\.html")
MIN_BYTES = 400
MAX_REPEATS = 4  # a paragraph found in more documents than this is navigation or boilerplate


class TextOfHtml(html.parser.HTMLParser):
    """Collects the text of a page: block elements end a paragraph, scripts and navigation are left out."""

    BLOCKS = frozenset("p div li ul ol dl dt dd tr table h1 h2 h3 h4 h5 h6 section title item note page br".split())
    HIDDEN = frozenset("script style head nav header footer svg select button info".split())

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0
        self.preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.HIDDEN:
            self.hidden += 1
        elif tag == "pre":
            self.preformatted += 1
        if tag in self.BLOCKS or tag == "pre":
            self.parts.append("\n" if tag in ("li", "tr", "br", "dd", "item") else "\n\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        elif tag == "pre":
            self.preformatted = max(0, self.preformatted - 1)
        if tag in self.BLOCKS or tag == "pre":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data if self.preformatted else re.sub(r"\s+", " ", data))


def text_of_html(source: str) -> str:
    parser = TextOfHtml()
    parser.feed(source)
    return "".join(parser.parts)


def text_of_pod(source: str) -> str:
    """Drops POD's formatting codes (`C<...>`) and turns its commands into headings."""
    for _ in range(3):
        source = re.sub(r"\b[BCEFILSXZ]<(?:[^<>|]*\|)?([^<>]*)>", r"\1", source)
    source = re.sub(r"(?m)^=(?:head\d|item) +", "", source)
    return re.sub(r"(?m)^=\w+.*$", "", source)


def text_of_man(source: bytes) -> str:
    if source.startswith(b".so "):
        return ""
    command = ["groff", "-t", "-Tutf8", "-P-cbou", "-rLL=100n", "-dAD=l", "-mandoc"]
    return subprocess.run(command, input=source, capture_output=True, check=True).stdout.decode("utf-8", "replace")


def read_document(path: pathlib.Path) -> str:
    data = path.read_bytes()
    if path.suffix in (".gz", ".dz"):
        data = gzip.decompress(data)
    if "/man/" in str(path):
        return text_of_man(data)
    text = data.decode("utf-8", "replace")
    if path.suffix in (".html", ".page"):
        return text_of_html(text)
    return text_of_pod(text) if path.suffix == ".pod" else text


def tidy(text: str) -> str:
    """NFC, no trailing blanks, at most one empty line in a row, plain spaces."""
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\r", "").replace("\ufffd", "")
    text = re.sub(r"[\u00ad\u200b\u00b6]", "", text)
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n[ \t]?\n\s*\n", "\n\n", re.sub(r"\n{3,}", "\n\n", text))
    return text.strip() + "\n"


def convert(job: tuple[pathlib.Path, str]) -> tuple[str, str]:
    path, source = job
    return source, tidy(read_document(path))


def fetch_and_unpack(work: pathlib.Path) -> list[str]:
    """Downloads and unpacks every package; returns `name version` lines."""
    debs = work / "debs"
    for folder in (debs, work / "root"):
        folder.mkdir(parents=True, exist_ok=True)
    if missing := [name for name in PACKAGES if not list(debs.glob(f"{name}_*.deb"))]:
        subprocess.run(["apt-get", "download", *missing], cwd=debs, check=True)
    versions = []
    for name in PACKAGES:
        deb = next(debs.glob(f"{name}_*.deb"))
        if not (work / "root" / name).exists():
            subprocess.run(["dpkg", "-x", str(deb), str(work / "root" / name)], check=True)
        fields = subprocess.run(["dpkg-deb", "-f", str(deb), "Version"], capture_output=True, text=True, check=True)
        versions.append(f"{name} {fields.stdout.strip()}")
    return versions


def list_documents(root: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    for name, patterns in PACKAGES.items():
        for pattern in patterns:
            for path in sorted((root / name).glob(pattern)):
                if path.is_file() and not path.is_symlink() and not SKIP.search(str(path)):
                    yield path, f"{name}/{path.relative_to(root / name)}"


def without_repeats(documents: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Drops equal documents, mostly non-ASCII ones, and paragraphs that many documents share."""
    documents = list({text: source for source, text in documents if text.isascii() or
                      sum(map(str.isascii, text)) > 0.95 * len(text)}.items())
    counts = collections.Counter(p for text, _ in documents for p in set(text.split("\n\n")))
    for text, source in documents:
        kept = "\n\n".join(p for p in text.split("\n\n") if counts[p] <= MAX_REPEATS).strip() + "\n"
        if len(kept.encode()) >= MIN_BYTES:
            yield source, kept


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=pathlib.Path, required=True)
    work: pathlib.Path = arguments.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    (work / "packages.txt").write_text("\n".join(fetch_and_unpack(work)) + "\n")
    with multiprocessing.Pool() as pool:
        documents = pool.map(convert, list_documents(work / "root"), chunksize=16)
    sizes: collections.Counter[str] = collections.Counter()
    with open(work / "train.jsonl", "w") as train, open(work / "valid.jsonl", "w") as valid:
        for source, text in without_repeats(documents):
            held_out = int(hashlib.sha256(source.encode()).hexdigest(), 16) % 1000 < 15
            (valid if held_out else train).write(json.dumps({"source": source, "text": text}) + "\n")
            sizes["valid" if held_out else source.split("/")[0]] += len(text.encode())
    for name, size in sizes.most_common():
        print(f"{size / 1e6:8.2f} MB {name}")
    print(f"{sum(sizes.values()) / 1e6:8.2f} MB in all")


if __name__ == "__main__":
    main()
