# SPDX-License-Identifier: Apache-2.0
"""Rules of the code that a compiler does not check: what may include what, names, form; and that the man pages say what
the programs say."""
import json
import re
import shutil
import subprocess

import pytest

import document
import h5ad_corpus
import harness

REPO = document.REPO
SPDX = "SPDX-License-Identifier: Apache-2.0"

# Files that cannot have an SPDX line: the licence's own text, and JSON, which has no comments.
WITHOUT_SPDX = re.compile(r"LICENSE|.*\.json")
MAX_LINES = 700
NOT_CODE = re.compile(r"LICENSE|.*\.json")              # not written line by line

# What each folder of core may include beside itself and the libc; convert may also use order's hash for its numbers.
BELOW = {"store": set(), "codec": {"store"}, "order": {"store"}, "select": {"store", "codec", "order"},
         "batch": {"select", "order", "codec", "store"}}
BELOW["namespace"] = BELOW["convert"] = BELOW["batch"] | {"batch"}
EXTRA = {"convert": {"order/key.h"}}
DROPPED = {"convert": {"order", "select"}}              # but for EXTRA

# Libraries, by who may include them. Everything else in <> must be of the libc or the kernel.
LIBRARIES = {"fuse_lowlevel.h": ["fs"], "linux/fuse.h": ["fs"], "hdf5.h": ["core/convert", "core/batch/h5ad_image.c"], "H5PLextern.h": ["core/convert"],
             "liblzf/lzf.h": ["core/convert"], "xxhash.h": ["core/store"], "zstd.h": ["core/codec"],
             "libdeflate.h": ["core/batch"],
             "jansson.h": ["core/store", "core/namespace", "core/convert"]}


def repository_files():
    """Everything that is or could be committed."""
    done = subprocess.run(["git", "-c", f"safe.directory={REPO}", "-C", REPO, "ls-files", "-co", "--exclude-standard"],
                          capture_output=True, text=True) if shutil.which("git") else None
    if done is not None and done.returncode == 0:
        return sorted(name for name in set(done.stdout.splitlines()) if (REPO / name).is_file())
    left_out = {"build", ".git", ".hypothesis", ".pytest_cache", "__pycache__"}
    return sorted(str(path.relative_to(REPO)) for path in REPO.rglob("*")
                  if path.is_file() and not left_out & set(path.relative_to(REPO).parts) and ".sfs" not in str(path))


FILES = repository_files()
C_FILES = [name for name in FILES if name.endswith((".c", ".h"))]
SOURCES = [name for name in C_FILES if name.startswith(("fs/", "core/", "include/"))]


def text(name):
    return (REPO / name).read_text(errors="replace")


def includes(name):
    """(brackets, path) of every #include."""
    return [(quote == "<", path) for quote, path in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text(name), re.M)]


# --- what includes what --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", SOURCES)
def test_includes(name):
    for brackets, path in includes(name):
        if brackets:
            allowed = LIBRARIES.get(path)
            assert allowed is None or any(name == place or name.startswith(place + "/") for place in allowed), f"{name} includes <{path}>"
            if not allowed:
                assert re.fullmatch(r"[a-z0-9_]+\.h|(sys|linux)/[a-z0-9_]+\.h", path), f"<{path}> is no header of the libc: name it in LIBRARIES"
                assert not re.match(r"fuse|hdf5|H5", path), f"{name} includes <{path}>"
        else:
            check_own_include(name, path)


def check_own_include(name, path):
    folder = path.split("/")[0]
    assert ".." not in path, f"{name} includes {path}"
    if name.startswith("include/"):
        assert folder == "shufflefs", f"{name} includes {path}: the public headers know nothing but each other"
    elif name.startswith("fs/"):
        own = (REPO / "fs" / path).is_file() and "/" not in path
        assert own or folder == "shufflefs", f"{name} includes {path}: fs knows the library by its public headers alone"
    else:
        own = name.split("/")[1]
        assert (REPO / "core" / path).is_file() or (REPO / "include" / path).is_file(), f"{name} includes {path}, which is not below core/ or include/"
        allowed = ({own, "shufflefs"} | BELOW[own]) - DROPPED.get(own, set())
        assert folder in allowed or path in EXTRA.get(own, set()), f"{name} includes {path}: {own} may not know {folder}"


def test_every_folder_has_its_place():
    folders = {name.split("/")[1] for name in SOURCES if name.startswith("core/")}
    assert folders <= set(BELOW), "a new folder in core: say in BELOW what it may include"


