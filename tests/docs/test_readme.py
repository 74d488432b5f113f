# SPDX-License-Identifier: Apache-2.0
"""What the README shows works: its commands and programs are run as they stand there, in a directory laid out as a clone,
and their output is what it shows (sizes, times and rates may differ)."""
import contextlib
import os
import re
import shutil
import subprocess
import sys

import pytest

import csr_reader
import document
import harness

BLOCKS = document.blocks("README.md")
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

# Commands that are not run here, and why.
NOT_RUN = {
    "sh mount-helpers/demo.sh": "it installs, builds, and runs for a while: .ci/run runs it",
    "sh tests/run.sh": "it runs these tests: .ci/run runs it",
    "sh mount-helpers/install-deps.sh build": "it installs packages: demo.sh runs it",
    "cmake --preset release": "demo.sh and tests/run.sh run it",
    "cmake --build --preset release": "demo.sh and tests/run.sh run it",
    "sudo cmake --install build/release": "it writes to the system",
    "sudo ldconfig": "it writes to the system",
    "python3 tests/bench/dataloader.py": "it takes a minute, and torch",
    "python3 tests/bench/run.py": "it takes minutes and gigabytes",
    "python3 tests/bench/views.py": "it takes minutes and gigabytes",
    "sudo python3 tests/bench/cold.py --rows 500000": "drops the page cache and limits memory, as root",
    "sh tests/bench/peers/race.sh": "installs other loaders and takes 20 minutes",
}

needs_fuse = pytest.mark.skipif(not os.access("/dev/fuse", os.R_OK | os.W_OK),
                                reason="/dev/fuse is missing or not accessible: nothing can be mounted here")


def of(language, heading=None):
    found = [block.text for block in BLOCKS if block.language == language and heading in (None, block.heading)]
    assert found, f"the README has no block of {language} under {heading}"
    return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A directory that looks like a clone after the build, as far as the README's commands can tell."""
    place = tmp_path_factory.mktemp("clone")
    (place / "build").mkdir()
    for name in ("include", "clients"):
        (place / name).symlink_to(document.REPO / name)
    (place / "build" / "release").symlink_to(harness.BUILD)
    return place


def shell(command, place, ok=True):
    """(stdout and stderr together) of a command of the README, with PATH as the README sets it."""
    export, = [line for text in of("sh") for line in text.splitlines() if line.startswith("export ")]
    interpreter = f'python3() {{ {PYTHON} "$@"; }}\n'           # the one that has numpy
    done = subprocess.run(["sh", "-c", f"{export}\n{interpreter}{command}"], cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=harness.PATIENCE, env={**os.environ, "LC_ALL": "C.UTF-8"})
    text = done.stdout.decode()
    harness.check_sanitizers(text)
    assert done.returncode == 0 or not ok, f"$ {command}\nexits with {done.returncode}:\n{text}"
    return text


def transcript(text):
    """(command, output) of a console block."""
    steps = re.split(r"^\$ ", text, flags=re.M)
    assert steps[0] == ""
    return [(command, output) for command, _, output in (step.partition("\n") for step in steps[1:])]


def shape_of(output):
    """Output with what may differ made equal: seconds, and large numbers and rates (the synthetic counts go through libm)."""
    return re.sub(r"\b\d{5,}\b", "N", re.sub(r"\b\d\.\d{3}\b", "R", re.sub(r"\d+\.\d+ s\b", "T s", output)))


@contextlib.contextmanager
def unmounted_after(place):
    try:
        yield
    finally:
        harness.clean_up(None, place / "mnt")


@needs_fuse
def test_the_first_look(clone):
    """The transcripts, command by command."""
    with unmounted_after(clone):
        for text in of("console", "A first look") + of("console", "Views"):
            for command, shown in transcript(text):
                assert shape_of(shell(command, clone)) == shape_of(shown), f"$ {command}"
    assert not os.path.ismount(clone / "mnt"), "the README leaves nothing mounted"
    batch = csr_reader.parse((clone / "batch.csr").read_bytes())
    assert (batch.epoch, batch.rank, batch.batch, batch.n_rows, batch.n_cols) == (3, 1, 5, 256, 2000)


@pytest.fixture(scope="module")
def mounted(clone, tmp_path_factory):
    """A clone in which the README's own commands have made data.sfs and mounted it on mnt."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not accessible: nothing can be mounted here")
    place = tmp_path_factory.mktemp("mounted")
    for name in ("build", "include", "clients"):
        (place / name).symlink_to(clone / name)
    commands = [command for command, _ in transcript(of("console", "A first look")[0])]
    with unmounted_after(place):
        for command in commands:
            if command.startswith(("mkshufflefs", "mkdir", "shufflefs")):
                shell(command, place)
        assert os.path.ismount(place / "mnt")
        yield place


@pytest.mark.parametrize("number", range(len(of("python", "Reading from Python"))))
def test_python(number, mounted):
    (mounted / "snippet.py").write_text(of("python", "Reading from Python")[number])
    printed = shell("python3 snippet.py", mounted)
    if number == 0:
        assert printed.startswith("(256, 2000) [")
    else:
        assert sorted(printed.splitlines()) == ["rank 0: 5000 rows", "rank 1: 5000 rows"], "two epochs of 2,500 rows each"


def has_torch():
    return subprocess.run([PYTHON, "-c", "import torch"], capture_output=True).returncode == 0


@pytest.mark.parametrize("number, expected", [(0, "9 (196, 2000) 196"), (1, "[6, 7, 8, 9]")])
def test_the_python_client(number, expected, mounted):
    program = of("python", "The Python client")[number]
    if "Batches" in program and not has_torch():
        pytest.skip("torch is not installed")
    (mounted / "snippet.py").write_text(program)
    assert shell("python3 -W ignore snippet.py", mounted).strip() == expected


def test_torch(mounted):
    """What the README says of torch, where it is installed for the interpreter in use."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    names = {}
    exec(of("python")[0].split("X, rows =")[0], names)
    X, _ = names["read_batch"](mounted / "mnt/epoch_0/rank_0/batch_0.csr")
    expression = re.search(r"`(torch\.sparse_csr_tensor\(.*?\))`", (document.REPO / "README.md").read_text(), re.S)[1]
    tensor = eval(" ".join(expression.split()), {"torch": torch, "indptr": X.indptr, "indices": X.indices, "data": X.data,
                                                  "n_rows": X.shape[0], "n_cols": X.shape[1]})
    assert tuple(tensor.shape) == X.shape and tensor.values().sum().item() == pytest.approx(X.sum(), rel=1e-4)


