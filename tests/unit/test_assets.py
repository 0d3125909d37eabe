"""assets.py against small packages made here and served to the real pip from a folder, so no network is needed."""

import base64
import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import assets

ROOT = Path(assets.__file__).parent
CONTENT = {"toy/data/one.bin": bytes(range(256)) * 4099, "toy/data/two.txt": b"two\n", "toy/__init__.py": b""}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(folder: Path, content: dict[str, bytes], name: str = "atlas-toy", version: str = "1.2.3") -> Path:
    """A wheel that the real pip accepts."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    whole = content | info
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in whole.items()
    ]
    record = "\n".join([*lines, f"{stem}.dist-info/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in (whole | {f"{stem}.dist-info/RECORD": record.encode()}).items():
            archive.writestr(path, data)
    return folder / f"{stem}-py3-none-any.whl"


def source_archive(folder: Path, content: dict[str, bytes], setup: str, pyproject: str = "") -> Path:
    """A source archive whose setup.py is the given code."""
    whole = {f"atlas_toy-1.2.3/{path}": data for path, data in content.items()} | {
        "atlas_toy-1.2.3/PKG-INFO": b"Metadata-Version: 2.1\nName: atlas-toy\nVersion: 1.2.3\n",
        "atlas_toy-1.2.3/setup.py": setup.encode(),
    }
    if pyproject:
        whole["atlas_toy-1.2.3/pyproject.toml"] = pyproject.encode()
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "atlas_toy-1.2.3.tar.gz", "w:gz") as archive:
        for path, data in whole.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return folder / "atlas_toy-1.2.3.tar.gz"


def block(name: str, files: dict[str, str], package: str = "atlas-toy", source: str = "pypi", **more: str) -> str:
    """An assets.toml block: files maps the name in the cache to the path in the package."""
    lines = [f"[{name}]", 'title = "A toy, for tests"', f'source = "{source}"', f'package = "{package}"']
    lines += ['version = "1.2.3"', 'licence = "MIT"', 'used_by = ["rope"]']
    lines += [f'{key} = "{value}"' for key, value in more.items()]
    for to, origin in files.items():
        data = CONTENT[origin]
        lines += [f"[[{name}.file]]", f'from = "{origin}"', f'to = "{to}"', f"bytes = {len(data)}"]
        lines += [f'sha256 = "{sha256(data)}"']
    return "\n".join(lines) + "\n"


class World:
    """A catalogue, a cache and a registry of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache, self.registry = root, root / "cache", root / "registry"
        self.toml = root / "assets.toml"
        self.registry.mkdir()

    def write(self, *blocks: str) -> None:
        self.toml.write_text("\n".join(blocks), encoding="utf-8")
        assets.catalogue.cache_clear()

    def files(self) -> set[str]:
        """Everything in the cache but the lock."""
        return {str(f.relative_to(self.cache)) for f in self.cache.rglob("*") if f.is_file()} - {".lock"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.setattr(assets, "CATALOGUE", made.toml)
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(made.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.registry))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    yield made
    assets.catalogue.cache_clear()


TWO = {"one.bin": "toy/data/one.bin", "two.txt": "toy/data/two.txt"}


def test_fetch_puts_exactly_the_pinned_files_in_place(world, capsys):
    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    assert not assets.present("toy")
    assert assets.main(["fetch"]) == 0
    assert world.files() == {"toy/one.bin", "toy/two.txt"}  # and no wheel, no part
    assert (assets.path("toy") / "one.bin").read_bytes() == CONTENT["toy/data/one.bin"]
    assert assets.present("toy") and assets.path("toy") == world.cache / "toy"


def test_a_second_fetch_downloads_nothing(world, monkeypatch, capsys):
    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    assert assets.main(["fetch", "toy"]) == 0
    before = {f: f.stat().st_mtime_ns for f in (world.cache / "toy").iterdir()}
    monkeypatch.setattr(assets, "_download", lambda *_: pytest.fail("downloaded again"))
    assert assets.main(["fetch", "toy"]) == 0
    assert {f: f.stat().st_mtime_ns for f in (world.cache / "toy").iterdir()} == before
    assert "already here and as pinned" in capsys.readouterr().out


def test_one_download_serves_all_assets_of_a_package(world, monkeypatch):
    wheel(world.registry, CONTENT)
    shared = {"folder": "shared"}
    world.write(block("a", {"one.bin": TWO["one.bin"]}, **shared), block("b", {"two.txt": TWO["two.txt"]}, **shared))
    calls = []
    real = assets._download
    monkeypatch.setattr(assets, "_download", lambda *given: calls.append(given) or real(*given))
    assert assets.fetch() == []
    assert len(calls) == 1
    assert world.files() == {"shared/one.bin", "shared/two.txt"}


