"""How quick the tokenizers are: splitting a text for the page, encoding a megabyte, training a vocabulary."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SIX = "gpt2 o200k qwen mistral bert tiny-lm"


def prose(n_char: int) -> Iterator[str]:
    """Pieces of real text, each of n_char characters, none twice: the standard library's own sources."""
    whole = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(Path(dataclasses.__file__).parent.glob("*.py"))
    )
    for at in range(0, len(whole) - n_char, n_char):
        yield whole[at : at + n_char]


def took(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(rounds: int, report: Callable[[str, float, float | None, str], None]) -> None:
    """All three, each beside the library that does only that."""
    import assets
    from models import tokenizer_splits
    from models.tokenizer_reference import reference
    from viz import tokenizer_splits as pictures

    wanted = ("tiktoken-gpt2", "tiktoken-o200k", "qwen", "mistral", "minilm")
    if missing := [name for name in wanted if not assets.present(name)]:
        print(f"tokenizers: not measured (python -m assets fetch {' '.join(missing)})")
        return
    from ui.catalogue import entries

    words = {name: block["en"] for name, block in entries()["tokenizer-splits"].spec["words"].items()}
    names = SIX.split()
    libraries = [encode for name in names if (encode := reference(name))]
    found: dict[str, list[float]] = {"page": [], "floor": []}
    for turn, text in zip(range(rounds + 2), prose(10_000), strict=False):
        cfg = tokenizer_splits.Config(text=text, tokenizers=SIX)
        page = took(lambda cfg=cfg: pictures.staff(tokenizer_splits.trace(cfg), words, {}, []))  # type: ignore[misc]
        floor = took(lambda text=text: [encode(text) for encode in libraries])  # type: ignore[misc]
        if turn >= 2:
            found["page"].append(page * 1e3)
            found["floor"].append(floor * 1e3)
    title = "new text of 10,000 characters, six tokenizers"
    report(title, statistics.median(found["page"]), statistics.median(found["floor"]), "ms")
    encoding(report)
    training(report)


def encoding(report: Callable[[str, float, float | None, str], None]) -> None:
    """One megabyte of source code through our GPT-2 and tiktoken's."""
    import tiktoken

    from models import tokenizer

    text = next(prose(1_000_000))
    ours, theirs = tokenizer.load("gpt2"), tiktoken.get_encoding("gpt2")
    theirs.encode_ordinary(text[:1000])
    report(
        "1 MB through our GPT-2 BPE (floor: tiktoken)",
        took(lambda: ours.split(text)),
        took(lambda: theirs.encode_ordinary(text)),
        "s",
    )


def training(report: Callable[[str, float, float | None, str], None]) -> None:
    """50,000 characters to 2,000 tokens by each algorithm, beside `tokenizers` training its own of that name."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from models.tokenizer_training import Config, task_of
    from models.trained_vocabulary import learn

    text = next(prose(50_000))
    library = {
        "bpe": (models.BPE(), trainers.BpeTrainer(vocab_size=2_000, show_progress=False)),
        "wordpiece": (models.WordPiece(), trainers.WordPieceTrainer(vocab_size=2_000, show_progress=False)),
        "unigram": (models.Unigram(), trainers.UnigramTrainer(vocab_size=2_000, show_progress=False)),
    }
    for algorithm, (model, trainer) in library.items():
        theirs = Tokenizer(model)
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        cfg = Config(algorithm=algorithm, corpus="own", text=text, vocab_size=2_000)
        page = took(lambda cfg=cfg: learn(task_of(cfg)))  # type: ignore[misc]
        floor = took(lambda theirs=theirs, trainer=trainer: theirs.train_from_iterator([text], trainer))  # type: ignore[misc]
        report(f"50,000 characters to 2,000 tokens: {algorithm}", page, floor, "s")
