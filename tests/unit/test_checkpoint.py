"""models/checkpoint.py: every way in which a name, a folder or the hub can disappoint is one sentence, found early."""

import contextlib
import http.server
import json
import pickle
import shutil
import socket
import string
import threading
import time
import tomllib
from pathlib import Path
from typing import ClassVar

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from models import checkpoint, language_model, own_tokenizer, pretrained
from models.language_model import ModelUnavailable
from tests.unit import tiny_checkpoints as tiny

SENTENCES = tomllib.loads(Path(language_model.__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def refusal(name: str) -> ModelUnavailable:
    """Why a model cannot be had; its sentences are looked at on the way."""
    with pytest.raises(ModelUnavailable) as caught:
        pretrained.load_any(name)
    for sentence, end in ((str(caught.value), "."), (caught.value.sentence("zh"), "。")):
        assert sentence.endswith(end) and sentence != caught.value.key
        assert all(c.isprintable() for c in sentence) and len(sentence) < 400, sentence
    return caught.value


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("good") / "gpt2", tiny.gpt2(), tiny.byte_bpe())


@pytest.fixture
def folder(good, tmp_path):
    """A copy that the test may spoil."""
    return Path(shutil.copytree(good, tmp_path / "spoiled"))


def rewrite(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


def test_every_reason_has_the_same_placeholders_in_both_languages():
    def slots(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for key, words in SENTENCES.items():
        assert set(words) == {"en", "zh"} and slots(words["en"]) == slots(words["zh"]), key
    source = "".join(Path(m.__file__).read_text(encoding="utf-8") for m in (checkpoint, pretrained, own_tokenizer))
    for key in SENTENCES:
        assert f'"{key}"' in source or key == "shipped_damaged", key


def test_a_sentence_of_its_own_stays_as_it_is():
    assert str(ModelUnavailable("No {such} thing.")) == ModelUnavailable("No {such} thing.").sentence("zh")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, key",
    [
        ("", "bad_name"),
        ("  \n", "bad_name"),
        ("a\0b", "bad_name"),
        ("\ud800", "bad_name"),
        ("x" * 100_000, "bad_name"),
        ("x" * 300, "bad_name"),
        ("two words", "bad_name"),
        ("<script>alert(1)</script>", "no_folder"),
        ("a/b/c", "no_folder"),
        ("../no/such", "no_folder"),
        ("~/no-such-folder-here", "no_folder"),
        ("C:\\models\\x", "no_folder"),
        ("~nobody-of-that-name/x", "bad_name"),
        ("/" + "x/" * 3000, "bad_name"),
        (__file__, "is_file"),
    ],
)
def test_names_that_cannot_be_models(name, key, monkeypatch):
    monkeypatch.setattr(checkpoint, "_from_hub", lambda name: pytest.fail(f"asked the hub for {name!r}"))
    assert refusal(name).key == key


def test_a_folder_may_start_with_a_tilde(good, monkeypatch):
    monkeypatch.setenv("HOME", str(good.parent))
    monkeypatch.setenv("USERPROFILE", str(good.parent))
    assert pretrained.load_any(" ~/gpt2 ").n_layer == 2


def test_loading_a_folder_touches_no_network(good, monkeypatch):
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: asked.append(given))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: asked.append(given))
    pretrained.load_any(str(good))
    assert asked == []


def test_loading_leaves_the_default_dtype_alone(folder, monkeypatch):
    """Other threads compute meanwhile: not even a half precision checkpoint may change torch's default for a moment."""
    rewrite(folder, dtype="float16")
    changed = []
    monkeypatch.setattr(torch, "set_default_dtype", changed.append)
    assert pretrained.load_any(str(folder)).read([3]).logit.dtype == torch.float32
    assert set(changed) <= {torch.float32}


# --- folders ----------------------------------------------------------------------------------------------------------


class Boom:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def pickle_instead(folder):
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as out:
        pickle.dump(Boom(folder / "mark"), out)


