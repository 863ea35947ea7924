#!/usr/bin/env python3
"""Seeds one bug at a time and reports which check finds it: the proof that the suite catches bugs.

    scripts/mutants.py [NAME..]     all, or those whose name contains one of the words; writes tests/MUTANTS.md
    scripts/mutants.py --new        those that neither the report nor an earlier run knows

The bugs are in tests/mutants.toml. Each is a text replaced once in a file of a copy of this tree (target/mutants); the copy
shares the build folder, so that only this crate is compiled again. One build has nearly all bugs in it, and a process
has at most one of them:

- A bug in a shader is a change of a file that a process reads when it starts (feature `live-shaders`).
- A bug in the body of a function stands beside the body as it is, `if seeded { .. } else { .. }`, and so does one in
  a formula or a closure of a table of functions. WGRAD_SEEDED names the one that a process has. Whatever a check
  finds is therefore due to this bug alone, and what it does not find it would not find in a build of its own either.
- A bug that a check looks for in the source is a change of that file, which only that check reads.
- All others (constants, texts in tables, functions that are constant, what does not compile as above) have a build each.

A bug counts as found where its check fails with it and passes in the same build without any.

Bugs of kernels are run through `wgrad parity OP.. --quick` (tier in the report: exact, bound, norm, repeat,
canaries), or with every variant where the bug hides in one that the planner does not choose; bugs of gradient rules
and of the reference, which a device and the reference share, through PyTorch's results (`--test fixtures`) or finite
differences (`--test gradients`); bugs of fusion through `--test fusion`; those of a pass that leaves the results
alone where it does nothing through its own tests (`--lib`).
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "target" / "mutants"
# What WGRAD_SHADERS names: beside the copy, where cargo does not look for changes.
SHADERS = ROOT / "target" / "mutants-shaders"
# Less optimised: most of the time goes into building this crate anew.
FEATURES = ["--features", "cli,live-shaders", "--config", "profile.dev.package.wgrad.opt-level=1"]
RESULTS = ROOT / "target" / "mutants.json"
REPORT = ROOT / "tests" / "MUTANTS.md"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# A check with a bug may take this many times what it takes without, at least so many seconds.
PATIENCE, LEAST = 10, 300


@dataclass(frozen=True)
class Bug:
    """A row of tests/mutants.toml."""

    name: str
    file: str
    text: str
    replacement: str
    check: str

    @property
    def binary(self):
        """What its check runs."""
        kind = self.check.split()[0]
        return "wgrad" if kind.startswith("parity") else kind


BUGS = [Bug(**row) for row in tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["bug"]]

FOUND = {
    "fixtures": "PyTorch's results",
    "gradients": "finite differences",
    "fusion": "fused chains",
    "lib": "the pass's own tests",
    "counters": "counted work",
    "checks": "programs that go wrong",
    "iterations": "counted loop iterations",
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


def run(command, seeded=None, limit=None):
    """Exit status and output; None for the status where the time is over."""
    folders = {"CARGO_TARGET_DIR": str(TARGET), "WGRAD_SHADERS": str(SHADERS)}
    # What a bug has measured or compiled must not be kept.
    folders |= {"WGRAD_PIPELINES": "off", "WGRAD_TUNING": "off", "WGRAD_SEEDED": str(seeded)}
    environment = {**os.environ, **folders, "RUST_BACKTRACE": "0"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=COPY, env=environment, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, "", ""
    return process.returncode, output, errors


# Comments, strings, characters, lifetimes, words, spaces and all else, of Rust.
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(?P<h>\#*)".*?"(?P=h)|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^\n]*?|[^'\\])'|'\w+|\w+|\s+|.""",
    re.DOTALL,
)
# What a function of a table computes, and a rule in one.
EXPRESSION = re.compile(r"formula!\([^()=]*=>|Gradient::Rule\(\|[^|]*\|")


def bodies(source):
    """Beginning and end of what can stand in two ways: bodies of functions, formulas, closures of rules."""
    expressions = {match.start() + match.group().index("("): match.end() for match in EXPRESSION.finditer(source)}
    found, open_, pending, before = [], [], None, ""
    for match in TOKEN.finditer(source):
        token, at = match.group(), match.start()
        if token.isspace() or token.startswith(("//", "/*")):
            continue
        # A constant function cannot look at the environment.
        if token == "fn" and before != "const":
            pending = len(open_)
        elif token in "([{":
            body = token == "{" and pending == len(open_)
            pending = None if body else pending
            open_.append(at + 1 if body else expressions.get(at))
        elif token in ")]}":
            begin = open_.pop()
            if begin is not None:
                found.append((begin, at))
        elif token == ";" and pending == len(open_):
            pending = None
        before = token
    return found


SWITCH = (
    "if {{ static SEEDED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| "
    'std::env::var("WGRAD_SEEDED").is_ok_and(|name| name == "{0}")); *SEEDED }} {{ /*seeded {0}*/{1}/*end {0}*/ }} else '
)


