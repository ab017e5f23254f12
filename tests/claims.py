#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
claims.py [FILE]: checks tests/CLAIMS, which names for each promise of the
documentation the tests that hold it.

    DOCUMENT: words of the promise, as they stand in the document
        TEST FILE: TEST

Fails when a document does not contain the words, when a test does not exist or
is not run, and when an item of README's "What you can rely on" has no claim; also
when a test of a suite for the Xen host is run by no line of suite/list and
suite/list-more.
"""

import ast
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITE = "tests/xenhost/suite/"
RELIED_ON = re.compile(r"^## What you can rely on\n(.*?)^(?=## |Not there yet)", re.M | re.S)


def read(path):
    with open(os.path.join(ROOT, path)) as f:
        return f.read()


def words(text):
    """Without markup and line breaks; a macro of a man page is not a word."""
    text = re.sub(r"^\.(\\\".*|[A-Z][a-z] ?|[a-z]+ )", "", text, flags=re.M)
    text = re.sub(r"^ ?\* ?", "", text, flags=re.M)  # of a comment in C
    return " ".join(re.sub(r"[`*]|\\&", "", text).split())


def claims(text):
    """[(line number, document, promise, [(file, test)])]"""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        left, separator, right = line.partition(": ")
        if not separator:
            raise SystemExit(f"CLAIMS:{number}: no \": \" in this line")
        if line[0].isspace():
            if not found:
                raise SystemExit(f"CLAIMS:{number}: a test before any promise")
            found[-1][3].append((left.strip(), right.strip()))
        else:
            found.append((number, left, right.strip(), []))
    return found


def in_c(path, test):
    """Whether the program has the test and its table of tests names it."""
    before, _, table = read(path).partition("struct CMUnitTest")
    return (re.search(rf"^static void {re.escape(test)}\(\s*void \*\*", before, re.M) and
            re.search(rf"\b{re.escape(test)}\b", table))


def is_test(node):
    """test, or a call of it, as xenhost/runner.py has it."""
    return getattr(node.func if isinstance(node, ast.Call) else node, "id", None) == "test"


def name_parts(call, function):
    """The name that a test gets, cut where an f-string has a value."""
    for keyword in getattr(call, "keywords", []):
        if keyword.arg == "name":
            parts = [""]
            for value in getattr(keyword.value, "values", [keyword.value]):
                if isinstance(value, ast.Constant):
                    parts[-1] += value.value
                else:
                    parts.append("")
            return parts
    return [function.replace("_", " ")]


def suite_tests(path):
    """[(parts of its name, the names in what it runs)] of the suite's tests."""
    found = []
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.FunctionDef):
            found += [(name_parts(how, node.name), {node.name})
                      for how in node.decorator_list if is_test(how)]
        elif isinstance(node, ast.Call) and is_test(node) and node.args:
            names = {n.id for n in ast.walk(node.args[0]) if isinstance(n, ast.Name)}
            found.append((name_parts(node, getattr(node.args[0], "id", "<lambda>")), names))
    return found


def selects(word, parts):
    """Whether the word may be in the name; a value may be anything but the whole word."""
    return any(word in part for part in parts) or any(
        before.endswith(word[:n]) or after.startswith(word[n:])
        for before, after in zip(parts, parts[1:]) for n in range(1, len(word)))


def selections():
    """{suite: [the words by which a line of the lists selects its tests]}"""
    found = {}
    for name in ("list", "list-more"):
        for line in read(SUITE + name).splitlines():
            if line.strip() and not line.startswith("#"):
                script, *chosen = [w for w in line.split()[2:] if "=" not in w]
                found.setdefault(f"tests/xenhost/{script}", []).append(
                    [w.replace("_", " ") for w in chosen])
    return found


def not_run():
    """What is wrong with the lists: each test of the suites is to be in one."""
    lines, wrong = selections(), []
    for path in sorted(glob.glob(SUITE + "*.py", root_dir=ROOT)):
        if path == SUITE + "demo.py":  # make demo
            continue
        if path not in lines:
            wrong.append(f"{path} is in no list")
            continue
        for parts, _ in suite_tests(path):
            if not any(not chosen or any(selects(word, parts) for word in chosen)
                       for chosen in lines[path]):
                wrong.append(f"{path}: no list selects: {'...'.join(parts)}")
    return wrong


def in_python(path, test):
    """Whether the suite has the test, by its name or the function's; not_run sees to the rest."""
    spaced, function = test.replace("_", " "), test.replace(" ", "_")
    return any(function in names or any(spaced in part for part in parts)
               for parts, names in suite_tests(path))


def exists(path, test):
    if not os.path.exists(os.path.join(ROOT, path)):
        return False
    if path.endswith(".c"):
        return in_c(path, test)
    if path.startswith(SUITE):
        return in_python(path, test)
    return re.search(rf"\b{re.escape(test)}\b", read(path))


def check(text):
    wrong, documents = [], {}
    listed = claims(text)
    for number, document, promise, tests in listed:
        if document not in documents:
            documents[document] = words(read(document))
        if words(promise) not in documents[document]:
            wrong.append(f"CLAIMS:{number}: {document} does not say: {promise}")
        if not tests:
            wrong.append(f"CLAIMS:{number}: no test holds: {promise}")
        for path, test in tests:
            if not exists(path, test):
                wrong.append(f"CLAIMS:{number}: {path} has no test that is run: {test}")
    for item in RELIED_ON.search(read("README.md"))[1].split("\n- "):
        item = words(item.removeprefix("- "))
        if item and not any(document == "README.md" and words(promise) in item
                            for _, document, promise, _ in listed):
            wrong.append(f"README.md: no claim for: {item}")
    return listed, wrong + not_run()


def main():
    given = sys.argv[1] if len(sys.argv) > 1 else "tests/CLAIMS"
    listed, wrong = check(sys.stdin.read() if given == "-" else read(given))
    for line in wrong:
        print(line, file=sys.stderr)
    tests = sum(len(tests) for *_, tests in listed)
    print(f"claims: {len(listed)} promises, held by {tests} tests, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
