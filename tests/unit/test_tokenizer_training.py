"""Every field of the training's Trace against tokenizers run step by step, lists of all segmentations, and loops."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from models import tokenizer_training as page
from models import trained_vocabulary, training_corpus, training_reference, unigram
from models.tokenizer_training import Config, Trace, check, facts, trace
from models.training_corpus import pretokenize, supplied

MERGING = ("bpe", "byte-bpe", "wordpiece")
PRETOKENIZERS = ("gpt2", "cl100k", "whitespace", "none")
SMALL = "low lower lowest, new newer newest: 低潮比高潮低。 The lowest tide is low 🙂\n\nslow, slower, slowest low\n"


@lru_cache
def shown(algorithm: str, **values: object) -> Trace:
    return trace(Config(**{"algorithm": algorithm, "vocab_size": 330, "step": 7, **values}))  # type: ignore[arg-type]


def boundaries(seen: Trace, frame: int) -> list[int]:
    """Where the shown text is cut in this frame, from `until` or `bits`."""
    if seen.until is not None:
        return [i + 1 for i, until in enumerate(seen.until.tolist()) if until > frame]
    assert seen.bits is not None
    return [i + 1 for i, bits in enumerate(seen.bits.tolist()) if bits >> frame & 1]


def cuts_of(pieces: list[str]) -> list[int]:
    return list(itertools.accumulate(map(len, pieces)))[:-1]


def by_frequency(text: str) -> list[str]:
    """The text's characters, the most frequent first, of equals the earlier code point."""
    return [character for character, _ in sorted(Counter(text).items(), key=lambda item: (-item[1], ord(item[0])))]


def set_apart(words: list[str], rare: set[str]) -> list[str]:
    """Words cut by a loop: every rare character stands alone."""
    parts = []
    for word in words:
        open_ = False
        for character in word:
            if open_ and character not in rare:
                parts[-1] += character
            else:
                parts.append(character)
            open_ = character not in rare
    return parts


def by_library(seen: Trace, frame: int, words: list[str]) -> list[list[str]]:
    """The words cut with the merges up to this frame, or with this frame's Unigram model, by tokenizers."""
    merges = [tuple(seen.piece[i] for i in seen.pair[k, 0]) for k in range(frame)]
    if seen.algorithm == "bpe":
        cut = training_reference.bpe(list(dict.fromkeys(seen.piece)), merges, in_bytes=False)
        return [cut(word) for word in words]
    assert seen.algorithm == "wordpiece"
    rows = []
    for word in words:
        row = [word[0], *("##" + c for c in word[1:])]
        for left, right in merges:
            at = 0
            while at < len(row) - 1:
                if (row[at], row[at + 1]) == (left, right):
                    row[at : at + 2] = [left + right[2:]]
                at += 1
        rows.append(row)
    return rows


# --- texts and words -------------------------------------------------------------------------------------------------


@given(st.text(max_size=80))
@settings(max_examples=150)
def test_words_are_the_text(text: str) -> None:
    for name in PRETOKENIZERS:
        assert "".join(pretokenize(text, name)) == text


@pytest.mark.parametrize("corpus", ["shakespeare", "chinese", "python", "own"])
def test_pre_tokenizers_are_those_of_tokenizers(corpus: str) -> None:
    text = supplied(corpus)
    # Oniguruma, which tokenizers uses, reads {1,3}+ as "once or more", not as "and do not go back".
    cl100k = training_corpus.patterns()["cl100k"].replace("{1,3}+", "{1,3}")
    theirs = {
        "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        "cl100k": pre_tokenizers.Split(Regex(cl100k), "isolated"),
        "whitespace": pre_tokenizers.Split(Regex(r"\s+"), "isolated"),
    }
    for name, library in theirs.items():
        assert pretokenize(text, name) == [text[a:b] for _, (a, b) in library.pre_tokenize_str(text)]
    assert pretokenize(text, "none") == [text]


def test_supplied_texts() -> None:
    for name in ("shakespeare", "chinese", "python"):
        assert len(supplied(name)) == 50_000
    first = sorted(Path(page.__file__).parent.glob("[a-z]*.py"))[0]
    assert supplied("python").startswith(first.read_text(encoding="utf-8")[:100])  # __init__.py is empty
    assert Config().text == supplied("own")