# --- form ----------------------------------------------------------------------------------------------------------

def test_spdx():
    for name in FILES:
        if not WITHOUT_SPDX.fullmatch(name):
            assert any(SPDX in line for line in text(name).splitlines()[:5]), f"{name} has no SPDX line at its beginning"


def test_lengths():
    for name in FILES:
        if not NOT_CODE.fullmatch(name):
            assert len(text(name).splitlines()) < MAX_LINES, f"{name} is long: divide it"


def test_no_path_of_a_machine():
    pattern = re.compile(r"(?<![\w.$}*/-])/(?:work|root|home)/\w|/tmp/[b]ash|/tmp/[p]lan")
    for name in FILES:
        for number, line in enumerate(text(name).splitlines(), 1):
            assert not pattern.search(line), f"{name}:{number} names a directory of one machine: {line.strip()}"


def test_text_files_are_tidy():
    for name in FILES:
        content = (REPO / name).read_bytes()
        assert b"\r" not in content, f"{name} has carriage returns"
        assert not content or content.endswith(b"\n"), f"{name} does not end with a newline"
        assert not re.search(rb"[ \t]\n", content) or name == "LICENSE", f"{name} has spaces at a line's end"


@pytest.mark.skipif(not shutil.which("clang-format"), reason="clang-format is not installed: the form of C files cannot be checked")
def test_formatted():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", *C_FILES], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_exported_symbols():
    """Nothing but sfs_... leaves the library, and all that the headers declare does."""
    done = subprocess.run(["nm", "-D", "--defined-only", harness.BUILD / "libshufflefs.so"], capture_output=True, text=True, check=True)
    exported = {line.split()[-1] for line in done.stdout.splitlines()}
    assert all(name.startswith("sfs_") for name in exported), exported
    declared = set()
    for name in C_FILES:
        if name.startswith("include/"):
            code = re.sub(r"/\*.*?\*/", "", text(name), flags=re.S)
            declared.update(re.findall(r"SFS_API[^;(]*?\b(sfs_\w+)\(", code))
    assert declared == exported


def code_of(name):
    """A file without comments, strings' insides and directives."""
    code = re.sub(r"/\*.*?\*/", "", text(name), flags=re.S)
    return re.sub(r"^#.*(?<!\\)$", "", code.replace("\\\n", " "), flags=re.M)


def test_declared_functions_exist():
    """A header declares no function that nothing defines."""
    declared, defined = {}, set()
    for name in SOURCES:
        for found, end in re.findall(r"^(?!typedef)[A-Za-z][\w\s*]*?\b(sfs_\w+)\([^;{}]*\)[^;{}=]*([;{])", code_of(name), re.M):
            if end == "{":
                defined.add(found)
            elif name.endswith(".h"):
                declared[found] = name
    assert len(declared) > 50 and len(defined) > 50
    for found, name in declared.items():
        assert found in defined, f"{name} declares {found}, which nothing defines"


# --- the man pages -------------------------------------------------------------------------------------------------

PROGRAMS = ["shufflefs", "mkshufflefs"]


def help_of(program):
    done = harness.run([harness.BUILD / program, "--help"])
    assert done.returncode == 0
    return done.stdout.decode()


def options_in(lines):
    """Options of the form -x and --name that stand in these lines."""
    return {option for line in lines for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[A-Za-z])(?![\w-])", line)}


def keys_in_help():
    return set(re.findall(r"^    -o ([a-z_]+)", help_of("shufflefs"), re.M))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_man_page_lists_the_options(program):
    listed = [re.split(r" {2,}", line.strip())[0] for line in help_of(program).splitlines() if re.match(r" +-", line)]
    assert options_in(document.tags(f"{program}.1", "OPTIONS")) == options_in(listed)


def keys_in_man():
    return {re.match(r"[a-z_]+", tag)[0] for tag in document.tags("shufflefs.1", "MOUNT OPTIONS")}


def test_the_man_page_lists_the_keys():
    assert keys_in_man() == keys_in_help()


def keys_in_code():
    """Every key that the code compares with."""
    view, options = text("core/namespace/view.c"), text("fs/options.c")
    keys = set(re.findall(r'!strcmp\(key, "([a-z_]+)"\)', options))
    return keys | set("".join(found) for found in re.findall(r'(?:TEXT|WORD)_KEY\("([a-z_]+)"|NUMBER_KEY\(([a-z_]+), \d|\{"([a-z_]+)", (?:FORMATS|VALUE_TYPE)', view))