def place(source, bug):
    """The innermost body that has the whole text in it."""
    at = source.find(bug.text)
    around = [(begin, end) for begin, end in bodies(source) if begin <= at and at + len(bug.text) <= end]
    return max(around, default=None)


def with_switches(source, bugs):
    """The source with these bugs, by number, beside what they replace; and those that need a build of their own."""
    places, alone = defaultdict(list), []
    for number, bug in bugs.items():
        where = place(source, bug)
        nested = where and any(o != where and (o[0] <= where[0] < o[1] or where[0] <= o[0] < where[1]) for o in places)
        if where is None or nested:
            alone.append(number)
        else:
            places[where].append(number)
    for (begin, end), numbers in sorted(places.items(), reverse=True):
        text = source[begin:end]
        at = {n: source.find(bugs[n].text) - begin for n in numbers}
        other = [text[: at[n]] + bugs[n].replacement + text[at[n] + len(bugs[n].text) :] for n in numbers]
        switches = "".join(SWITCH.format(n, body) for n, body in zip(numbers, other))
        source = f"{source[:begin]}{{ {switches}{{ {text} }} }}{source[end:]}"
    return source, alone


def blamed(errors):
    """The bugs in whose lines the compiler's errors are."""
    found = set()
    for span in (span for error in errors for span in error["spans"] if span["is_primary"]):
        source = (COPY / span["file_name"]).read_text()
        for match in re.finditer(r"/\*seeded (\d+)\*/.*?/\*end \1\*/", source, re.DOTALL):
            first, last = (source.count("\n", 0, at) + 1 for at in match.span())
            if first <= span["line_start"] <= last:
                found.add(int(match.group(1)))
    return found


def build(binary):
    """The path of a binary, None where the compiler found errors, and these."""
    # The command comes with a test's build. `cargo build` would build all dependencies anew, without the tests' features.
    where = {"lib": ["--lib"], "bin": ["--bin", "wgrad"], "wgrad": ["--test", "op_table"]}
    command = ["cargo", "test", "--no-run", *where.get(binary, ["--test", binary]), *FEATURES]
    status, output, said = run([*command, "--quiet", "--message-format", "json"])
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    errors = [m["message"] for m in messages if m.get("message", {}).get("level") == "error"]
    if status and not errors:
        sys.exit(f"{' '.join(command)}: {said}")
    for made in (m for m in messages if m.get("executable")):
        kind = made["target"]["kind"][0]
        name = kind if kind in ("lib", "bin") else made["target"]["name"]
        if binary == (name if made["profile"]["test"] else "wgrad"):
            return made["executable"], []
    return (None, errors) if errors else sys.exit(f"{' '.join(command)}: no binary")


def check(how, path, seeded=None, limit=None):
    """What found a bug, for parity each tier with the number of cases; None where nothing did."""
    kind, *words = shlex.split(how)
    if not kind.startswith("parity"):
        status, _, _ = run([path, "--quiet", *words], seeded, limit)
        return None if status == 0 else FOUND[kind] if status is not None else "the check does not end"
    report = COPY / "parity.json"
    report.unlink(missing_ok=True)
    command = [path, "parity", *words, "--json", str(report)] + (["--quick"] if kind == "parity" else [])
    status, _, _ = run(command, seeded, limit)
    if status == 0:
        return None
    if status is None or not report.exists():
        return "parity: the command " + ("does not end" if status is None else "stops")
    cases = [c for c in json.loads(report.read_text())["cases"] if c["verdict"] == "fail"]
    tiers = Counter(c.get("tier", "device") for c in cases)
    return "parity: " + ", ".join(f"{tier} {count}" for tier, count in tiers.most_common())


def earlier():
    """What is known of each bug: by this tree's last run, else by the report."""
    lines = [line.split(" | ") for line in REPORT.read_text().splitlines() if line.startswith("| ")]
    known = {line[0][2:]: line[2].removesuffix(" |") for line in lines if len(line) == 3}
    return known | (json.loads(RESULTS.read_text()) if RESULTS.exists() else {})


MISSES = ("**", "does not compile", "the text")


def report(known):
    """Writes what is known of all bugs; those that no run has seen yet are counted."""
    ran = [bug for bug in BUGS if bug.name in known]
    found = [bug for bug in ran if not known[bug.name].startswith(MISSES)]
    total = f"{len(found)} of {len(ran)} seeded bugs found."
    if len(ran) < len(BUGS):
        total += f" {len(BUGS) - len(ran)} more have not run yet: `scripts/mutants.py --new` does."
    table = "\n".join(f"| {bug.name} | `{bug.file}` | {known[bug.name]} |" for bug in ran)
    REPORT.write_text(
        "# Seeded bugs\n\nWritten by `scripts/mutants.py`: one bug at a time, and what found it, with the number "
        f"of cases.\n\n{total}\n\n| bug | file | found by |\n|---|---|---|\n{table}\n"
    )


