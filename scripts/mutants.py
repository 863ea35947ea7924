#!/usr/bin/env python3
"""Seeds one bug at a time and reports which check finds it: the proof that the suite catches bugs.

    scripts/mutants.py [NAME..]     all, or those whose name contains one of the words; writes tests/MUTANTS.md
    scripts/mutants.py --new        those that neither the report nor an earlier run knows

The bugs are in tests/mutants.toml. Each is a text replaced once in a file of a copy of this tree (target/mutants); the copy shares the build
folder, so that only this crate is compiled again. Shaders are read when a process starts (feature `live-shaders`),
from a copy of their own, so that all bugs in them run, first, with one build. Bugs of kernels are run through `wgrad parity OP.. --quick`
(tier in the report: exact, bound, norm, repeat, canaries), or with every variant where the bug hides in one that
the planner does not choose; bugs of gradient rules and of the reference, which a device and the reference share,
through PyTorch's results (`--test fixtures`) or finite differences (`--test gradients`); bugs of fusion through
`--test fusion`; those of a pass that leaves the results alone where it does nothing through its own tests (`--lib`).
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "target" / "mutants"
# Shaders that element-wise functions have in them when the crate is built.
BUILT = [f"shaders/common/{name}.wgsl" for name in ("nan", "math", "functions")]
# What WGRAD_SHADERS names: beside the copy, where cargo does not look for changes.
SHADERS = ROOT / "target" / "mutants-shaders"
# Less optimised: most of the time goes into building this crate anew.
FEATURES = ["--features", "cli,live-shaders", "--config", "profile.dev.package.wgrad.opt-level=1"]
RESULTS = ROOT / "target" / "mutants.json"
REPORT = ROOT / "tests" / "MUTANTS.md"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

def bugs():
    """Name, file, text, replacement and check of each."""
    rows = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["bug"]
    return [tuple(row[key] for key in ("name", "file", "text", "replacement", "check")) for row in rows]


MUTANTS = bugs()


def run(*command, cwd=COPY):
    folders = {"CARGO_TARGET_DIR": str(TARGET), "WGRAD_SHADERS": str(SHADERS)}
    # What a bug has measured or compiled must not be kept.
    folders |= {"WGRAD_PIPELINES": "off", "WGRAD_TUNING": "off"}
    environment = {**os.environ, **folders, "RUST_BACKTRACE": "0"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def parity(ops, quick):
    """Which tiers found the bug, with the number of cases; None where it was not found."""
    built = run("cargo", "build", *FEATURES, "--quiet")
    if built.returncode:
        return f"does not compile: {built.stderr[-300:]}"
    report = COPY / "parity.json"
    command = [str(TARGET / "debug" / "wgrad"), "parity", *ops, "--json", str(report)] + (["--quick"] if quick else [])
    report.unlink(missing_ok=True)
    done = run(*command)
    if done.returncode == 0:
        return None
    if not report.exists():
        return "parity: the command stops"
    cases = [c for c in json.loads(report.read_text())["cases"] if c["verdict"] == "fail"]
    tiers = Counter(c.get("tier", "device") for c in cases)
    return "parity: " + ", ".join(f"{tier} {count}" for tier, count in tiers.most_common())


FOUND = {
    "fixtures": "PyTorch's results",
    "gradients": "finite differences",
    "fusion": "fused chains",
    "lib": "the pass's own tests",
    "counters": "counted work",
    "checks": "programs that go wrong",
    "turns": "counted turns",
    "bin": "the command's own tests",
    "runs": "real runs that fail",
    "cli_csv": "real files",
    "verify": "the table of cases, by name",
    "recurrent": "layers step by step",
    "architecture": "the rules of the source",
    "planning": "long programs",
    "bindings": "tensors larger than a binding",
    "checkpoints": "training that goes on",
    "schedules": "PyTorch's rates",
    "tasks": "what training measures",
    "onnx_parity": "whole models",
    "layers": "layers beside their parts",
}


def test(name, words):
    where = {"lib": ["--lib"], "bin": ["--bin", "wgrad"]}.get(name, ["--test", name])
    done = run("cargo", "test", "--quiet", *FEATURES, *where, *words)
    if "could not compile" in done.stderr:
        return f"does not compile: {done.stderr[-300:]}"
    return None if done.returncode == 0 else FOUND[name]


def check(how):
    kind, *words = shlex.split(how)
    return parity(words, kind == "parity") if kind.startswith("parity") else test(kind, words)


def earlier():
    """What is known of each bug: by this tree's last run, else by the report."""
    lines = [line.split(" | ") for line in REPORT.read_text().splitlines() if line.startswith("| ")]
    known = {line[0][2:]: line[2].removesuffix(" |") for line in lines if len(line) == 3}
    return known | (json.loads(RESULTS.read_text()) if RESULTS.exists() else {})


def report(known):
    """Writes what is known of all bugs; those that no run has seen yet are counted."""
    ran = [m for m in MUTANTS if m[0] in known]
    found = [m for m in ran if not known[m[0]].startswith(("**", "does not", "the text"))]
    total = f"{len(found)} of {len(ran)} seeded bugs found."
    if len(ran) < len(MUTANTS):
        total += f" {len(MUTANTS) - len(ran)} more have not run yet: `scripts/mutants.py --new` does."
    table = "\n".join(f"| {m[0]} | `{m[1]}` | {known[m[0]]} |" for m in ran)
    REPORT.write_text(
        "# Seeded bugs\n\nWritten by `scripts/mutants.py`: one bug at a time, and what found it, with the number "
        f"of cases.\n\n{total}\n\n| bug | file | found by |\n|---|---|---|\n{table}\n"
    )


def main(words):
    known = earlier() if words else {}
    if words == ["--new"]:
        chosen = [m for m in MUTANTS if m[0] not in known]
    else:
        chosen = [m for m in MUTANTS if not words or any(w in m[0] for w in words)]
    chosen.sort(key=lambda mutant: not mutant[1].startswith("shaders/") or mutant[1] in BUILT)
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.rmtree(SHADERS, ignore_errors=True)
    keep = shutil.ignore_patterns("target", ".git", "runs")
    shutil.copytree(ROOT, COPY, ignore=keep)
    shutil.copytree(ROOT / "shaders", SHADERS)
    missed = 0
    for name, file, old, new, how in chosen:
        live = [SHADERS / file.removeprefix("shaders/")] if file.startswith("shaders/") else []
        built = [COPY / file] if file in BUILT or not live else []
        text = (live + built)[0].read_text()
        if old not in text:
            found = "the text to replace is not there"
            missed += 1
        else:
            for path in live + built:
                path.write_text(text.replace(old, new, 1))
            found = check(how)
            missed += found is None or found.startswith("does not compile")
            for path in live + built:
                path.write_text(text)
        known[name] = found or "**not found**"
        # Those run before keep their result, so that a part can be run again.
        RESULTS.write_text(json.dumps(known))
        report(known)
        print(f"{name:60} {known[name]}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} seeded bugs found.")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
