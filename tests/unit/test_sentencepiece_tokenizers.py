"""The four SentencePiece models against the sentencepiece library: ids, decoding, log-probabilities, places."""

import itertools
import time
from functools import lru_cache

import numpy as np
import pytest
from sentencepiece import SentencePieceProcessor

import assets
from models import sentencepiece_tokenizers, unigram
from models.language_model import ModelUnavailable
from models.sentencepiece_tokenizers import FILES, SentencePiece, around
from models.tokenizer import Lattice, Lookup, Merges, Split, load
from tests.unit.any_text import assert_lawful, assert_reading, texts


def tokenizer(name: str) -> SentencePiece:
    asset, _ = FILES[name]
    if not assets.present(asset):
        pytest.skip(f"needs an asset: `{assets.find(asset).command}`")
    found = load(name)
    assert isinstance(found, SentencePiece)
    return found


@lru_cache(4)
def library(name: str) -> SentencePieceProcessor:
    asset, file = FILES[name]
    return SentencePieceProcessor(model_file=str(assets.path(asset) / file))


def pieces(found: SentencePiece, text: str, special: bool = False) -> list[str]:
    return [found.piece(i) for i in assert_reading(found, text, special).id.tolist()]


def spans(split: Split) -> list[tuple[int, int]]:
    return list(zip(split.start.tolist(), split.end.tolist(), strict=True))


# --- against the library ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, seed", [(name, seed) for seed, name in enumerate(FILES)])
def test_ids_and_decoding_are_the_librarys_on_10000_texts(name, seed):
    found, theirs = tokenizer(name), library(name)
    batch = list(texts(10_000, seed))
    n_token, n_lossless = 0, 0
    for i, (text, ids) in enumerate(zip(batch, theirs.encode(batch, num_threads=1), strict=True)):
        split = found.split(text)
        assert split.id.tolist() == ids, text
        if i % 4 == 0:
            assert_lawful(found, text, split)
        assert found.decode(ids) == theirs.decode(ids), text
        n_token, n_lossless = n_token + len(ids), n_lossless + (found.decode(ids) == text)
    assert n_token > 100_000
    assert 0.3 * len(batch) < n_lossless < len(batch)


@pytest.mark.parametrize("name", FILES)
def test_places_are_the_librarys(name):
    """A character that becomes part of several tokens the library counts to the last of them, here to all."""
    found, theirs = tokenizer(name), library(name)
    n_place = 0
    for text in texts(800, seed=7):
        split = found.split(text)
        proto = theirs.encode(text, return_type="proto").pieces
        for i, (piece, (start, end), exact) in enumerate(zip(proto, spans(split), split.exact.tolist(), strict=True)):
            if theirs.is_byte(piece.id):
                continue
            if i == 0:  # the ▁ in front stands for nothing here; there, for what was dropped before the first word
                assert end == piece.end or start == end or not exact
            elif piece.begin < piece.end:
                assert start == piece.begin and (end == piece.end or (not exact and end > piece.end)), (text, piece)
                n_place += end == piece.end
            else:  # a part of a character, or what stands for nothing
                assert start == piece.begin and (end == start or not exact), (text, piece)
    assert n_place > 4_000


@pytest.mark.parametrize("name", FILES)
def test_long_texts_are_the_librarys(name):
    """Scores of long texts run past what single precision can hold to a digit; the library starts again from 0."""
    found, theirs = tokenizer(name), library(name)
    text = " ".join(texts(3_000, seed=3))
    assert found.split(text).id.tolist() == theirs.encode(text)
    for text in ("-" * 40_000, " " * 20_001, "ab" * 20_000, "人 " * 10_000):
        assert found.split(text).id.tolist() == theirs.encode(text)


@pytest.mark.parametrize("name", ["botchan-unigram", "j2"])
def test_viterbis_log_probability_is_the_librarys(name):
    """The library gives the score of a path only in a list of several."""
    found, theirs = tokenizer(name), library(name)
    for text in itertools.islice(filter(None, texts(1_000, seed=4)), 300):
        normal = theirs.normalize(text)
        if not normal:
            continue
        want = theirs.nbest_encode_as_proto(text, nbest_size=2).nbests[0].score
        _, total = unigram.viterbi(normal, found._log_prob, found._longest, found._unknown_score)
        assert total == pytest.approx(want, rel=1e-5, abs=1e-4), text
        score = sum(
            found._log_prob.get(piece, found._unknown_score)
            for segment in found._segments(normal)
            for piece in found._pieces(segment, 0.0)[0]
        )
        assert score == pytest.approx(total, rel=1e-6, abs=1e-6), text