@pytest.mark.parametrize("wrong", [b"other\n", b"four", b"much longer than it should be" * 99999])
def test_another_content_than_the_pinned_one_is_refused(world, wrong, capsys):
    wheel(world.registry, CONTENT | {"toy/data/two.txt": wrong})
    world.write(block("toy", TWO))
    assert assets.main(["fetch", "toy"]) == 1
    assert not assets.present("toy")
    assert world.files() == {"toy/one.bin"}  # the sound file stays, nothing of the other
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "refused" in said[0] and "two.txt" in said[0] and "sha256" in said[0]


def test_a_file_that_the_package_does_not_hold(world, capsys):
    wheel(world.registry, {"toy/data/one.bin": CONTENT["toy/data/one.bin"]})
    world.write(block("toy", TWO))
    assert assets.main(["fetch"]) == 1
    assert capsys.readouterr().err.startswith("toy: refused, because its package holds no readable toy/data/two.txt")


def test_an_interrupted_fetch_goes_on_with_what_is_missing(world, monkeypatch):
    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    real = assets._place

    def power_cut(file, archive, folder):
        if file.to == "two.txt":
            raise KeyboardInterrupt
        real(file, archive, folder)

    monkeypatch.setattr(assets, "_place", power_cut)
    assert assets.main(["fetch"]) == 130
    assert world.files() == {"toy/one.bin"}
    placed = []
    monkeypatch.setattr(assets, "_place", lambda file, *rest: placed.append(file.to) or real(file, *rest))
    assert assets.main(["fetch"]) == 0
    assert placed == ["two.txt"]
    assert world.files() == {"toy/one.bin", "toy/two.txt"}


def test_a_killed_fetch_leaves_nothing_that_counts(world):
    """SIGKILL between writing and moving: what is half written does not count, and the next fetch is sound."""
    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    code = f"import assets, pathlib, time; assets.CATALOGUE = pathlib.Path({str(world.toml)!r})\n"
    code += "pathlib.Path.replace = lambda *_: (print('half', flush=True), time.sleep(60))\nassets.fetch()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while "half" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGKILL)
    assert not assets.present("toy") and not (world.cache / "toy" / "one.bin").exists()
    assert assets.fetch() == []
    assert world.files() == {"toy/one.bin", "toy/two.txt"}


def test_a_second_fetch_at_the_same_time_says_so(world):
    from filelock import FileLock

    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    world.cache.mkdir()
    with FileLock(world.cache / ".lock"):
        (sentence,) = assets.fetch()
    assert sentence.startswith("Another fetch is filling")
    assert assets.fetch() == []


def test_no_registry_gives_one_sentence_per_asset(world, capfd):
    world.write(block("a", {"one.bin": TWO["one.bin"]}), block("b", {"two.txt": TWO["two.txt"]}, package="atlas-other"))
    assert assets.main(["fetch"]) == 1
    said = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["b", "a"] or [line.split(":")[0] for line in said] == ["a", "b"]
    assert all("could not be downloaded" in line and "Traceback" not in line for line in said)


def test_no_pip_gives_one_sentence(world, monkeypatch, capfd):
    world.write(block("toy", TWO))
    monkeypatch.setattr(assets.sys, "executable", "/nowhere/python")
    assert assets.main(["fetch"]) == 1
    assert "not installed" in capfd.readouterr().err


def test_a_cache_that_cannot_be_written_gives_one_sentence(world, capsys):
    world.write(block("toy", TWO))
    world.cache.write_text("a file where the folder should be")
    assert assets.main(["fetch"]) == 1
    assert capsys.readouterr().err.startswith("The cache folder")


def test_verify_finds_damage_and_fetch_repairs_only_that(world, monkeypatch, capsys):
    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    assert assets.main(["verify"]) == 1
    assert "toy: missing; `python -m assets fetch toy` gets it" in capsys.readouterr().out
    assets.fetch()
    capsys.readouterr()
    assert assets.main(["verify"]) == 0
    assert "toy: all 2 files as pinned" in capsys.readouterr().out
    (world.cache / "toy" / "two.txt").write_bytes(b"owt\n")  # the same size, so only the hash can tell
    assert assets.present("toy")
    assert assets.main(["verify", "toy"]) == 1
    assert "toy: damaged (two.txt); `python -m assets fetch toy` repairs it" in capsys.readouterr().out
    placed = []
    real = assets._place
    monkeypatch.setattr(assets, "_place", lambda file, *rest: placed.append(file.to) or real(file, *rest))
    assert assets.main(["fetch"]) == 0 and placed == ["two.txt"]
    assert assets.main(["verify"]) == 0


