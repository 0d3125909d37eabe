"""One's own tokenizer file against the libraries that wrote it, and against files that are no tokenizers."""

import json
import time
from functools import lru_cache

import pytest
import tokenizers
from huggingface_hub.errors import RepositoryNotFoundError
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

import assets
from models import own_tokenizer
from models.language_model import ModelUnavailable
from models.own_tokenizer import OwnTokenizer, load
from models.tokenizer import Lattice, Lookup, Matches, Merges
from tests.unit.any_text import ENGLISH, assert_lawful, assert_reading, texts

CORPUS = [ENGLISH, "hug hugging hugs unhug pun puns bun buns " * 3, "人工智能 改变 世界", "low lower lowest newer"]


@lru_cache(8)  # the trainers break ties in another way each time
def made(kind: str) -> tokenizers.Tokenizer:
    """A small tokenizer of each kind, trained here."""
    special = ["<unk>", "<s>"]
    match kind:
        case "byte-level":
            found = tokenizers.Tokenizer(models.BPE())
            found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            found.decoder = decoders.ByteLevel()
            found.post_processor = processors.ByteLevel(trim_offsets=True)
            trainer = trainers.BpeTrainer(
                vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
            )
        case "wordpiece":
            found = tokenizers.Tokenizer(models.WordPiece(unk_token="<unk>"))
            found.normalizer = normalizers.BertNormalizer()
            found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special)
        case "unigram":
            found = tokenizers.Tokenizer(models.Unigram())
            found.normalizer = normalizers.NFKC()
            found.pre_tokenizer = pre_tokenizers.Metaspace()
            found.decoder = decoders.Metaspace()
            trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>")
        case "words":
            found = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
            found.pre_tokenizer = pre_tokenizers.Whitespace()
            trainer = trainers.WordLevelTrainer(special_tokens=special)
        case "end-of-word":
            found = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
            found.normalizer = normalizers.Lowercase()
            found.pre_tokenizer = pre_tokenizers.Whitespace()
            trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, end_of_word_suffix="</w>")
        case "byte-fallback":
            # Llama's way: a prefix and replaced spaces in the normaliser, no words, unknown characters as bytes.
            letters = sorted({char for text in CORPUS for char in text if char.isascii() and char != " "} | {"▁"})
            vocab = {"<unk>": 0, "<s>": 1} | {f"<0x{i:02X}>": i + 2 for i in range(256)}
            for piece in [*letters, "▁h", "▁hu", "▁hug", "in", "ing", "▁▁"]:
                vocab.setdefault(piece, len(vocab))
            merges = [("▁", "h"), ("▁h", "u"), ("▁hu", "g"), ("i", "n"), ("in", "g"), ("▁", "▁")]
            found = tokenizers.Tokenizer(
                models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
            )
            found.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
            found.add_special_tokens(["<unk>", "<s>"])
            return found
        case _:
            raise ValueError(kind)
    found.train_from_iterator(CORPUS, trainer)
    return found


KINDS = ["byte-level", "wordpiece", "unigram", "words", "end-of-word", "byte-fallback"]