@pytest.mark.parametrize("name", FILES)
def test_sizes_ranks_and_specials(name):
    found, theirs = tokenizer(name), library(name)
    assert found.vocab_size == theirs.get_piece_size() == {"mistral": 32_000, "j2": 262_144}.get(name, 1_000)
    assert found.unknown == (None if name in ("mistral", "j2") else 0)
    draw = np.random.default_rng(0).integers(0, found.vocab_size, 300).tolist()
    for i in draw:
        assert found.piece(i) == theirs.id_to_piece(i)
        other = theirs.is_control(i) or theirs.is_byte(i) or theirs.is_unknown(i)
        normal = not other and not (name == "j2" and found.piece(i) in "(),")
        if found.algorithm == "unigram":
            assert found.rank(i) == (theirs.get_score(i) if normal else None)
    assert all(theirs.is_control(i) for i in found.special.values())
    if found.algorithm == "bpe":
        ranked = [i for i in range(found.vocab_size) if found.rank(i) is not None]
        by_score = sorted({theirs.get_score(i) for i in ranked}, reverse=True)
        assert all(found.rank(i) == by_score.index(theirs.get_score(i)) for i in ranked[:50] + ranked[-5:])
        assert min(found.rank(i) for i in ranked) == 0


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_mistral_by_hand():
    found = tokenizer("mistral")
    assert pieces(found, "hello world") == ["▁hell", "o", "▁world"]
    split = found.split("a①")
    assert [found.piece(i) for i in split.id.tolist()] == ["▁a", "<0xE2>", "<0x91>", "<0xA0>"]
    assert spans(split) == [(0, 1), (1, 2), (2, 3), (3, 4)] and split.exact.all()
    # The ▁ in front comes from nowhere; a line break is a byte; spaces stay as many as they are.
    split = found.split("\n  x")
    assert [found.piece(i) for i in split.id.tolist()] == ["▁", "<0x0A>", "▁", "▁x"]
    assert spans(split) == [(0, 0), (0, 1), (1, 2), (2, 4)]
    # A literal ▁ comes back as a space.
    split = found.split("▁x")
    assert found.decode(split.id.tolist()) == " x" and not split.exact.all()
    assert found.rank(found.split("x t").id.tolist()[-1]) == 0  # "▁t" was merged first
    assert found.decode([3 + 0xE4]) == "\N{REPLACEMENT CHARACTER}"


def test_j2_by_hand():
    found = tokenizer("j2")
    assert pieces(found, "as well as") == ["as▁well▁as"] or pieces(found, "x as well as")[-1] == "▁as▁well▁as"
    assert pieces(found, "hm, (a)")[-4:] == ["▁", "(", "a", ")"]
    split = found.split("a\nﬁ")
    assert found.decode(split.id.tolist()) == "a fi"
    assert split.exact.tolist()[0] and not split.exact.tolist()[-1]
    assert spans(split)[-1][1] == 5
    assert pieces(found, "a\x07b") == pieces(found, "ab")  # some control characters vanish


def test_botchan_by_hand():
    bpe, uni = tokenizer("botchan-bpe"), tokenizer("botchan-unigram")
    for found in (bpe, uni):
        split = found.split("  I  am ")
        assert found.decode(split.id.tolist()) == "I am"
        covered = {byte for start, end in spans(split) for byte in range(start, end)}
        assert covered == {2, 3, 4, 5, 6}  # the spaces at both ends are dropped, those inside are one
        assert split.exact.tolist()[0] and not split.exact.all()
        split = found.split("a人工b")
        assert split.id.tolist().count(0) == 1 and (1, 7) in spans(split)  # unknown characters are one token
        assert found.decode(split.id.tolist()) == "a ⁇ b"
        assert found.story("a人工b", split, spans(split).index((1, 7))) == Lookup("人工", False)
    assert bpe.split("a\nb").id.tolist() == bpe.split("a b").id.tolist()
    assert 0 in uni.split("a\nb").id.tolist()


def test_special_tokens_only_when_asked():
    found = tokenizer("mistral")
    text = "a</s> b<s>"
    assert "</s>" not in pieces(found, text)
    assert pieces(found, text, special=True) == ["▁a", "</s>", "▁b", "<s>"]
    split = found.split(text, special=True)
    assert spans(split) == [(0, 1), (1, 5), (5, 7), (7, 10)] and found.decode(split.id.tolist()) == text
    assert found.story(text, split, 1) == Lookup("</s>", True)
    story = found.story(text, split, 2)
    assert isinstance(story, Merges) and story.start == ("▁", "b")
    assert pieces(found, "<s>x", special=True) == ["<s>", "x"]  # no ▁: this is not the beginning
    j2 = tokenizer("j2")
    assert pieces(j2, "x<|endoftext|>", special=True)[-1] == "<|endoftext|>"