class Session:
    """A run of some bugs, by number: the copy, what was built of it, and what is known so far."""

    def __init__(self, chosen, known):
        self.chosen, self.known = chosen, known
        self.without, self.missed = {}, 0
        shutil.rmtree(COPY, ignore_errors=True)
        shutil.rmtree(SHADERS, ignore_errors=True)
        # Files as new as now: cargo would take an earlier run's build for one of them.
        shutil.copytree(ROOT, COPY, ignore=shutil.ignore_patterns("target", ".git", "runs"), copy_function=shutil.copy)
        shutil.copytree(ROOT / "shaders", SHADERS)

    def path(self, bug):
        """The file that a bug is put into where a process reads it."""
        shader = bug.file.startswith("shaders/")
        return SHADERS / bug.file.removeprefix("shaders/") if shader else COPY / bug.file

    def settle(self, number, found):
        """Writes down what became of a bug, so that a part can be run again."""
        name = self.chosen[number].name
        self.known[name] = found or "**not found**"
        self.missed += self.known[name].startswith(MISSES)
        RESULTS.write_text(json.dumps(self.known))
        report(self.known)
        print(f"{name:60} {self.known[name]}", flush=True)

    def passes(self, how, path):
        """Whether a check passes without a bug; run once. Its time is kept."""
        if how not in self.without:
            begin = time.monotonic()
            found = check(how, path)
            self.without[how] = (found is None, time.monotonic() - begin)
        return self.without[how][0]

    def look(self, number, path):
        """Runs the check of one bug."""
        how = self.chosen[number].check
        if self.passes(how, path):
            limit = max(LEAST, PATIENCE * self.without[how][1])
            self.settle(number, check(how, path, number, limit))
        else:
            self.settle(number, "**the check fails without the bug**")

    def change(self, number):
        """Puts a bug into its file; gives back what undoes it."""
        bug, path = self.chosen[number], self.path(self.chosen[number])
        before = path.read_text()
        path.write_text((ROOT / bug.file).read_text().replace(bug.text, bug.replacement, 1))
        return lambda: path.write_text(before)

    def switch(self, numbers):
        """Puts these bugs beside what they replace; gives back those that need a build of their own."""
        files, alone = defaultdict(dict), set()
        for number in numbers:
            files[self.chosen[number].file][number] = self.chosen[number]
        for file, bugs in files.items():
            source, others = with_switches((ROOT / file).read_text(), bugs)
            (COPY / file).write_text(source)
            alone.update(others)
        return alone

    def together(self, binary, switched):
        """The path of a binary with all of these bugs, and those of them that the compiler does not take there."""
        path, errors = build(binary)
        wrong = blamed(errors)
        if errors and not wrong:
            sys.exit("\n".join(error["rendered"] for error in errors))
        if not wrong:
            return path, set()
        for file in {self.chosen[number].file for number in switched}:
            (COPY / file).write_text((ROOT / file).read_text())
        wrong |= self.switch(switched - wrong)
        path, more = self.together(binary, switched - wrong)
        return path, wrong | more

    def run(self):
        """All of them."""
        gone = {n for n, bug in self.chosen.items() if bug.text not in (ROOT / bug.file).read_text()}
        for number in gone:
            self.settle(number, "the text to replace is not there")
        rows = {number: bug for number, bug in self.chosen.items() if number not in gone}
        read = {n for n, bug in rows.items() if bug.file.startswith("shaders/") or bug.binary == "architecture"}
        alone = self.switch(set(rows) - read)
        binaries = Counter(bug.binary for bug in rows.values())
        for binary, _ in binaries.most_common():
            path, wrong = self.together(binary, set(rows) - read - alone)
            alone |= wrong
            for number in (n for n, bug in rows.items() if bug.binary == binary):
                if self.passes(rows[number].check, path) and number in alone:
                    continue
                undo = self.change(number) if number in read else lambda: None
                self.look(number, path)
                undo()
        for file in {bug.file for n, bug in rows.items() if n not in read}:
            (COPY / file).write_text((ROOT / file).read_text())
        for number in sorted(n for n in alone if self.without[rows[n].check][0]):
            undo = self.change(number)
            path, errors = build(rows[number].binary)
            if errors:
                self.settle(number, f"does not compile: {errors[0]['message']}")
            else:
                self.look(number, path)
            undo()


def main(words):
    known = earlier() if words else {}
    new = words == ["--new"]
    wanted = {n: bug for n, bug in enumerate(BUGS) if not words or any(word in bug.name for word in words)}
    chosen = {n: bug for n, bug in enumerate(BUGS) if bug.name not in known} if new else wanted
    session = Session(chosen, known)
    session.run()
    print(f"{len(chosen) - session.missed} of {len(chosen)} seeded bugs found.")
    sys.exit(session.missed > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
