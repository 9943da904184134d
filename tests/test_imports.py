"""What importing kontrast costs, and what its source never does: global random state, unpickling, running strings."""

import ast
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import kontrast

SOURCE = Path(kontrast.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = {"matplotlib", "sklearn", "scipy", "pandas", "PIL", "tensorboard", "pooch", "jinja2", "torchvision"}
IMPORT = """
import json, sys, time
start = time.process_time()
import torch
torch_done, before = time.process_time(), set(sys.modules)
import kontrast
kontrast.train, kontrast.methods, kontrast.probes
done = time.process_time()
print(json.dumps([torch_done - start, done - torch_done, sorted(set(sys.modules) - before)]))
"""

FOREIGN_CODE = {".eval", ".exec", "builtins.eval", "builtins.exec"}
FOREIGN_CODE |= {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
WRITES_ONLY = {"pickle.dump"}
FOREIGN_CODE |= {"torch.load", "torch.save", "torch.serialization", "pandas.read_pickle"}
GLOBAL_STATE = {"random", "torch.seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all", "torch.set_rng_state"}
SEEDED_IN_A_FORK = {"torch.manual_seed", "torch.random.manual_seed"}
OWN_STATE = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "MT19937", "PCG64", "PCG64DXSM", "Philox"}
OWN_STATE = {f"numpy.random.{name}" for name in OWN_STATE}
DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson", "_standard_gamma"}
DRAWS = {f"torch.{name}" for name in DRAWS} | {"torch.rand_like", "torch.randn_like", "torch.randint_like"}
DRAWS_IN_PLACE = {
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
}


@pytest.fixture(scope="module")
def imported():
    """CPU seconds of importing torch and of kontrast after it, and the modules that this adds."""
    return measured()


def measured():
    return json.loads(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout)


def test_importing_kontrast_loads_nothing_heavy(imported):
    _, _, modules = imported
    assert "kontrast.training.loop" in modules
    assert HEAVY & {name.partition(".")[0] for name in modules} == set()


def test_importing_kontrast_is_quick_beside_torch(imported):
    """CPU time, so that other processes do not count; a machine that is slow at torch may be slow here.

    One time that is too long may be chance: then the median of three counts.
    """
    times = [imported[:2]]
    if times[0][1] >= max(1.0, times[0][0]):
        times += [measured()[:2] for _ in range(2)]
    torch_seconds, seconds = (statistics.median(column) for column in zip(*times, strict=True))
    assert seconds < max(1.0, torch_seconds)


def imports(tree):
    """What a module imports: each full name, the name that it has from then on, and what that stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.partition(".")[0]
                yield (each.name, each.asname, each.name) if each.asname else (each.name, first, first)
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield f"{node.module}.{each.name}", each.asname or each.name, f"{node.module}.{each.name}"


def mentions(tree):
    """The nodes that mention something, each with its full name, which begins with a dot if it was not imported."""
    known = {name: meaning for _, name, meaning in imports(tree)}

    def full(node):
        if isinstance(node, ast.Attribute):
            return f"{full(node.value)}.{node.attr}"
        return known.get(node.id, f".{node.id}") if isinstance(node, ast.Name) else "."

    return {node: full(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}


def within(name, modules):
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def runs_foreign_code(tree):
    """What could run what a file says."""
    allowed = [
        f"{node.arg}={ast.unparse(node.value)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle"
    ]
    names = [name for name, _, _ in imports(tree)] + [*mentions(tree).values()]
    foreign = [name for name in names if within(name, FOREIGN_CODE) and name not in WRITES_ONLY]
    return [x for x in allowed if x != "allow_pickle=False"] + foreign


def touches_global_randomness(tree):
    """What draws from a random state of the whole process, or seeds it where that is not undone."""
    names = mentions(tree)
    calls = {node.func: node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    withs = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    contexts = {node: [getattr(item.context_expr, "func", None) for item in node.items] for node in withs}
    forks = [node for node in withs if "torch.random.fork_rng" in [names.get(made) for made in contexts[node]]]
    forked = {inner for fork in forks for inner in ast.walk(fork)}

    def bad(node, name):
        if name in SEEDED_IN_A_FORK:
            return node not in forked
        if name in DRAWS or name.rpartition(".")[2] in DRAWS_IN_PLACE:
            return node in calls and "generator" not in {keyword.arg for keyword in calls[node].keywords}
        if name == "numpy.random.default_rng":
            return node in calls and not calls[node].args
        numpy = name.startswith("numpy.random.") and not within(name, OWN_STATE)
        return numpy or within(name, GLOBAL_STATE)

    imported = [name for name, _, _ in imports(tree) if within(name, GLOBAL_STATE)]
    return imported + [name for node, name in names.items() if bad(node, name)]


@pytest.mark.parametrize("check", [runs_foreign_code, touches_global_randomness])
def test_the_source_never_does_it(check):
    assert len(FILES) > 50
    found = {str(path.relative_to(SOURCE)): check(ast.parse(path.read_text())) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "code",
    [
        "eval('1')",
        "import builtins\nbuiltins.exec('1')",
        "import pickle",
        "from pickle import loads",
        "from pickle import dump, load",
        "from pickle import dump\ndump.__globals__",
        "import pickle\npickle.dump({}, file)",
        "import torch as t\nt.load('x')",
        "from torch import load as read\nread('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
    ],
)
def test_foreign_code_would_be_found(code):
    assert runs_foreign_code(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.manual_seed(0)",
        "from torch import manual_seed as seed\nseed(0)",
        "import torch\nwith torch.no_grad():\n    torch.manual_seed(0)",
        "import torch\nwith torch.random.fork_rng():\n    pass\ntorch.manual_seed(0)",
        "import torch\ntorch.cuda.manual_seed_all(0)",
        "import torch\ntorch.rand(3)",
        "import torch\ntorch.zeros(3).uniform_()",
        "import numpy as np\nnp.random.seed(0)",
        "import numpy as np\nnp.random.rand(3)",
        "from numpy import random\nrandom.shuffle([1])",
        "import numpy as np\nnp.random.default_rng()",
        "import random\nrandom.seed(0)",
        "from random import shuffle",
    ],
)
def test_global_randomness_would_be_found(code):
    assert touches_global_randomness(ast.parse(code))


def test_what_only_looks_like_it_is_no_offense():
    code = """
import numpy as np, torch
from pickle import dump
from safetensors.torch import load
dump({}, file)
load(b"")
np.load("x.npz", allow_pickle=False)
student.eval()
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
rng = np.random.default_rng(0)
generator = torch.Generator().manual_seed(0)
torch.rand(3, generator=generator)
torch.zeros(3).uniform_(generator=generator)
"""
    assert touches_global_randomness(ast.parse(code)) == []
    assert runs_foreign_code(ast.parse(code)) == []


def test_no_report_imports_torch():
    """Not even inside a function, nor does any module of kontrast's that a report imports."""
    seen, queue = set(), {f"kontrast.report.{path.stem}" for path in (SOURCE / "report").glob("*.py")}
    assert len(queue) > 5
    while queue:
        module = queue.pop()
        seen.add(module)
        path = SOURCE.parent.joinpath(*module.split(".")).with_suffix(".py")
        if path.exists():
            found = {name for name, _, _ in imports(ast.parse(path.read_text()))}
            assert [name for name in found if within(name, {"torch", "torchvision"})] == [], module
            queue |= {
                inner for name in found if name.startswith("kontrast.") for inner in (name, name.rpartition(".")[0])
            }
            queue -= seen
    assert {"kontrast.report.figures", "kontrast.scores", "kontrast.text"} <= seen