def test_a_merge_story_by_hand():
    found = tokenizer("mistral")
    text = "say hello"
    split = found.split(text)
    names = [found.piece(i) for i in split.id.tolist()]
    story = found.story(text, split, names.index("o"))
    assert isinstance(story, Merges) and story.start[-5:] == ("h", "e", "l", "l", "o")
    now = list(story.start)
    for merge in story.merge:
        assert (now[merge.at], now[merge.at + 1]) == (merge.left, merge.right)
        now[merge.at : merge.at + 2] = [merge.left + merge.right]
        assert merge.rank == found.rank(library("mistral").piece_to_id(now[merge.at]))
    assert now[story.n_before] == "o" and now[story.n_before - 1] == "▁hell"
    assert [m.rank for m in story.merge] == sorted(m.rank for m in story.merge)


def test_a_lattice_by_hand():
    found = tokenizer("botchan-unigram")
    text = "I teach"
    split = found.split(text)
    last = found.story(text, split, len(split.id) - 1)
    assert isinstance(last, Lattice)
    best = [edge for edge in last.edge if edge.best]
    assert "".join(edge.piece for edge in best) == last.word and last.edge[last.token] == best[-1]
    assert last.log_prob == pytest.approx(sum(edge.log_prob for edge in best))
    # No other path is better: all of them, by brute force.
    ways: dict[int, list[float]] = {0: [0.0]}
    for edge in sorted(last.edge, key=lambda e: (e.end, e.start)):
        ways.setdefault(edge.end, []).extend(way + edge.log_prob for way in ways.get(edge.start, []))
    assert max(ways[len(last.word)]) == pytest.approx(last.log_prob)


@pytest.mark.parametrize("name", FILES)
def test_every_story_leads_to_its_token(name):
    found = tokenizer(name)
    for text in texts(30, seed=5):
        split = found.split(text)
        for i, token in enumerate(split.id.tolist()):
            story = found.story(text, split, i)
            piece = found.piece(token)
            match story:
                case Lookup():
                    assert token == found.unknown or piece in "(),"
                case Merges():
                    now = list(story.start)
                    for merge in story.merge:
                        assert (now[merge.at], now[merge.at + 1]) == (merge.left, merge.right)
                        now[merge.at : merge.at + 2] = [merge.left + merge.right]
                    assert now[story.n_before] == piece
                case Lattice():
                    edge = story.edge[story.token]
                    assert edge.best and story.word[edge.start : edge.end] == edge.piece
                    assert edge.piece == piece or piece.startswith("<0x")


def test_a_long_word_is_told_around_the_token():
    assert around(["a"] * 9, 4) == (0, 9)
    left, right = around(["ab"] * 100, 50)
    assert right - left == 32 and left < 50 < right
    assert around(["a", "b" * 100, "c"], 1) == (1, 2)
    for name in ("mistral", "j2"):
        found = tokenizer(name)
        text = "ab" * 5_000
        split = found.split(text)
        story = found.story(text, split, len(split.id) // 2)
        assert isinstance(story, Merges | Lattice)
        assert len(story.start if isinstance(story, Merges) else story.word) <= 64


# --- texts and files that are out of the ordinary ---------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_nothing_and_very_much(name):
    found = tokenizer(name)
    for text in ("", " ", "\x00", "\u200b", "\n"):
        assert_reading(found, text)
    assert found.decode([]) == ""
    for text in ("a" * 40_000, " " * 40_000, "人" * 40_000, "-" * 40_000, "e\u0301" * 20_000):
        start = time.thread_time()
        found.split(text)
        assert time.thread_time() - start < 2


def test_segments_are_cut_only_where_no_piece_reaches_across():
    found = tokenizer("botchan-bpe")
    pairs = {piece[i : i + 2] for piece in found._id for i in range(len(piece) - 1)}
    for text in texts(200, seed=6):
        normal = found._normal_form(text).text
        parts = found._segments(normal)
        assert "".join(parts) == normal
        assert all(left[-1] + right[0] not in pairs for left, right in itertools.pairwise(parts))
        assert all(part[i : i + 2] in pairs for part in parts for i in range(len(part) - 1))


def test_absent_and_damaged_files_are_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path))
    sentencepiece_tokenizers.load.cache_clear()
    for name, (asset, _) in FILES.items():
        with pytest.raises(ModelUnavailable, match=f"python -m assets fetch {asset}"):
            sentencepiece_tokenizers.load(name)
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    monkeypatch.setattr(assets, "path", lambda name: tmp_path)
    with pytest.raises(ModelUnavailable, match="damaged"):
        sentencepiece_tokenizers.load("mistral")