def test_list_shows_state_size_licence_and_use(world, capsys):
    wheel(world.registry, CONTENT)
    world.write(block("toy", TWO))
    assert assets.main(["list"]) == 0
    before = capsys.readouterr().out
    assets.fetch()
    capsys.readouterr()
    assert assets.main(["list", "toy"]) == 0
    after = capsys.readouterr().out
    assert "toy  [missing]" in before and "toy  [here]" in after
    for words in ("A toy, for tests", "1.0 MB from pypi atlas-toy 1.2.3", "licence: MIT", "used by: rope"):
        assert words in after


def test_a_missing_asset_names_the_command(world):
    world.write(block("toy", TWO))
    with pytest.raises(assets.AssetMissing, match=r"run `python -m assets fetch toy` once") as caught:
        assets.path("toy")
    assert caught.value.command == "python -m assets fetch toy"
    with pytest.raises(assets.AssetError, match="There is no asset called 'nope'; there are: toy"):
        assets.path("nope")
    assert assets.main(["fetch", "nope"]) == 1


CONVERTER = """
def convert(raw, target):
    if (raw / "stop").exists():
        raise RuntimeError("the converter broke")
    (target / "upper.txt").write_bytes((raw / "two.txt").read_bytes().upper())
    (target / "note.txt").write_bytes(b"made")
"""


def converted(world: World, monkeypatch, made: bytes = b"TWO\n") -> None:
    wheel(world.registry, CONTENT)
    (world.root / "toyconvert.py").write_text(CONVERTER)
    monkeypatch.syspath_prepend(str(world.root))
    pinned = f'[[toy.made]]\nto = "upper.txt"\nbytes = {len(made)}\nsha256 = "{sha256(made)}"\n'
    world.write(block("toy", {"two.txt": TWO["two.txt"]}, convert="toyconvert:convert") + pinned)


def test_a_conversion_replaces_the_raw_files(world, monkeypatch, capsys):
    converted(world, monkeypatch)
    assert assets.main(["fetch"]) == 0
    assert world.files() == {"toy/upper.txt", "toy/note.txt", "toy/made.json"}
    assert (assets.path("toy") / "upper.txt").read_bytes() == b"TWO\n"
    assert json.loads((world.cache / "toy/made.json").read_text())["from"] == [sha256(b"two\n")]
    monkeypatch.setattr(assets, "_convert", lambda *_: pytest.fail("converted again"))
    assert assets.main(["fetch"]) == 0
    (world.cache / "toy/note.txt").write_bytes(b"edam")  # not pinned in the catalogue, but recorded when it was made
    assert assets.main(["verify"]) == 1
    assert "damaged (note.txt)" in capsys.readouterr().out


def test_another_result_than_the_pinned_one_is_refused(world, monkeypatch, capsys):
    converted(world, monkeypatch, made=b"SIX\n")
    assert assets.main(["fetch"]) == 1
    assert "refused, because the conversion made another upper.txt" in capsys.readouterr().err
    assert not assets.present("toy") and world.files() == {".raw/toy/two.txt"}


def test_a_conversion_that_broke_is_taken_up_without_a_download(world, monkeypatch, capsys):
    converted(world, monkeypatch)
    stop = world.cache / ".raw" / "toy" / "stop"
    stop.parent.mkdir(parents=True)
    stop.touch()
    assert assets.main(["fetch"]) == 1
    assert capsys.readouterr().err.startswith("toy: the conversion failed (RuntimeError: 'the converter broke')")
    assert not (world.cache / "toy").exists() and (world.cache / ".raw/toy/two.txt").exists()
    stop.unlink()
    monkeypatch.setattr(assets, "_download", lambda *_: pytest.fail("downloaded again"))
    assert assets.main(["fetch"]) == 0
    assert world.files() == {"toy/upper.txt", "toy/note.txt", "toy/made.json"}


def test_new_pins_make_an_old_conversion_stale(world, monkeypatch):
    converted(world, monkeypatch)
    assets.fetch()
    world.toml.write_text(world.toml.read_text().replace(sha256(b"two\n"), "0" * 64))
    assets.catalogue.cache_clear()
    assert not assets.present("toy")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a shell script")