@pytest.fixture
def file(tmp_path):
    def write(kind: str) -> str:
        made(kind).save(str(tmp_path / "tokenizer.json"))
        return str(tmp_path / "tokenizer.json")

    return write


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_the_librarys_and_the_law_holds(kind, file):
    found, theirs = load(file(kind)), tokenizers.Tokenizer.from_str(made(kind).to_str())
    theirs.encode_special_tokens = True
    for text in texts(1_500, seed=KINDS.index(kind)):
        split = found.split(text)
        assert split.id.tolist() == theirs.encode(text, add_special_tokens=False).ids, text
        assert_lawful(found, text, split)
    assert found.vocab_size == theirs.get_vocab_size()
    assert found.special == {"<unk>": 0, "<s>": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_stories_lead_to_their_tokens(kind, file):
    found = load(file(kind))
    assert isinstance(found, OwnTokenizer)
    told = {"byte-level": Merges, "wordpiece": Matches, "unigram": Lattice, "words": Lookup}.get(kind, Merges)
    counts = {True: 0, False: 0}
    for text in [*texts(60, seed=1), "hugging unhug lowest buns " * 3]:
        split = found.split(text)
        for i, token in enumerate(split.id.tolist()):
            story = found.story(text, split, i)
            counts[isinstance(story, told)] += 1
            match story:
                case Merges():
                    now = list(story.start)
                    for merge in story.merge:
                        now[merge.at : merge.at + 2] = [now[merge.at] + now[merge.at + 1]]
                    joined = now[story.n_before].replace("><", "> <")
                    assert joined.replace("> <", "><") == found.piece(token) or "<0x" in joined
                case Matches():
                    match = story.match[story.token]
                    assert match.found == (token != found.unknown)
                    assert not match.found or match.tried[-1] == found.piece(token)
                case Lattice():
                    assert story.edge[story.token].piece == found.piece(token) and story.edge[story.token].best
    assert counts[True] > 200 and (kind == "words" or counts[True] > counts[False])


def test_bytes_of_a_character_have_their_own_places(file):
    found = load(file("byte-level"))
    split = assert_reading(found, "a🙂 b")
    assert split.exact.all() and split.start.tolist() == [0, *split.end.tolist()[:-1]]
    assert found.decode(split.id.tolist()) == "a🙂 b"
    assert [found.piece(i) for i in split.id.tolist()][:2] == ["a", "<0xF0>"]
    assert found.rank(split.id.tolist()[0]) is None
    hug = found.split("x hug")
    assert found.piece(hug.id.tolist()[-1]) == " hug" and found.rank(hug.id.tolist()[-1]) >= 0


def test_a_prefix_is_taken_away_again(file):
    for kind in ("unigram", "byte-fallback"):
        found = load(file(kind))
        text = "hug bun"
        split = assert_reading(found, text)
        assert found.piece(split.id.tolist()[0]).startswith("▁") and found.decode(split.id.tolist()) == text
        assert split.exact.all()


def test_special_tokens_only_when_asked(file):
    for kind in ("byte-level", "wordpiece", "byte-fallback"):
        found = load(file(kind))
        text = "hug<s>hug"
        assert 1 not in found.split(text).id.tolist()
        split = found.split(text, special=True)
        assert split.id.tolist().count(1) == 1
        at = split.id.tolist().index(1)
        assert (split.start[at], split.end[at]) == (3, 6) and found.story(text, split, at) == Lookup("<s>", True)


@pytest.mark.skipif(not assets.present("mistral"), reason="needs the asset mistral")
def test_a_sentencepiece_model_by_path_and_by_folder():
    ours = load(str(assets.path("mistral")))
    theirs = load(str(assets.path("mistral") / "tokenizer.model"))
    for text in texts(300, seed=2):
        split = assert_reading(ours, text)
        assert split.id.tolist() == theirs.split(text).id.tolist()
    assert ours.algorithm == "bpe" and isinstance(ours.story("hello", ours.split("hello"), 0), Merges)


@pytest.mark.skipif(not assets.present("minilm"), reason="needs the asset minilm")
def test_a_folder_of_a_model():
    from models.wordpiece import load_bert

    found, bert = load(str(assets.path("minilm"))), load_bert()
    for text in ENGLISH.split("s"):
        assert found.split(text).id.tolist() == bert.split(text).id.tolist()
        split = found.split(text)
        assert [found.story(text, split, i) for i in range(len(split.id))] == [
            bert.story(text, split, i) for i in range(len(split.id))
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_much_text(kind, file):
    found = load(file(kind))
    for text in ("", " ", "a" * 100_000, "🙂" * 20_000):
        start = time.thread_time()
        split = found.split(text)
        if len(split.id):
            found.story(text, split, len(split.id) // 2)
        assert time.thread_time() - start < 4


# --- names ------------------------------------------------------------------------------------------------------------


def reason(name: str) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        load(name)
    for language in ("en", "zh"):
        sentence = caught.value.sentence(language)
        assert sentence[-1] in ".。" and "{" not in sentence and "Traceback" not in sentence and "\n" not in sentence
    return caught.value.key


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 2000, "not a name!", "~nobody-of-that-name/x"])
def test_names_that_cannot_be(name):
    assert reason(name) in ("no_tokenizer_name", "no_tokenizer_file")


def test_files_that_are_not_there(tmp_path):
    assert reason(str(tmp_path / "gone/tokenizer.json")) == "no_tokenizer_file"
    assert reason("tokenizer.json") == "no_tokenizer_file"
    assert reason(str(tmp_path)) == "no_tokenizer"


CONTENT = {
    "empty": b"",
    "bytes": bytes(range(256)),
    "json": b"{}",
    "list": b"[1, 2]",
    "deep": b"[" * 100_000,
    "no model": json.dumps({"version": "1.0", "model": {"type": "BPE"}}).encode(),
    "no unknown": json.dumps({"model": {"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]]}}).encode(),
    "nothing in it": json.dumps({"model": {"type": "BPE", "vocab": {}, "merges": []}}).encode(),
}


@pytest.mark.parametrize("suffix", ["json", "model", "txt"])
@pytest.mark.parametrize("what", CONTENT)
def test_files_that_are_no_tokenizers(what, suffix, tmp_path):
    file = tmp_path / f"tokenizer.{suffix}"
    file.write_bytes(CONTENT[what])
    assert reason(str(file)) == "bad_tokenizer"


def test_files_that_are_too_large_or_unreadable(tmp_path, monkeypatch):
    file = tmp_path / "tokenizer.json"
    file.write_bytes(b"{}" * 50)
    monkeypatch.setattr(own_tokenizer, "LIMIT", 99)
    monkeypatch.setattr(own_tokenizer, "OwnTokenizer", lambda *_: pytest.fail("read"))
    assert reason(str(file)) == "bad_tokenizer"


def test_the_hub(tmp_path, monkeypatch, file):
    """A stand-in for the hub: it has one model with a tokenizer.json, one without, and loses its line."""
    import huggingface_hub

    where = file("byte-level")

    class Sibling:
        def __init__(self, name: str) -> None:
            self.rfilename = name

    class Api:
        def model_info(self, name: str, timeout: float):
            if name == "none/such":
                raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)
            if name == "off/line":
                raise OSError
            files = ["config.json"] + ["tokenizer.json"] * (name != "no/tokenizer")
            return type("Info", (), {"siblings": [Sibling(one) for one in files]})()

    def download(name: str, wanted: str, **options: object) -> str:
        if name == "broken/off":
            raise OSError
        assert wanted == "tokenizer.json"
        return where

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, file: None)
    assert load("owner/name").split("hug").id.tolist() == load(where).split("hug").id.tolist()
    assert reason("none/such") == "unknown_id"
    assert reason("off/line") == "unreachable"
    assert reason("no/tokenizer") == "no_tokenizer"
    assert reason("broken/off") == "broken_off"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, wanted: where)
    assert load("off/line").name == "off/line"  # what is in the cache needs no line
