"""From a name to a checked checkpoint: which folder, which kind of model, may it be loaded at all, and its weights.

A checkpoint is a folder as Hugging Face's transformers writes it: config.json, a tokenizer and safetensors weights.
A name is a folder on this machine, or an id on the hub, whose files are brought to the hub's own cache first; from
there on both are the same. Whatever is wrong becomes one ModelUnavailable, found before anything expensive is done:

    name -> folder or hub? -> config.json -> decoder or encoder? -> size, without weights -> safetensors? -> weights

Safety: no code that comes with a model runs (`trust_remote_code=False`), and no pickle is opened.
"""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id
from tokenizers import pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from models.language_model import ModelUnavailable, legible

LIMIT = 1.5e9  # parameters; in float32 that is 6 GB
HUB_SECONDS = 4.0  # how long the hub may take to answer one question ...
HUB_DEADLINE = 8.0  # ... and how long all of asking may take, name resolution included
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LOADING = threading.Lock()  # transformers patches torch while it builds a model: one at a time


def locate(name: str) -> Path:
    """The folder of a checkpoint whose config.json can be built, is small enough and has complete safetensors weights.

    Raises ModelUnavailable.
    """
    shown = legible(name)
    try:
        if not name.strip() or len(name) > 1000 or "\0" in name:
            raise ValueError
        at = Path(name.strip()).expanduser()
        exists, is_folder = at.exists(), at.is_dir()
    except (ValueError, OSError, RuntimeError):  # RuntimeError: the home of a user that does not exist
        raise ModelUnavailable("bad_name", name=shown) from None
    if is_folder:
        check(at, shown)
        return at
    if exists:
        raise ModelUnavailable("is_file", name=shown)
    try:
        validate_repo_id(name.strip())
    except HFValidationError:
        raise ModelUnavailable("no_folder" if "/" in name or "\\" in name else "bad_name", name=shown) from None
    return _from_hub(name.strip())


# --- what a folder holds ----------------------------------------------------------------------------------------------


def check(folder: Path, name: str) -> None:
    """Raise ModelUnavailable unless the folder holds a checkpoint that may be loaded. Opens no weights."""
    config = read_config(folder, name)
    check_size(config, name)
    weights(folder, name)


def read_config(folder: Path, name: str) -> PretrainedConfig:
    """config.json, understood. Raises ModelUnavailable."""
    if not (folder / "config.json").is_file():
        raise ModelUnavailable("no_config", name=name)
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = raw.get("model_type")
        if kind is not None and kind not in CONFIG_MAPPING_NAMES:
            raise ModelUnavailable("unknown_type", name=name, kind=str(kind)[:40])
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except ModelUnavailable:
        raise
    except Exception as error:  # json, the config's own checks, missing parts: the library raises whatever it likes
        raise ModelUnavailable("bad_config", name=name) from error
    if config.is_encoder_decoder:
        raise ModelUnavailable("encoder_decoder", name=name)
    quantised = getattr(config, "quantization_config", None)
    if quantised:
        kind = quantised.get("quant_method", "?") if isinstance(quantised, dict) else type(quantised).__name__
        raise ModelUnavailable("quantised", name=name, kind=str(kind)[:40])
    return config


def is_decoder(config: PretrainedConfig) -> bool:
    """Whether this is a causal language model. BERT and its kin can be either: theirs says so in `is_decoder`."""
    kind = config.model_type
    either = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and (not either or getattr(config, "is_decoder", False))


def _auto(config: PretrainedConfig) -> type[AutoModel] | type[AutoModelForCausalLM]:
    return AutoModelForCausalLM if is_decoder(config) else AutoModel


def check_size(config: PretrainedConfig, name: str) -> None:
    """Build the model on torch's meta device, which has shapes but no numbers, and count. Raises ModelUnavailable."""
    try:
        if not 1 <= config.get_text_config().num_hidden_layers <= 512:  # a build takes time per layer, even so
            raise ValueError("no such number of layers")
        # dtype is said, so that torch's process-wide default, which other threads use, stays float32.
        with LOADING, torch.device("meta"):
            model = _auto(config).from_config(config, dtype=torch.float32, trust_remote_code=False)
        count = sum(weight.numel() for weight in model.parameters())
    except Exception as error:
        raise ModelUnavailable("bad_config", name=name) from error
    if count > LIMIT:
        raise ModelUnavailable("too_large", name=name, billions=count / 1e9, limit=LIMIT / 1e9)