def test_byte_fallback_sets_rare_characters_apart() -> None:
    task = page.task_of(Config(corpus="own", text=SMALL, byte_fallback=True, min_frequency=3, vocab_size=500))
    given_ = training_corpus.corpus(task)
    count = Counter(SMALL)
    assert given_.rare == {c for c in count if count[c] < 3}
    assert "".join(given_.words) == SMALL
    assert all(word in given_.rare or not set(word) & given_.rare for word in given_.words)
    assert given_.count == Counter(word for word in given_.words if word not in given_.rare)
    assert given_.n_rare_token == sum(len(c.encode()) for c in SMALL if count[c] < 3)
    assert given_.fallback == tuple(bytes([i]) for i in range(256))
    seen = trace(Config(text=SMALL, byte_fallback=True, min_frequency=3, vocab_size=500))
    assert not set("".join(seen.piece[258:])) & given_.rare
    # The bytes stay apart in every frame, and are counted.
    assert seen.n_token[0] == sum(1 if c not in given_.rare else len(c.encode()) for c in SMALL)


@pytest.mark.parametrize("corpus", ["shakespeare", "chinese", "python", "own"])
@pytest.mark.parametrize("vocab_size", [50, 200, 400, 2_000])
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_the_alphabet_is_the_most_frequent_characters(corpus: str, vocab_size: int, byte_fallback: bool) -> None:
    text, words = supplied(corpus), pretokenize(supplied(corpus), "gpt2")
    order, count = by_frequency(text), Counter(text)
    room = max((vocab_size - 2 - 256 * byte_fallback) // 2, 1)
    least = 3 if byte_fallback else 1
    for algorithm in ("bpe", "unigram"):
        cfg = Config(algorithm, corpus, vocab_size=vocab_size, byte_fallback=byte_fallback, min_frequency=3)
        given_ = training_corpus.corpus(page.task_of(cfg))
        rare = {*order[room:], *(c for c in order if count[c] < least)}
        assert given_.rare == rare
        assert given_.words == tuple(set_apart(words, rare))
        assert given_.n_rare == sum(count[c] for c in rare)
        assert given_.n_rare_token == sum(count[c] * (len(c.encode()) if byte_fallback else 1) for c in rare)
        assert len(order) - len(rare) <= room
    assert not training_corpus.corpus(page.task_of(Config("byte-bpe", corpus, vocab_size=vocab_size))).rare


@pytest.mark.parametrize("corpus", ["shakespeare", "chinese", "python"])
@pytest.mark.parametrize("vocab_size", [50, 200, 500, 2_000])
def test_wordpiece_counts_a_character_twice(corpus: str, vocab_size: int) -> None:
    """Its alphabet, with and without "##", takes at most half; with one character more it would be too large."""
    order, room = by_frequency(supplied(corpus)), (vocab_size - 2) // 2
    given_ = training_corpus.corpus(page.task_of(Config("wordpiece", corpus, vocab_size=vocab_size)))

    def n_piece(n: int) -> int:
        words = set_apart(pretokenize(supplied(corpus), "gpt2"), set(order[n:]))
        kept = [word for word in words if word not in order[n:]]
        return len({word[0] for word in kept}) + len({c for word in kept for c in word[1:]})

    n = len(order) - len(given_.rare)
    assert given_.rare == set(order[n:])
    assert n_piece(n) <= room
    assert n == len(order) or n_piece(n + 1) > room


def test_the_alphabet_is_that_of_the_librarys_limit() -> None:
    """tokenizers breaks ties at the limit by chance, so the limit stands where there is none."""
    text = supplied("chinese")
    order, count = by_frequency(text), Counter(text)
    size = next(size for size in range(300, 2_000, 2) if count[order[size // 2 - 1]] > count[order[size // 2]])
    limit = size // 2
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\ue000", "removed")
    trainer = trainers.BpeTrainer(limit_alphabet=limit, vocab_size=limit, special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    seen = trace(Config(corpus="chinese", vocab_size=size + 2))
    assert seen.n_alphabet == limit
    assert set(seen.piece[2 : 2 + limit]) == set(tokenizer.get_vocab())


# --- the fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["bpe", "wordpiece"])
@pytest.mark.parametrize("pretokenizer", PRETOKENIZERS)
def test_frames_of_merges(algorithm: str, pretokenizer: str) -> None:
    seen = shown(algorithm, pretokenizer=pretokenizer, text=SMALL * 2, vocab_size=90)
    words = pretokenize(SMALL * 2, pretokenizer)
    for frame in range(seen.n_step + 1):
        rows = by_library(seen, frame, words)
        pieces = [piece.removeprefix("##") if algorithm == "wordpiece" else piece for row in rows for piece in row]
        assert "".join(pieces) == SMALL * 2  # conservation
        assert boundaries(seen, frame) == cuts_of(pieces)
        assert seen.n_token[frame] == len(pieces)
        assert seen.curve[frame] == pytest.approx(len(SMALL) * 2 / len(pieces))
        vocabulary = {seen.piece[i] for i in range(len(seen.piece)) if seen.born[i] <= frame < seen.gone[i]}
        assert seen.axis[frame] == len(vocabulary)
        assert {piece for row in rows for piece in row} <= vocabulary


@pytest.mark.parametrize("pretokenizer", ["gpt2", "none"])
def test_frames_of_byte_level_merges(pretokenizer: str) -> None:
    """Bytes merged by a loop; a boundary of the text is one that a whole character begins at."""
    seen = shown("byte-bpe", pretokenizer=pretokenizer, text=SMALL * 2, vocab_size=310)
    assert seen.n_step > 40
    rows = [[bytes([b]) for b in word.encode()] for word in pretokenize(SMALL * 2, pretokenizer)]
    starts = list(itertools.accumulate(len(c.encode()) for c in SMALL * 2))[:-1]
    done = trained_vocabulary.learn(
        page.task_of(Config("byte-bpe", text=SMALL * 2, vocab_size=310, pretokenizer=pretokenizer))
    )
    for frame in range(seen.n_step + 1):
        ends = set(itertools.accumulate(len(piece) for row in rows for piece in row))
        assert boundaries(seen, frame) == [i + 1 for i, start in enumerate(starts) if start in ends]
        assert seen.n_token[frame] == sum(map(len, rows))
        assert seen.axis[frame] == 257 + frame
        if frame == seen.n_step:
            break
        left, right = done.merge[frame]
        assert tuple(seen.piece[i] for i in seen.pair[frame, 0]) == tuple(
            map(trained_vocabulary.readable, (left, right))
        )
        for row in rows:
            at = 0
            while at < len(row) - 1:
                if (row[at], row[at + 1]) == (left, right):
                    row[at : at + 2] = [left + right]
                at += 1


@pytest.mark.parametrize("pretokenizer", PRETOKENIZERS)
def test_frames_of_pruning(pretokenizer: str) -> None:
    cfg = Config("unigram", text=supplied("own"), vocab_size=100, pretokenizer=pretokenizer)
    seen = trace(cfg)
    rare = set(by_frequency(cfg.text)[49:])
    assert seen.n_rare_character == len(rare) > 5
    words = set_apart(pretokenize(cfg.text, pretokenizer), rare)
    _, done = trained_vocabulary.unigrams(page.task_of(cfg))
    assert 10 <= seen.n_step <= 31
    for frame in range(seen.n_step + 1):
        model = trained_vocabulary.log_probs(done, frame)
        cut = training_reference.unigram(model[0])
        pieces = [piece for word in words for piece in cut(word)]
        assert not rare & set("".join(model[0]))
        assert "".join(pieces) == cfg.text
        assert boundaries(seen, frame) == [at for at in cuts_of(pieces) if at < len(seen.shown)]
        assert seen.n_token[frame] == len(pieces)
        assert seen.axis[frame] == 2 + len(model[0])
        alive = {seen.piece[i] for i in range(2, len(seen.piece)) if seen.born[i] <= frame < seen.gone[i]}
        assert alive == set(model[0])
        slow = sum(unigram.forward(len(w), unigram.lattice(w, *model))[-1] for w in words if w not in rare)
        assert seen.log_likelihood[frame] == pytest.approx(slow)
    assert seen.axis[-1] == 100


@pytest.mark.parametrize("algorithm", ["bpe", "wordpiece", "unigram"])
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_rare_characters_stand_alone_in_every_frame(algorithm: str, byte_fallback: bool) -> None:
    text = supplied("chinese")[:400] + SMALL * 6
    size, sample = 370 if byte_fallback else 110, text[: text.index("\n", 150)]
    seen = trace(Config(algorithm, text=text, vocab_size=size, byte_fallback=byte_fallback, sample=sample))
    alphabet = seen.piece[seen.n_special + seen.n_byte :][: seen.n_alphabet]
    rare = set(text) - {piece.removeprefix("##") for piece in alphabet}
    n_rare = sum(text.count(c) for c in rare)
    assert seen.n_rare_character == len(rare) > 50
    assert seen.rare_share == pytest.approx(n_rare / len(text))
    assert facts(seen)["n_rare_character"] == len(rare) and facts(seen)["rare_share"] == seen.rare_share
    assert seen.n_step > 0 and facts(seen)["over"] == 0
    for frame in range(seen.n_step + 1):
        cuts = [0, *boundaries(seen, frame), len(seen.shown)]
        pieces = [seen.shown[a:b] for a, b in itertools.pairwise(cuts)]
        assert "".join(pieces) == text == seen.shown  # conservation
        assert all(piece in rare or not rare & set(piece) for piece in pieces)
        taken = [len(piece.encode()) if byte_fallback and piece in rare else 1 for piece in pieces]
        assert seen.n_token[frame] == sum(taken)
    # The sample, the first lines of this text, is cut as the last frame cuts it; each rare character is one <|unk|>.
    pieces = [piece for piece, start in zip(pieces, cuts, strict=False) if start < len(sample)]
    assert "".join(pieces) == sample and rare & set(sample)
    expected = []
    for piece in pieces:
        in_bytes = [f"<0x{b:02X}>" for b in piece.encode()]
        expected += [piece] if piece not in rare else in_bytes if byte_fallback else ["<|unk|>"]
    # Longest match may cut a word unlike the merges did.
    assert [t for t in seen.sample if t[0] == "<"] == [t for t in expected if t[0] == "<"]
    assert algorithm == "wordpiece" or list(seen.sample) == expected
    assert seen.sample_known == tuple(token != "<|unk|>" for token in seen.sample)


def test_the_table_of_pruning() -> None:
    """Rows: the dearest of those that go and the cheapest of those that stay; numbers as the training has them."""
    cfg = Config("unigram", vocab_size=100)
    seen = trace(cfg)
    _, done = trained_vocabulary.unigrams(page.task_of(cfg))
    assert seen.columns == ("loss", "count", "log_prob")
    assert (seen.pair[..., 1] == -1).all() and not seen.rival.any()
    assert seen.first_difference == seen.n_step
    loss = np.full(len(seen.piece), math.nan)
    for k, step in enumerate(done.step):
        rows = [i for i in seen.pair[k, :, 0].tolist() if i >= 0]
        value = step.loss if step.by_loss else step.log_prob
        out = [i - 2 for i, chosen in zip(rows, seen.chosen[k], strict=False) if chosen]
        stay = [i - 2 for i, chosen in zip(rows, seen.chosen[k], strict=False) if not chosen]
        removed = np.flatnonzero(step.removed)
        kept = [i for i in range(done.n_alphabet, len(done.piece)) if done.frame[k + 1].alive[i]]
        assert len(out) == min(4, len(removed)) and len(stay) == min(4, len(kept))
        assert sorted(value[out]) == sorted(value[removed])[-4:]
        assert sorted(value[stay]) == sorted(value[kept])[:4]
        for row, i in enumerate(rows):
            assert seen.numbers[k, row].tolist() == [step.loss[i - 2], step.count[i - 2], step.log_prob[i - 2]]
        if step.by_loss:
            loss[removed + 2] = step.loss[removed]
        assert seen.n_rare[k] == seen.axis[k] - seen.axis[k + 1] - len(removed)
    np.testing.assert_array_equal(seen.loss, loss)
    assert np.isfinite(loss).any()


@pytest.mark.parametrize("algorithm", MERGING)
def test_the_table_of_merges(algorithm: str) -> None:
    seen = shown(algorithm)
    assert seen.columns == ("count", "score")
    assert seen.n_step > 50
    rows = seen.pair[..., 0] >= 0
    assert np.array_equal(seen.chosen.sum(1), np.ones(seen.n_step)) and seen.chosen[:, 0].all()
    assert np.array_equal(seen.rival.sum(1), np.ones(seen.n_step))
    assert not (seen.chosen & ~rows).any() and not (seen.rival & ~rows).any()
    own, other = (1, 0) if algorithm == "wordpiece" else (0, 1)
    numbers = np.where(rows[..., None], seen.numbers, -1)
    assert (np.diff(numbers[:, :8, own]) <= 0).all()  # the best first
    assert (numbers[..., other].max(1) == numbers[..., other][seen.rival]).all()
    differs = np.flatnonzero(~seen.rival[:, 0])
    assert seen.first_difference == (differs[0] if len(differs) else seen.n_step)
    for k in range(seen.n_step):
        new = np.flatnonzero(seen.born == k + 1)
        assert len(new) == 1
        assert np.array_equal(seen.parent[new[0]], seen.pair[k, 0])
        parts = [seen.written[i] for i in seen.parent[new[0]]]
        if all(parts):
            assert seen.written[new[0]] == "".join(parts)
    first = seen.born == 0
    assert (seen.parent[first] == -1).all() and (seen.gone == seen.n_step + 1).all()
    assert first.sum() == seen.n_special + seen.n_byte + seen.n_alphabet
    assert np.isnan(seen.loss).all() and np.isnan(seen.log_likelihood).all() and not seen.n_rare.any()


def test_scores_by_hand() -> None:
    """ab ab ab b: count(a, b) = 3, f(a) = 3, f(b) = 4."""
    seen = trace(Config("bpe", text="ab ab ab b", pretokenizer="whitespace", vocab_size=50))
    assert seen.piece[:5] == ("<|unk|>", "<|endoftext|>", " ", "a", "b")
    assert seen.numbers[0, 0].tolist() == [3, 3 / 12]
    assert seen.n_token.tolist() == [10, 7]
    assert seen.shown == "ab ab ab b"
    assert seen.until is not None and seen.until.tolist() == [1, 2, 2, 1, 2, 2, 1, 2, 2]


@pytest.mark.parametrize("algorithm", [*MERGING, "unigram"])
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_how_the_vocabulary_begins(algorithm: str, byte_fallback: bool) -> None:
    seen = shown(algorithm, byte_fallback=byte_fallback, min_frequency=3, vocab_size=500)
    special = ["<|endoftext|>"] if algorithm == "byte-bpe" else ["<|unk|>", "<|endoftext|>"]
    fallback = 256 if byte_fallback and algorithm != "byte-bpe" else 0
    assert list(seen.piece[: seen.n_special]) == special
    assert (seen.n_byte, len(set(seen.written[seen.n_special : seen.n_special + 128]))) >= (fallback, 2)
    assert seen.n_byte == fallback
    count = Counter(seen.text)
    kept = {c for c in count if count[c] >= 3} if fallback else set(count)
    begin = seen.n_special + seen.n_byte
    alphabet = seen.piece[begin : begin + seen.n_alphabet]
    if algorithm == "byte-bpe":
        assert len(set(alphabet)) == 256
    else:
        assert {piece.removeprefix("##") for piece in alphabet} == kept
    assert seen.vocab_size == 500


def test_pieces_for_the_reader() -> None:
    assert trained_vocabulary.readable("a\n") == "a\n"
    assert trained_vocabulary.readable(b"\xe4\xbd\x8e") == "低"
    assert trained_vocabulary.readable(b" a\xe4\xbd") == " a<0xE4><0xBD>"
    assert trained_vocabulary.readable(b"\x00\n") == "<0x00>\n"
    assert trained_vocabulary.text_of(b"\xe4\xbd") == ""
    assert trained_vocabulary.text_of(b"\xe4\xbd\x8e") == "低"
    seen = shown("wordpiece")
    for piece, written in zip(seen.piece[seen.n_special :], seen.written[seen.n_special :], strict=True):
        assert written == piece.removeprefix("##")  # of this text, in which no word begins with "##"


# --- one word --------------------------------------------------------------------------------------------------------


def all_ways(word: str, pieces: dict[str, float], unknown: float) -> dict[tuple, float]:
    found = {}
    for size in range(len(word)):
        for cuts in itertools.combinations(range(1, len(word)), size):
            spans = tuple(itertools.pairwise((0, *cuts, len(word))))
            parts = [word[a:b] for a, b in spans]
            if all(part in pieces or len(part) == 1 for part in parts):
                found[spans] = sum(pieces.get(part, unknown) for part in parts)
    return found


@pytest.mark.parametrize("word", ["unlowest", "slowly", "Ω low", "x", ""])
@pytest.mark.parametrize("algorithm", ["bpe", "unigram"])
def test_the_words_lattice(word: str, algorithm: str) -> None:
    cfg = Config(algorithm, word=word, alpha=0.3, n_best=4, seed=5, step=1, vocab_size=100)
    found = trace(cfg).lattice
    task = page.replace(page.task_of(cfg), algorithm="unigram")
    pieces, _, unknown = trained_vocabulary.log_probs(
        trained_vocabulary.unigrams(task)[1], 1 if algorithm == "unigram" else -1
    )
    assert found.word == (" " + word if word else "")
    assert unknown == min(pieces.values()) - 10
    ways = all_ways(found.word, pieces, unknown) or {(): 0.0}
    z, z_alpha = (math.fsum(math.exp(a * score) for score in ways.values()) for a in (1.0, 0.3))
    assert found.n_way == len(ways)
    assert found.total == pytest.approx(1)
    best = sorted(ways.values(), reverse=True)[:4]
    assert [cut.log_prob for cut in found.n_best] == pytest.approx(best)
    for cut in found.n_best + found.drawn:
        assert cut.log_prob == pytest.approx(ways[cut.span])
        assert cut.share == pytest.approx(math.exp(cut.log_prob) / z)
        assert cut.tempered == pytest.approx(math.exp(0.3 * cut.log_prob) / z_alpha)
        # Five standard deviations of a binomial count.
        mean = page.N_DRAW * cut.tempered
        assert abs(cut.n_drawn - mean) <= 5 * math.sqrt(mean) + 1
    counts = [cut.n_drawn for cut in found.drawn]
    assert counts == sorted(counts, reverse=True) and sum(counts) <= page.N_DRAW
    assert len(counts) == min(4, found.n_distinct)
    edges = {(a, b): (p, k) for a, b, p, k in zip(found.start, found.end, found.log_prob, found.known, strict=True)}
    expected = {span for way in ways for span in way}
    assert set(edges) >= expected
    for (a, b), (p, known) in edges.items():
        assert known == (found.word[a:b] in pieces)
        assert p == pieces.get(found.word[a:b], unknown)
    assert {(a, b) for a, b, on in zip(found.start, found.end, found.best, strict=True) if on} == set(
        found.n_best[0].span
    )
    for a, b, marginal in zip(found.start, found.end, found.marginal, strict=True):
        slow = math.fsum(math.exp(score) for way, score in ways.items() if (a, b) in way) / z
        assert marginal == pytest.approx(slow, abs=1e-12)


def test_many_ways_are_counted_but_not_listed() -> None:
    found = trace(
        Config("unigram", corpus="own", text="a" * 60, word="a" * 64, pretokenizer="none", min_frequency=1)
    ).lattice
    assert found.n_way > page.N_ENUMERATED
    assert math.isnan(found.total)
    assert len(found.n_best) == 5


def test_the_seed_and_alpha_change_the_samples_only() -> None:
    first, again, other = (trace(Config(alpha=0.1, seed=seed)).lattice for seed in (1, 1, 2))
    assert first.drawn == again.drawn
    assert [cut.n_drawn for cut in first.drawn] != [cut.n_drawn for cut in other.drawn]
    assert first.n_best[0].span == other.n_best[0].span
    assert first.n_distinct > trace(Config(alpha=2.0, seed=1)).lattice.n_distinct


# --- one sample ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [*MERGING, "unigram"])
def test_the_sample_in_the_finished_vocabulary(algorithm: str) -> None:
    sample = "The lowest tide, unread tokens"
    seen = shown(algorithm, sample=sample)
    assert all(seen.sample_known) and len(seen.sample) == len(seen.sample_known)
    assert set(seen.sample) <= set(seen.piece)
    assert "".join(piece.removeprefix("##") for piece in seen.sample) == sample
    words = pretokenize(sample, "gpt2")
    if algorithm == "bpe":
        assert list(seen.sample) == [piece for row in by_library(seen, seen.n_step, words) for piece in row]
    # The words of the text itself are cut as the last frame cuts them.
    if algorithm != "wordpiece":
        whole = shown(algorithm, sample=seen.text[:200])
        assert (
            cuts_of([trained_vocabulary.text_of(p) for p in whole.sample])[:50] == boundaries(whole, whole.n_step)[:50]
        )


@pytest.mark.parametrize(
    ("algorithm", "byte_fallback", "expected"),
    [
        ("bpe", False, ["<|unk|>", "<|unk|>"]),
        ("unigram", False, ["<|unk|>", "<|unk|>"]),
        ("wordpiece", False, ["<|unk|>"]),  # the whole word
        ("bpe", True, ["<0xC3>", "<0xA9>", "<0xC3>", "<0xBC>"]),
        ("unigram", True, ["<0xC3>", "<0xA9>", "<0xC3>", "<0xBC>"]),
        ("wordpiece", True, ["<0xC3>", "<0xA9>", "<0xC3>", "<0xBC>"]),
        ("byte-bpe", False, ["<0xC3>", "<0xA9>", "<0xC3>", "<0xBC>"]),
    ],
)
def test_characters_never_seen(algorithm: str, byte_fallback: bool, expected: list[str]) -> None:
    seen = shown(algorithm, byte_fallback=byte_fallback, sample="éü", vocab_size=500)
    assert list(seen.sample) == expected
    assert list(seen.sample_known) == [token != "<|unk|>" for token in expected]


def test_longest_match() -> None:
    """The longest piece that fits, at most as long as the longest there is; one misfit makes the whole word unknown."""
    known = {"a", "ab", "abcdef", "##b", "##c", "##bc", "##a"}

    def cut(word: str, byte_fallback: bool = False) -> list[str]:
        return [piece for piece, _ in trained_vocabulary.longest_match(word, known, byte_fallback)]

    assert cut("abcdef") == ["abcdef"]
    assert cut("abca") == ["ab", "##c", "##a"]
    assert cut("abbc") == ["ab", "##bc"]
    assert cut("abd") == ["<|unk|>"]
    assert cut("adab", True) == ["a", "d", "ab"]
    assert cut("aéab", True) == ["a", "<0xC3>", "<0xA9>", "ab"]  # after bytes a piece begins anew


def test_the_tokenizer_of_whole_words() -> None:
    seen = trace(Config(text="a cat, a dog.", sample="a  bat, a dog."))
    assert seen.words.token == ("a", "bat", ",", "a", "dog", ".")
    assert seen.words.decoded == "a <|unk|>, a dog."
    assert seen.sentence == "a  bat, a dog."
    assert not seen.words.lossless


# --- the whole -------------------------------------------------------------------------------------------------------

CONFIGS = st.builds(
    Config,
    algorithm=st.sampled_from([*MERGING, "unigram"]),
    corpus=st.just("own"),
    text=st.one_of(st.text(max_size=60), st.text("ab \n低é#", max_size=200), st.just(SMALL)),
    vocab_size=st.integers(50, 2_000),
    min_frequency=st.integers(1, 20) | st.just(1),
    pretokenizer=st.sampled_from(PRETOKENIZERS),
    byte_fallback=st.booleans(),
    step=st.integers(0, 2_000),
    word=st.text(max_size=20),
    alpha=st.floats(0.05, 2),
    n_best=st.integers(1, 10),
    sample=st.text(max_size=40),
    seed=st.integers(0, 99),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGS)
def test_every_config_is_legal_and_agrees_with_tokenizers(cfg: Config) -> None:
    seen = trace(cfg)
    answer = check(cfg)
    assert all(value <= 1e-9 for value in answer.values()), answer
    assert set(facts(seen)) == set(facts(trace(Config())))
    assert seen.step == min(cfg.step, seen.n_step)
    assert len(seen.shown) == min(len(cfg.text), page.N_SHOWN)
    assert all(isinstance(value, int | float | str) for value in facts(seen).values())
    for array in (seen.born, seen.gone, seen.loss):
        assert len(array) == len(seen.piece) == len(seen.written)
    where = seen.until if seen.until is not None else seen.bits
    assert where is not None and len(where) == max(len(seen.shown) - 1, 0)
    if cfg.algorithm != "unigram":
        assert (np.diff(seen.n_token) < 0).all()
    assert seen.axis[-1] <= max(cfg.vocab_size, seen.n_special + seen.n_byte + seen.n_alphabet)
    if cfg.algorithm != "byte-bpe" and not cfg.byte_fallback:
        assert seen.n_special + seen.n_alphabet <= 2 + (cfg.vocab_size - 2) // 2
        assert facts(seen)["over"] == 0
    assert 0 <= seen.rare_share <= 1 and (seen.rare_share > 0) == (seen.n_rare_character > 0)
    assert seen.sentence == cfg.sample
    if cfg.algorithm == "unigram":
        assert seen.n_step <= 31  # the frames travel as 32 bits


@pytest.mark.parametrize("algorithm", [*MERGING, "unigram"])
def test_limits(algorithm: str) -> None:
    empty = trace(Config(algorithm, text="", word="", sample=""))
    assert empty.shown == "" and empty.curve.tolist() == [0.0] * (empty.n_step + 1)
    # 2,469 different characters leave half of the vocabulary to be learned; 256 bytes stay, too many or not.
    chinese = shown(algorithm, corpus="chinese", vocab_size=200)
    if algorithm == "byte-bpe":
        assert (chinese.axis.tolist(), facts(chinese)["over"], facts(chinese)["rare_share"]) == ([257], 57, 0)
    else:
        assert (chinese.axis[-1], facts(chinese)["over"]) == (200, 0)
        assert chinese.n_alphabet in (98, 99) and chinese.n_step > 10
        assert chinese.n_alphabet + chinese.n_rare_character >= 2_469
    # With byte fallback one character stays where there is room for none.
    tiny = shown(algorithm, corpus="chinese", vocab_size=50, byte_fallback=True)
    assert facts(tiny)["over"] == (257 if algorithm == "byte-bpe" else 258 + tiny.n_alphabet) - 50
    assert tiny.n_alphabet in ((256,) if algorithm == "byte-bpe" else (1, 2))
    # Pairs that are too rare are not merged, substrings that are too rare are no seeds.
    rare = trace(Config(algorithm, text="abcdefg", min_frequency=20, vocab_size=500))
    assert rare.axis[-1] == rare.n_special + rare.n_alphabet
    assert facts(rare)["short_of"] == 500 - rare.axis[-1]


def test_a_step_is_free_and_a_cancelled_training_is_not_remembered() -> None:
    text = SMALL * 3 + "cancelled"

    def stop(fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        trace(Config(text=text), stop)
    told: list[float] = []
    trace(Config(text=text), told.append)
    assert told and told == sorted(told) and told[-1] <= 1
    told.clear()
    seen = trace(Config(text=text, step=3, word="low", alpha=1.0), told.append)
    assert told == [] and seen.step == 3  # nothing was trained again


def test_facts() -> None:
    cfg = Config("bpe", text="ab ab ab b", pretokenizer="whitespace", vocab_size=50, step=1, word="ab", sample="ab c")
    found = facts(trace(cfg))
    assert (found["made_left"], found["made_right"], found["made_count"], found["made_score"]) == ("a", "b", 3, 0.25)
    assert found["next_left"] == "" and found["step"] == found["n_step"] == 1
    assert (found["token_start"], found["token_here"], found["token_end"]) == (10, 7, 7)
    assert found["curve_end"] == pytest.approx(10 / 7)
    assert (found["vocab_start"], found["vocab_end"], found["short_of"], found["over"]) == (5, 6, 44, 0)
    assert found["best"] in ("ab", "a | b") and found["n_way"] == 2
    assert (found["n_word_unknown"], found["n_sample_unknown"], found["lossless"]) == (1, 1, 0)
    seen = shown("bpe")
    found = facts(seen)
    k = seen.first_difference
    row = int(seen.rival[k].argmax())
    assert found["differ_left"] == seen.piece[seen.pair[k, 0, 0]] and found["differ_count"] == seen.numbers[k, 0, 0]
    assert found["rival_right"] == seen.piece[seen.pair[k, row, 1]] and found["rival_score"] == seen.numbers[k, row, 1]
    assert found["rival_score"] > found["differ_score"] and found["rival_count"] <= found["differ_count"]
    pruned = facts(trace(Config("unigram", vocab_size=100)))
    assert pruned["n_pruned"] > 0 and pruned["dearest_loss"] > 0 and pruned["n_rare"] > 0


@pytest.mark.parametrize("algorithm", [*MERGING, "unigram"])
@pytest.mark.parametrize("corpus", ["shakespeare", "chinese", "python", "own"])
def test_the_supplied_texts_at_the_default_size(algorithm: str, corpus: str) -> None:
    cfg = Config(algorithm, corpus)
    seen = trace(cfg)
    assert seen.n_step >= 10
    assert seen.axis[-1] == cfg.vocab_size == 400
    assert abs(seen.curve[-1] / seen.curve[0] - 1) > 0.02
    assert all(value <= 1e-9 for value in check(cfg).values())


# --- claims ----------------------------------------------------------------------------------------------------------


def test_claims() -> None:
    claims = {name: claim() for name, claim in page.CLAIMS.items()}
    rules = claims["two_rules"]
    assert rules["bpe_count"] > 10 * rules["wordpiece_count"] and rules["wordpiece_score"] > 10 * rules["bpe_score"]
    assert rules["bpe_mean_count"] > 3 * rules["wordpiece_mean_count"]
    assert rules["wordpiece_bits"] > rules["bpe_bits"] + 1
    assert rules["n_shared"] < 0.3 * rules["n_step"]
    ways = claims["several_ways"]
    assert ways["n_distinct"] > 3 and ways["n_bpe"] == 1 and 0 < ways["share"] < 1
    unknown = claims["out_of_vocabulary"]
    assert min(unknown["bpe"], unknown["unigram"], unknown["wordpiece"]) > 0
    assert unknown["fallback"] == unknown["byte_bpe"] == 0
    larger = claims["larger_is_better"]
    assert larger["n_worse"] == larger["held_out_worse"] == 0 < larger["held_out_useless"]
    sizes = (250, 500, 1_000, 2_000)
    for where in ("seen", "held_out"):
        values = [larger[f"{where}_{size}"] for size in sizes]
        gain = [after / before for before, after in itertools.pairwise(values)]
        assert all(g > 1 for g in gain) and gain == sorted(gain, reverse=True)  # saturating
    assert all(larger[f"held_out_{size}"] < larger[f"seen_{size}"] for size in sizes)
    library = claims["library_wordpiece"]
    assert library["as_bpe"] > 0.97 * library["n_piece"] and library["as_score"] < 0.3 * library["n_piece"]
