"""The project's architecture, held by tests: imports go one way, and torch stays out until it is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# docs/architecture.md: a module imports what stands further up, or beside it within its own line.
CORE_LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "labels", "schema", "config", "showing"),
    ("spans",),
    ("data",),
    ("encoders", "devices", "access"),
    ("features",),
    ("model",),
    ("systems",),
    ("tagging",),
    ("manifest", "promotions", "registry", "versions"),
    ("checkpoint",),
    ("predict",),
    ("engine",),
    ("analysis", "distributed"),
    ("explain",),
    ("corrections", "upload"),
    ("train", "backup"),
    ("service",),
    ("commands",),
    ("__main__",),
)
APP_LAYERS: tuple[tuple[str, ...], ...] = (
    (
        *("tables", "figures", "markup", "state", "outcomes", "lineage"),
        *("standings", "standing_figures", "variants", "provenance_tables", "relevance_cells", "garbage"),
    ),
    ("services", "access", "headers"),
    ("sets", "jobs", "uploads", "work"),
    ("corrections",),
    ("models", "benchmark", "explaining", "keeping", "patterns", "asking", "routing", "visual_bias"),
    ("panels",),
    ("views",),
    ("streamlit_app",),
)
TORCH_FREE = {
    "umt_core",
    *(f"umt_core.{name}" for name in ("errors", "labels", "schema", "config", "showing", "spans")),
    *(f"umt_core.{name}" for name in ("manifest", "promotions", "registry", "versions", "upload", "backup")),
    *(f"umt_core.access.{name}" for name in ("users", "passwords", "throttle", "sessions", "door")),
    "app.access",
    *(f"app.{name}" for name in ("tables", "figures", "markup", "state", "outcomes", "lineage")),
    *(f"app.{name}" for name in ("standings", "standing_figures", "variants")),
}
HEAVY_PACKAGES = ("torch", "torchvision", "transformers")


def modules(package: str) -> list[str]:
    """Dotted names of all modules in a package, packages themselves by their own name."""
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def path_of(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imports(module: str, *, at_import_only: bool = False) -> frozenset[str]:
    """Absolute names of everything a module imports, inside functions too unless told otherwise."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    return frozenset(imported_names(tree, module, at_import_only))


def imported_names(tree: ast.AST, module: str, at_import_only: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import; ours are absolute"
            # `from umt_core import spans` imports a module, `from umt_core.spans import x` a name of one.
            yield from (
                full if path_of(full := f"{node.module}.{alias.name}").exists() else str(node.module)
                for alias in node.names
            )
        elif at_import_only and (isinstance(node, ast.FunctionDef) or is_type_checking(node)):
            continue
        else:
            yield from imported_names(node, module, at_import_only)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def edges(package: str) -> list[tuple[str, str]]:
    return [(module, target) for module in modules(package) for target in imports(module)]


@cache
def needs_torch(module: str) -> bool:
    """Whether importing a module of ours imports torch or its like, by itself or through others of ours."""
    targets = imports(module, at_import_only=True)
    return any(root(t) in HEAVY_PACKAGES or (t in ALL_MODULES and needs_torch(t)) for t in targets - {module})


def layer_of(module: str, layers: tuple[tuple[str, ...], ...]) -> int:
    part = module.split(".")[1]
    found = [i for i, layer in enumerate(layers) if part in layer]
    assert found, f"{module} is in no layer: give it its place here and in docs/architecture.md"
    return found[0]


@pytest.mark.parametrize(("package", "layers"), [("umt_core", CORE_LAYERS), ("app", APP_LAYERS)])
def test_modules_import_only_what_stands_before_them(package, layers):
    inner = [(m, t) for m, t in edges(package) if "." in m and t.startswith(f"{package}.")]
    assert not [f"{m} imports {t}" for m, t in inner if layer_of(t, layers) > layer_of(m, layers)]


def test_no_modules_import_each_other_in_a_circle():
    waiting = {m: {t for t in imports(m) if t != m} for m in ALL_MODULES}
    while free := [m for m, targets in waiting.items() if not targets & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting


def test_the_core_knows_neither_the_app_nor_streamlit():
    assert not [edge for edge in edges("umt_core") if root(edge[1]) in ("app", "streamlit")]


def test_the_model_has_never_heard_of_tweets_or_files():
    banned = ("umt_core.data", "pathlib", "PIL")
    assert not [edge for edge in edges("umt_core") if ".model" in edge[0] and edge[1].startswith(banned)]


def test_the_pure_parts_of_the_app_do_not_import_streamlit():
    pure = {f"app.{name}" for name in APP_LAYERS[0]} - {"app.state"}
    assert pure <= set(modules("app"))
    banned = ("streamlit", "app.state")
    assert not [edge for edge in edges("app") if edge[0] in pure and edge[1].startswith(banned)]


def test_no_page_caches():
    pages = sorted((ROOT / "app" / "views").glob("*.py"))
    assert pages
    assert not [path.name for path in pages if "st.cache_" in path.read_text(encoding="utf-8")]


def test_only_services_reach_for_models_and_only_when_called():
    heavy = {m for m in modules("umt_core") if needs_torch(m)} | set(HEAVY_PACKAGES)
    assert {m for m, target in edges("app") if target in heavy} <= {"app.services"}
    assert not [m for m in modules("app") if needs_torch(m)]


def test_only_services_spell_names_of_the_core():
    """A name in quotes is an import that the tests above do not see."""
    spelled = {module for module in modules("app") if any(map(is_of_the_core, texts(module)))}
    assert spelled == {"app.services"}
    names = [text.rpartition(".") for text in texts("app.services") if is_of_the_core(text)]
    missing = [f"{m}.{name}" for m, _, name in names if f"{m}.{name}" not in ALL_MODULES and name not in functions(m)]
    assert not missing


def is_of_the_core(text: str) -> bool:
    return re.fullmatch(r"umt_core(\.\w+)+", text) is not None


def texts(module: str) -> list[str]:
    """All of a module's string literals."""
    nodes = ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8")))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def functions(module: str) -> set[str]:
    body = ast.parse(path_of(module).read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_light_modules_leave_torch_out():
    light = [m for m in ALL_MODULES if m in TORCH_FREE or m.startswith("umt_core.data")]
    program = f"import sys, {', '.join(light)}; print([m for m in {HEAVY_PACKAGES} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_module_of_the_app_hides_one_of_the_standard_library():
    # Running a script puts its folder first on the path.
    assert not {path.stem for path in (ROOT / "app").iterdir()} & sys.stdlib_module_names
    assert not (ROOT / "app" / "pages").exists(), "Streamlit reads a folder `pages` in ways of its own"


def test_everything_imported_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    declared = {canonical(line.split("==")[0].split("[")[0]) for line in [*project["dependencies"], *extras]}
    provided_by = packages_distributions()
    foreign = {root(target) for m in ALL_MODULES for target in imports(m)} - sys.stdlib_module_names
    foreign -= {"umt_core", "app"}
    assert not [name for name in foreign if not {canonical(d) for d in provided_by.get(name, [])} & declared]


def root(module: str) -> str:
    return module.split(".")[0]


def canonical(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


ALL_MODULES = modules("umt_core") + modules("app")