def index_of_pickles(folder):
    pickle_instead(folder)
    index = {"metadata": {}, "weight_map": {"transformer.wte.weight": "pytorch_model.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def index_elsewhere(folder):
    shutil.move(folder / "model.safetensors", folder.parent / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {"transformer.wte.weight": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def own_code(folder):
    (folder / "evil.py").write_text(f"open({str(folder / 'mark')!r}, 'w')\nclass C: pass\n")
    rewrite(folder, model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.C"})


def own_code_for_the_tokenizer(folder):
    (folder / "evil.py").write_text(f"open({str(folder / 'mark')!r}, 'w')\nclass T: pass\n")
    spoiled = {"tokenizer_class": "EvilTokenizer", "auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(spoiled))
    (folder / "tokenizer.json").unlink()


def without(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def config(**fields):
    return lambda folder: rewrite(folder, **fields)


def cut_short(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def edited(change):
    def spoil(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return spoil


def not_a_number(tensors):
    tensors["transformer.h.1.attn.c_attn.weight"][3, 3] = torch.nan


def one_less(tensors):
    del tensors["transformer.h.1.mlp.c_fc.weight"]


def another_model(model):
    return lambda folder: tiny.save(folder, model(), tiny.byte_bpe())


def bloom():
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=tiny.N_BYTE_TOKEN, hidden_size=21, n_layer=2, n_head=3))


def gpt_neo():
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    kinds = [[["global", "local"], 1]]
    return GPTNeoForCausalLM(
        GPTNeoConfig(vocab_size=tiny.N_BYTE_TOKEN, hidden_size=21, num_layers=2, num_heads=3, attention_types=kinds)
    )


def mamba():
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(vocab_size=tiny.N_BYTE_TOKEN, hidden_size=21, num_hidden_layers=2))


@pytest.mark.parametrize(
    "spoil, key",
    [
        (pickle_instead, "pickle_only"),
        (index_of_pickles, "no_weights"),
        (index_elsewhere, "no_weights"),
        (without("model.safetensors"), "no_weights"),
        (without("config.json"), "no_config"),
        (lambda folder: (folder / "config.json").write_text("{"), "bad_config"),
        (lambda folder: (folder / "config.json").write_text("[]"), "bad_config"),
        (lambda folder: (folder / "config.json").write_text("{}"), "bad_config"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\0\x01" * 9), "bad_config"),
        (config(n_head=4), "bad_config"),
        (config(n_embd="many"), "bad_config"),
        (config(n_layer=10**6), "bad_config"),
        (config(n_layer=-3), "bad_config"),
        (config(model_type=["gpt2"]), "bad_config"),
        (config(model_type="t5"), "encoder_decoder"),
        (own_code, "unknown_type"),
        (own_code_for_the_tokenizer, "no_tokenizer"),
        (config(quantization_config={"quant_method": "gptq", "bits": 4}), "quantised"),
        (config(n_embd=3 * 4096, n_layer=3), "too_large"),
        (config(n_embd=42), "bad_weights"),
        (config(n_layer=3), "missing_weights"),
        (cut_short, "bad_weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "bad_weights"),
        (edited(not_a_number), "bad_weights"),
        (edited(one_less), "missing_weights"),
        (without("tokenizer.json", "tokenizer_config.json"), "no_tokenizer"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "no_tokenizer"),
        (config(vocab_size=5), "no_tokenizer"),
        (another_model(bloom), "no_attention"),
        (another_model(gpt_neo), "no_attention"),
        (another_model(mamba), "no_attention"),
    ],
)
def test_folders_that_cannot_be_read(folder, spoil, key):
    spoil(folder)
    start = time.monotonic()
    error = refusal(str(folder))
    assert error.key == key, f"{error.key}: {error} ({error.__cause__!r})"
    assert not (folder / "mark").exists(), "foreign code ran"
    assert time.monotonic() - start < 20  # a million layers would take hours


def test_the_refusal_of_a_pickle_names_the_file_and_the_reason(folder):
    pickle_instead(folder)
    assert "pytorch_model.bin" in str(refusal(str(folder))) and "any code" in str(refusal(str(folder)))


def test_a_refusal_is_not_remembered(good, folder):
    cut_short(folder)
    language_model.load.cache_clear()
    with pytest.raises(ModelUnavailable):
        language_model.load(str(folder))
    shutil.copy(good / "model.safetensors", folder / "model.safetensors")
    assert language_model.load(str(folder)) is language_model.load(str(folder))
    language_model.load.cache_clear()


def test_several_weight_files_are_one_model(tmp_path):
    model = tiny.llama()
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    tiny.byte_bpe().save_pretrained(tmp_path)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2 and checkpoint.weights(tmp_path, "x") == shards
    m = pretrained.load_any(str(tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(m.read([3, 5]).logit, model(torch.tensor([[3, 5]])).logits[0, -1])
    shards[1].unlink()
    assert refusal(str(tmp_path)).key == "no_weights"


def test_a_bert_that_says_it_decodes_is_causal(tmp_path):
    from transformers import BertLMHeadModel

    decoder = BertLMHeadModel(tiny.bert(is_decoder=True).config)
    m = pretrained.load_any(str(tiny.save(tmp_path, decoder, tiny.word_piece())))
    assert m.causal and m.vocab_size == tiny.N_PIECE_TOKEN
    assert (m.read([5, 6, 7, 8, 9]).attention.triu(1) == 0).all()


# --- the hub, played by a server in this process ----------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    """Just enough of the hub: `repositories` maps an id to its folder, `asked` notes every file asked for."""

    repositories: ClassVar[dict[str, Path]] = {}
    asked: ClassVar[list[str]] = []
    sha = "0123456789abcdef0123456789abcdef01234567"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.partition("?")[0].strip("/")
        for name, folder in self.repositories.items():
            files = sorted(folder.iterdir())
            if path.startswith(f"api/models/{name}/tree/"):
                tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in files]
                return self.send(json.dumps(tree).encode(), body)
            if path.startswith(f"api/models/{name}"):
                siblings = [{"rfilename": f.name} for f in files]
                return self.send(json.dumps({"id": name, "sha": self.sha, "siblings": siblings}).encode(), body)
            if path.startswith(f"{name}/resolve/") and (folder / path.rpartition("/")[2]).is_file():
                self.asked.append(path.rpartition("/")[2])
                return self.send((folder / self.asked[-1]).read_bytes(), body)
        return self.send(b"", body, 404)

    def send(self, content, body, status=200):
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hash(content):x}"')
        self.send_header("X-Repo-Commit", self.sha)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def point_to(monkeypatch, port: int) -> None:
    address = f"http://127.0.0.1:{port}"
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    point_to(monkeypatch, server.server_port)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(Hub, "repositories", {})
    monkeypatch.setattr(Hub, "asked", [])
    yield Hub
    server.shutdown()
    server.server_close()


def test_a_hub_id_is_downloaded_once_and_read(hub, good, monkeypatch):
    hub.repositories["tiny/gpt2"] = good
    here = pretrained.load_any(str(good)).read([3, 5, 7])
    there = pretrained.load_any("tiny/gpt2")
    assert there.name == "tiny/gpt2"
    torch.testing.assert_close(there.read([3, 5, 7]).attention, here.attention)
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= set(hub.asked)
    hub.asked.clear()
    monkeypatch.setattr(checkpoint, "HfApi", None)  # the second time, nothing is asked
    assert pretrained.load_any("tiny/gpt2").n_layer == 2 and hub.asked == []


def test_the_hub_is_asked_for_nothing_that_will_be_refused(hub, folder, good, tmp_path):
    assert refusal("tiny/nothing").key == "unknown_id"
    large = Path(shutil.copytree(good, tmp_path / "large"))
    rewrite(large, n_embd=3 * 4096, n_layer=3)
    pickle_instead(folder)
    hub.repositories |= {"tiny/pickle": folder, "tiny/large": large}
    error = refusal("tiny/pickle")
    assert error.key == "pickle_only" and "pytorch_model.bin" in str(error) and hub.asked == []
    assert refusal("tiny/large").key == "too_large"
    assert "config.json" in hub.asked and "model.safetensors" not in hub.asked


def test_a_download_that_breaks_off_is_taken_up(hub, good, monkeypatch, tmp_path):
    half = Path(shutil.copytree(good, tmp_path / "half"))
    hub.repositories["tiny/half"] = half
    real = checkpoint.snapshot_download

    def breaks(name, allow_patterns=None, **more):
        if "model.safetensors" in (allow_patterns or ()):
            raise ConnectionError
        return real(name, allow_patterns=allow_patterns, **more)

    monkeypatch.setattr(checkpoint, "snapshot_download", breaks)
    assert refusal("tiny/half").key == "broken_off"
    monkeypatch.setattr(checkpoint, "snapshot_download", real)
    assert pretrained.load_any("tiny/half").n_layer == 2


def test_a_cache_that_another_program_filled_in_part_is_completed(hub, good):
    hub.repositories["tiny/part"] = good
    huggingface_hub.hf_hub_download("tiny/part", "config.json")
    assert pretrained.load_any("tiny/part").n_layer == 2


def test_a_hub_out_of_reach_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with contextlib.closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        point_to(monkeypatch, unused.getsockname()[1])
        start = time.monotonic()
        assert refusal("no-such-id").key == "unreachable"
        assert time.monotonic() - start < 10


def test_a_hub_that_never_answers_is_given_up(monkeypatch, tmp_path):
    assert checkpoint.HUB_SECONDS <= checkpoint.HUB_DEADLINE < 10
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoint, "HUB_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call, says nothing
        point_to(monkeypatch, silent.getsockname()[1])
        start = time.monotonic()
        assert refusal("no-such-id").key == "unreachable"
        assert time.monotonic() - start < 5


def test_a_name_server_that_never_answers_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoint, "HUB_DEADLINE", 0.3)
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(30))
    start = time.monotonic()
    assert refusal("no-such-id").key == "unreachable"
    assert time.monotonic() - start < 5
    released.set()


def test_the_hubs_cache_is_read_without_a_network(hub, good, monkeypatch):
    hub.repositories["tiny/gpt2"] = good
    pretrained.load_any("tiny/gpt2")
    point_to(monkeypatch, 9)
    assert pretrained.load_any("tiny/gpt2").n_layer == 2