def test_every_key_is_documented():
    assert keys_in_code() == keys_in_man()


def test_the_options_of_mount_are_documented():
    """Those that are accepted and change nothing are all in the page's list, and no other."""
    known = re.search(r"known\[\] = \{(.*?)NULL\}", text("fs/options.c"), re.S)[1]
    page = text("docs/shufflefs.1").replace(r"\-", "-")
    listed = re.search(r"nosuid and nodev[^:]*:\n(.*?), and all that begin with x-", page, re.S)[1]
    assert set(re.split(r",\s+", listed)) == set(re.findall(r'"(\w+)"', known))


def test_every_documented_key_is_accepted(convert):
    """With the default that the page names, and with the default of `seed=0`, and so on."""
    collection = convert("synthetic:rows=10,vars=5,density=0.2,seed=0")
    defaults = {"batch_size": 1024, "world_size": 1, "seed": 0, "order": "shuffle", "block_size": 64, "window": 65536, "tail": "even",
                "layer": "X", "value_dtype": "store", "index_dtype": "int32", "lossy": 0, "epochs": 10, "formats": "csr", "cache": "auto",
                "cache_size": "auto", "prefetch": "auto", "allow_other": None, "auto_unmount": None, "view_cache_size": "auto", "split_method": "hash", "split_seed": 0,
                **dict.fromkeys(("where", "rows_file", "genes", "genes_file", "split", "part", "fold", "stratify", "group", "weight", "balance",
                                 "pure", "class_weights", "obs", "obsm", "epoch_size"), "")}
    assert set(defaults) == keys_in_man()
    plain = harness.cat(collection, "dataset.json")
    for key, value in defaults.items():
        assert key == "epoch_size" or harness.cat(collection, "dataset.json", **{key: value}) == plain, key
    for key, value in defaults.items():
        assert value in (None, "") or key in ("cache", "formats") or re.search(rf"-o {key}=\S+ .*\n?.*\({value}[);]", help_of("shufflefs")), key


def test_the_line_for_fstab(convert):
    """Its options are accepted as they stand."""
    options = re.search(r"fuse\.shufflefs\s+(\S+)", text("docs/shufflefs.1"))[1]
    collection = convert("synthetic:rows=10,vars=5,density=0.2,seed=0")
    done = harness.run([harness.BUILD / "shufflefs", "--cat", collection, "dataset.json", "-o", options])
    assert done.returncode == 0 and json.loads(done.stdout)["view"]["batch_size"] == 512


def test_dataset_json_is_documented(convert, tmp_path):
    """Its members are those of the page, and those of view are the options."""
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](tmp_path / "a.h5ad")
    dataset = json.loads(harness.cat(convert(tmp_path / "a.h5ad"), "dataset.json", seed=2**63))
    assert set(dataset) == {key for tag in document.tags("shufflefs.1", "DATASET.JSON") for key in tag.split()}
    assert set(dataset["view"]) == {"batch_size", "world_size", "seed", "order", "block_size", "window", "tail", "layer", "value_dtype",
                                    "index_dtype", "lossy", "epochs"}
    assert dataset["view"]["seed"] == str(2**63)
    page = text("docs/shufflefs.1")
    for described in [dataset["obs"], dataset["raw_var"], list(dataset["matrices"].values())]:
        for each in described:
            assert all(re.search(rf"\b{key}\b", page) for key in each)


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed: pages cannot be rendered")
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_man_page_renders(program):
    done = subprocess.run(["man", "--warnings", "-l", REPO / "docs" / f"{program}.1"], capture_output=True, text=True,
                          env={"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) > 40


def test_exit_statuses():
    """Those of fs/options.h are those of the page."""
    codes = {number for _, number in re.findall(r"(SFS_EXIT_\w+) = (\d)", text("fs/options.h"))}
    assert set(document.tags("shufflefs.1", "EXIT STATUS")) == codes


def test_version():
    version = re.search(r'SFS_VERSION "([\d.]+)"', text("include/shufflefs/version.h"))[1]
    for program in PROGRAMS:
        assert f'"shufflefs {version}"' in text(f"docs/{program}.1")
        assert harness.run([harness.BUILD / program, "--version"]).stdout.decode().splitlines()[0] == f"{program} {version}"