def has_r():
    """Whether there is an R with the package Matrix."""
    return bool(shutil.which("Rscript")) and subprocess.run(["Rscript", "-e", "library(Matrix)"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_r(), reason="Rscript with the package Matrix is not installed: the R program cannot be run")
def test_r(mounted):
    (mounted / "snippet.R").write_text(of("r")[0])
    assert "256 2000" in shell("Rscript snippet.R", mounted)


@pytest.mark.parametrize("number", range(len(of("c"))))
def test_c(number, mounted):
    """The C programs compile without a warning and write what Python reads."""
    program, commands = of("c")[number], of("sh", "Reading from C")[number]
    name = re.match(r"/\* (\w+\.c):", program)[1]
    (mounted / name).write_text(program)
    release = mounted / "build" / "release"
    if name == "copy_batch.c" and harness.BUILD != harness.RELEASE:
        if not (harness.RELEASE / "libshufflefs.so").exists():
            pytest.skip("a program without sanitizers cannot load a library with them, and there is no release build")
        commands = commands.replace("build/release", str(harness.RELEASE)).replace("$PWD/", "")
    assert release.exists()
    output = shell(commands.replace("gcc ", "gcc -Wall -Wextra -Werror "), mounted)
    rows = dict(re.findall(r"^row (\d+): (\S+)$", output, re.M))
    if name == "read_batch.c":
        batch = csr_reader.parse((mounted / "mnt/epoch_0/rank_0/batch_0.csr").read_bytes())
        assert {int(row): float(value) for row, value in rows.items()} == pytest.approx(
            {int(number): float(batch.row(i)[1].sum()) for i, number in enumerate(batch.rows)}, rel=1e-4)
    else:
        batch = csr_reader.parse((mounted / "batch.csr").read_bytes())
        assert (batch.n_rows, batch.batch, batch.n_cols) == (256, 3, 2000)


@pytest.mark.skipif(not shutil.which("pkg-config"), reason="pkg-config is not installed")
def test_pkg_config(mounted):
    """The flags that the README has gcc take from pkg-config; what they name is not installed here, so it is told beside them."""
    command = re.search(r"`(gcc copy_batch\.c \$\(pkg-config[^`]*)`", (document.REPO / "README.md").read_text())[1]
    (mounted / "copy_batch.c").write_text(of("c")[1])
    shell(f"PKG_CONFIG_PATH={harness.RELEASE if harness.RELEASE.exists() else harness.BUILD} && export PKG_CONFIG_PATH && "
          f"{command} -Iinclude -L{harness.RELEASE if harness.RELEASE.exists() else harness.BUILD} -o copy_batch", mounted)


def test_every_command_is_run_somewhere():
    """Commands outside of the transcripts are those of the C section, or named in NOT_RUN with a reason."""
    for block in BLOCKS:
        if block.language == "sh" and block.heading != "Reading from C":
            for command in block.text.splitlines():
                assert command in NOT_RUN or command.startswith("export "), command
        assert block.language in ("sh", "console", "python", "r", "c"), "a block that nothing checks"


def test_the_commands_of_building_are_those_of_the_scripts():
    """So that those run by the scripts are those that the README names."""
    demo = (document.REPO / "mount-helpers" / "demo.sh").read_text()
    for command in NOT_RUN:
        if command.startswith(("cmake", "sh mount-helpers/install")):
            assert command in demo, f"demo.sh does not run: {command}"
        elif command.startswith(("sh ", "python3 ")):
            assert (document.REPO / command.split()[1]).is_file(), command
    ci = (document.REPO / ".ci" / "run").read_text()
    assert "sh tests/run.sh" in ci and "sh mount-helpers/demo.sh" in ci


def test_links_lead_somewhere():
    for name in ("README.md", "docs/batch-format.md", "docs/collection-format.md", "docs/order.md"):
        text = (document.REPO / name).read_text()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert link.startswith("https://") or ((document.REPO / name).parent / link).exists(), f"{name}: {link}"
        for path in re.findall(r"`((?:docs|tests|mount-helpers)/[\w./-]+)`", text):
            assert (document.REPO / path).exists(), f"{name}: {path}"


def test_the_table_of_options_is_complete():
    table = [line.split("|")[1] for line in (document.REPO / "README.md").read_text().split("## Mount options")[1].split("\n## ")[0].splitlines()
             if line.startswith("| `")]
    named = {key for cell in table for key in re.findall(r"`(\w+)`", cell)}
    assert named == {re.match(r"[a-z_]+", tag)[0] for tag in document.tags("shufflefs.1", "MOUNT OPTIONS")}


def test_the_performance_section_has_its_markers():
    text = (document.REPO / "README.md").read_text()
    assert 0 < text.index("<!-- performance -->") < text.index("<!-- /performance -->")
