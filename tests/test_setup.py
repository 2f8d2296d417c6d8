"""The set-up files agree with each other, and hold nothing of the machine that made them."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from helpers import reference

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements-bootstrap.lock", "requirements.lock"]
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",  # without the Qt windows
    "tzdata": "python-tzdata",
    "brotli": "brotli-python",
    "playwright": "playwright-python",
    "ibis-framework": "ibis-duckdb",
    "duckdb": "python-duckdb",
}
CONDA_ALONE = {"python", "pip", "setuptools"}
READMES = {"README.md": "en", "README.zh-CN.md": "zh"}
HEADS = {
    "en": "| system | export | fills | evidence |",
    "zh": "| 系统 | 导出 | 对应的表 | 证据等级 |",
}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bounds(requirement: str) -> tuple[str, frozenset[str]]:
    """Name and version bounds of one line, written as pip or as conda writes it."""
    parsed = Requirement(requirement)
    return parsed.name.lower(), frozenset(str(parsed.specifier).split(","))


def conda_lines() -> tuple[list[str], list[str]]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    (pip_lines,) = [line["pip"] for line in dependencies if isinstance(line, dict)]
    return [line for line in dependencies if isinstance(line, str)], pip_lines


def test_conda_environment_has_the_packages_and_bounds_of_the_project():
    from_conda, from_pip = conda_lines()
    assert from_pip[-1] == "-e ."
    conda = dict(bounds(line) for line in from_conda)
    given = {name: bound for name, bound in conda.items() if name not in CONDA_ALONE}
    given |= dict(bounds(line) for line in from_pip[:-1])
    wanted = dict(
        bounds(line)
        for line in [*project()["dependencies"], *project()["optional-dependencies"]["test"]]
    )
    assert given == {CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()}


def test_conda_environment_has_the_project_s_python():
    from_conda, _ = conda_lines()
    python = dict(bounds(line) for line in from_conda)["python"]
    assert python == frozenset(project()["requires-python"].split(","))


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_no_address_and_no_local_path(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    found = re.findall(
        r"(?m)^.*(?:://|--(?:extra-)?index-url|--find-links|file:|@ |/home/|/root/|/opt/|/tmp/).*$",
        text,
    )
    assert found == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_and_hashed(lock):
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8"))
    packages = [block for block in blocks if not block.startswith("#")]
    assert packages
    loose = [
        block.splitlines()[0]
        for block in packages
        if not re.match(r"[\w.-]+==\S+.*\n.*--hash=sha256:", block)
    ]
    assert loose == []


def test_the_lock_pins_what_the_project_asks_for():
    pins = re.findall(
        r"(?m)^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8")
    )
    locked: dict[str, list[str]] = {}
    for name, version in pins:
        locked.setdefault(name.lower(), []).append(version)
    for line in [*project()["dependencies"], *project()["optional-dependencies"]["test"]]:
        requirement = Requirement(line)
        versions = locked[requirement.name.lower()]
        assert all(requirement.specifier.contains(version) for version in versions), (
            f"{line}: {versions}"
        )


def targets() -> dict[str, str]:
    """Phony targets of the Makefile and their one-line help, empty where there is none."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"(?m)^\.PHONY: (.+)$", text)
    return {
        target: (re.findall(rf"(?m)^{target}:.*?## (.+)$", text) or [""])[0]
        for line in phony
        for target in line.split()
    }


def test_make_alone_lists_the_targets():
    described = {target: words for target, words in targets().items() if words}
    wanted = {"report", "test", "lab", "bench", "lint", "same", "notebooks-clean", "lock", "clean"}
    assert wanted <= described.keys()
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    run = subprocess.run(["make"], cwd=ROOT, env=quiet, capture_output=True, text=True, check=True)
    for target, words in described.items():
        assert re.search(rf"(?m)^make {target} +{re.escape(words)}$", run.stdout), (
            f"{target} is not listed"
        )


def test_ci_runs_make_test_and_nothing_cleverer():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, ".ci/run is not executable"
    lines = [
        line
        for line in script.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[-1] == "make test"
    assert all(line.startswith(("set ", "cd ")) for line in lines[:-1])


def test_the_readmes_name_only_targets_that_exist():
    for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8")))
        assert named <= targets().keys(), f"{name} names {named - targets().keys()}"


def page_lines(lang: str) -> list[str]:
    """One line a system: where its exports are found; in English also its Chinese words."""
    read = [system for system in reference.systems() if system.exports]
    if lang == "zh":
        return [f"- **{system.zh}**：{system.where.zh}" for system in read]
    return [f"- **{system.en}**: {system.where.en} ({system.where.zh})" for system in read]


def source_lines(lang: str) -> list[str]:
    """The table of sources: one line an export, the table that it fills, the grade of evidence.

    Then those whose layout nobody has seen, with the sheets of the template that take their
    figures.
    """
    tables = reference.tables()
    rows = [
        (
            f"| {getattr(system, lang)} | {getattr(export, lang)} | "
            f"{getattr(tables[export.table], lang)} | {export.grade} |"
        )
        for system in reference.systems()
        for export in system.exports
    ]
    template, between = {"zh": ("模板：", "、"), "en": ("template: ", ", ")}[lang]
    rows += [
        (
            f"| {getattr(system, lang)} | {getattr(export, lang)} | "
            f"{template}{between.join(getattr(tables[name], lang) for name in export.tables)} | "
            "unverified |"
        )
        for system in reference.systems()
        for export in system.unverified
    ]
    return [HEADS[lang], "|---|---|---|---|", *rows]


@pytest.mark.parametrize("name", READMES)
@pytest.mark.parametrize(("mark", "lines"), [("pages", page_lines), ("sources", source_lines)])
def test_the_readmes_say_of_each_source_what_its_mapping_says(name, mark, lines):
    expected = "\n".join(lines(READMES[name]))
    text = (ROOT / name).read_text(encoding="utf-8")
    (found,) = re.findall(rf"(?s)<!-- {mark}:begin -->\n(.*?)\n?<!-- {mark}:end -->", text)
    assert found == expected, f"between the marks {mark} of {name} should stand:\n{expected}"


@pytest.mark.parametrize("name", READMES)
def test_the_readmes_describe_the_command_as_it_is(name):
    from helpers.run import cli, steps

    text = (ROOT / name).read_text(encoding="utf-8")
    commands = {
        command: {option for p in spec.params for option in p.opts}
        for command, spec in cli.main.commands.items()
    }
    assert set(re.findall(r"(?m)^\| `fupan (\w+)", text)) == set(commands)
    options = set().union(*commands.values())
    of_others = r"`[^`]*(?:jupyter|papermill|LAB=)[^`]*`"
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.sub(of_others, "", text)))
    assert named <= options, f"{name} names options that the command has not: {named - options}"
    for call, option in re.findall(r"fupan (\w+)[^`\n]*?(--[a-z]+)", text):
        assert option in commands[call], f"{name}: fupan {call} has no {option}"
    parameters = set().union(*steps.parameters().values())
    assert set(re.findall(r"`-p ([a-z_]+)", text)) <= parameters, (
        f"{name} names a parameter that no notebook has"
    )