def weights(folder: Path, name: str) -> list[Path]:
    """The safetensors files of a checkpoint, all of them present. Raises ModelUnavailable."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        # An index is text that came with the model: it may name neither a pickle nor a file elsewhere.
        if shards and all(Path(s).name == s and s.endswith(".safetensors") and (folder / s).is_file() for s in shards):
            return [folder / shard for shard in shards]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    pickles = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
    if pickles and not index.exists():
        raise ModelUnavailable("pickle_only", name=name, file=pickles[0])
    raise ModelUnavailable("no_weights", name=name)


# --- the hub ----------------------------------------------------------------------------------------------------------


def _from_hub(name: str) -> Path:
    """A hub id's folder in the hub's own cache: what is there already, else downloaded. Raises ModelUnavailable."""
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        check(folder, name)
        return folder
    except OSError:  # not in the cache
        pass
    except ModelUnavailable as reason:
        if reason.key not in ("no_config", "no_weights", "pickle_only"):  # these may be a download that broke off
            raise
    try:
        info = within(HUB_DEADLINE, lambda: HfApi().model_info(name, timeout=HUB_SECONDS))
    except RepositoryNotFoundError as error:  # also for a gated or private one
        raise ModelUnavailable("unknown_id", name=name) from error
    except Exception as error:
        raise ModelUnavailable("unreachable", name=name) from error
    files = [sibling.rfilename for sibling in info.siblings or []]
    if "config.json" not in files:
        raise ModelUnavailable("no_config", name=name)
    wanted = [file for file in files if re.fullmatch(r"model(-\d+-of-\d+)?\.safetensors", file)]
    if not wanted:
        pickles = [file for file in files if file.endswith(PICKLES)]
        key = "pickle_only" if pickles else "no_weights"
        raise ModelUnavailable(key, name=name, file=pickles[0] if pickles else "")
    words = [file for file in files if "/" not in file and file.endswith((".json", ".txt", ".model", ".jinja"))]
    try:
        folder = Path(snapshot_download(name, allow_patterns=words, etag_timeout=HUB_SECONDS))
        check_size(read_config(folder, name), name)
        folder = Path(snapshot_download(name, allow_patterns=[*words, *wanted], etag_timeout=HUB_SECONDS))
    except ModelUnavailable:
        raise
    except GatedRepoError as error:
        raise ModelUnavailable("unknown_id", name=name) from error
    except Exception as error:
        raise ModelUnavailable("broken_off", name=name) from error
    check(folder, name)
    return folder


def within(seconds: float, ask: Callable[[], Any]) -> Any:
    """ask(), or a TimeoutError after so many seconds: the time-outs of a request do not cover name resolution."""
    answer: list[Any] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            answer.append(ask())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not answer:
        raise TimeoutError
    return answer[0]


# --- loading ----------------------------------------------------------------------------------------------------------


def load(folder: Path, name: str, attention: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a checked folder, in float32 and ready to run, with the attention function of that registered name,
    and its tokenizer. Raises ModelUnavailable."""
    config = read_config(folder, name)
    weights(folder, name)
    local = {"local_files_only": True, "trust_remote_code": False}
    with LOADING:
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, **local)
            tokenizer.backend_tokenizer.no_truncation()  # MiniLM's own file pads and cuts to 128
            tokenizer.backend_tokenizer.no_padding()
            if not 0 < tokenizer.vocab_size <= config.get_text_config().vocab_size:
                raise ValueError("the tokenizer has tokens the model does not know")
        except Exception as error:
            raise ModelUnavailable("no_tokenizer", name=name) from error
        try:
            loaded: Any = _auto(config).from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                attn_implementation=attention,
                output_loading_info=True,
                **local,
            )
        except Exception as error:
            if isinstance(error, KeyError) and error.args == (attention,):  # a class with a table of its own
                raise ModelUnavailable("no_attention", name=name, kind=config.model_type) from error
            raise ModelUnavailable("bad_weights", name=name) from error
    model, report = loaded
    # What a file lacks would be filled with random numbers. An encoder's pooler comes after all attention: no matter.
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if missing:
        raise ModelUnavailable("missing_weights", name=name, count=len(missing), first=missing[0])
    return model.eval().requires_grad_(False), tokenizer


def convert_gguf(raw: Path, target: Path) -> None:
    """Turn raw/model.gguf, a Llama-type model with 4-bit weights, into an ordinary float16 checkpoint.

    The weights stay what 4 bits left of them; each is only written out, so that loading takes a second instead of ten.
    Raises ValueError if what was written does not read back as the same numbers.
    """
    from gguf import GGUFReader

    packed = {"gguf_file": "model.gguf", "local_files_only": True}
    with LOADING:
        loaded = AutoModelForCausalLM.from_pretrained(raw, dtype=torch.float32, **packed)
        # The loaded model remembers its 4-bit origin and refuses to be saved: its numbers move to a plain one.
        plain = loaded.config.to_dict()
        plain.pop("quantization_config", None)
        fresh = LlamaForCausalLM(LlamaConfig(**plain)).half()
        fresh.load_state_dict({key: weight.half() for key, weight in loaded.state_dict().items()})
        fresh.save_pretrained(target)
        tokenizer = AutoTokenizer.from_pretrained(raw, **packed)
        if GGUFReader(raw / "model.gguf").fields["tokenizer.ggml.pre"].contents() == "smollm":
            # transformers takes every such file for GPT-2's; SmolLM cuts out single digits first, so that in "a  1"
            # the two spaces are one token.
            steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
            tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        tokenizer.save_pretrained(target)
        again = LlamaForCausalLM.from_pretrained(target, dtype=torch.float32, use_safetensors=True)
    written = again.state_dict()
    for key, weight in loaded.state_dict().items():
        # float16 keeps 11 significant bits; below 6e-5 it counts in steps of 6e-8.
        if not torch.allclose(weight, written[key], rtol=2**-11, atol=6e-8):
            raise ValueError(f"{key} did not survive the conversion")