def test_npm_packages_come_through_npm_pack(world, monkeypatch):
    """A stand-in for npm, which checks its arguments and packs what is in the test's registry."""
    (world.registry / "package/data").mkdir(parents=True)
    (world.registry / "package/data/two.txt").write_bytes(b"two\n")
    with tarfile.open(world.registry / "toy.tgz", "w:gz") as archive:
        archive.add(world.registry / "package", "package")
    npm = world.root / "bin/npm"
    npm.parent.mkdir()
    wanted = 'test "$1 $2 $3 $4 $5" = "pack @atlas/toy@1.2.3 --silent --ignore-scripts --pack-destination"'
    npm.write_text(f'#!/bin/sh\n{wanted} && cp "{world.registry}/toy.tgz" "$6/"\n')
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(npm.parent), prepend=os.pathsep)
    toy = block("toy", {"two.txt": "toy/data/two.txt"}, "@atlas/toy", "npm")
    world.write(toy.replace('"toy/data', '"package/data'))
    assert assets.fetch() == []
    assert world.files() == {"toy/two.txt"}


SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


@pytest.mark.parametrize("pyproject", [SETUPTOOLS, ""], ids=["pyproject", "legacy"])
def test_a_file_out_of_a_pinned_source_archive_whose_code_does_not_run(world, pyproject, capfd):
    """A wheel of the same version lies beside it, without the file."""
    wheel(world.registry, {"toy/__init__.py": b""})
    setup = f"open({str(world.root / 'it-ran')!r}, 'w')\nimport setuptools; setuptools.setup(name='atlas-toy')"
    made = source_archive(world.registry, CONTENT, setup, pyproject)
    pinned = block("toy", {"two.txt": TWO["two.txt"]}, archive=sha256(made.read_bytes()))
    world.write(pinned.replace('"toy/data', '"atlas_toy-1.2.3/toy/data'))
    assert assets.fetch() == []
    assert world.files() == {"toy/two.txt"}
    assert (assets.path("toy") / "two.txt").read_bytes() == b"two\n"
    assert not (world.root / "it-ran").exists()


def test_another_source_archive_than_the_pinned_one_is_refused_unopened(world, capfd):
    """Even one with a build system of its own in it, which would run in place of ours."""
    inside = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    own = f"open({str(world.root / 'it-ran')!r}, 'w')".encode()
    source_archive(world.registry, CONTENT | {"own.py": own}, "", inside)
    pinned = block("toy", {"two.txt": TWO["two.txt"]}, archive="0" * 64)
    world.write(pinned.replace('"toy/data', '"atlas_toy-1.2.3/toy/data'))
    (sentence,) = assets.fetch()
    assert sentence.startswith("toy: atlas-toy==1.2.3 could not be downloaded") and "HASHES" in sentence
    assert not assets.present("toy") and not (world.root / "it-ran").exists()


def test_the_cache_is_the_users_own_unless_told(monkeypatch):
    monkeypatch.delenv(assets.CACHE_VARIABLE, raising=False)
    assert assets.cache().name in ("model-atlas", "Cache")
    monkeypatch.setenv(assets.CACHE_VARIABLE, "~/elsewhere")
    assert assets.cache() == Path.home() / "elsewhere"


# --- the shipped catalogue --------------------------------------------------------------------------------------------


def test_the_shipped_catalogue_is_complete():
    for name, asset in assets.catalogue().items():
        assert asset.source in ("pypi", "npm") and asset.licence and asset.title and asset.file, name
        assert not asset.archive or (len(asset.archive) == 64 and asset.source == "pypi"), name
        for file in (*asset.file, *asset.made):
            assert len(file.sha256) == 64 and file.bytes > 0 and Path(file.to).name == file.to, (name, file.to)
        if asset.convert:
            module, function = asset.convert.split(":")
            assert f"def {function}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def test_asking_is_light_and_cheap(monkeypatch):
    code = "import sys, assets; [assets.present(n) for n in assets.catalogue()];"
    code += "print(sorted({'torch', 'transformers', 'tiktoken', 'numpy', 'streamlit'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    monkeypatch.setattr(assets, "_sha256", lambda _: pytest.fail("hashed"))
    for name in assets.catalogue():
        assets.present(name)


@pytest.mark.parametrize(
    "name, asset, ids",
    [
        ("gpt2", "tiktoken-gpt2", [31373, 995]),
        ("cl100k_base", "tiktoken-cl100k", [15339, 1917]),
        ("o200k_base", "tiktoken-o200k", [24912, 2375]),
    ],
)
def test_tiktoken_takes_the_files_without_a_network(name, asset, ids):
    if not assets.present(asset):
        pytest.skip(f"needs an asset: `{assets.find(asset).command}`")
    code = "import sys, socket, tiktoken\nsocket.socket.connect = socket.getaddrinfo = None\n"
    code += f"print(tiktoken.get_encoding({name!r}).encode('hello world'))"
    environment = os.environ | {"TIKTOKEN_CACHE_DIR": str(assets.path(asset))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == str(ids), done.stderr[-500:]
    assert assets.damage(assets.find(asset)) == []  # tiktoken deletes a cached file whose hash it does not like
