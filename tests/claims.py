#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
claims.py [FILE]: checks tests/CLAIMS, which names for each promise of the
documentation the tests that hold it.

    DOCUMENT: words of the promise, as they stand in the document
        TEST FILE: TEST

Fails when a document does not contain the words, when a test does not exist or
is not run, and when an item of README's "What you can rely on" has no claim.
"""

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


def in_python(path, test):
    """Whether the suite has the test and a list selects it."""
    spaced = test.replace("_", " ")
    text = read(path)
    if not (re.search(rf"^def {re.escape(test.replace(' ', '_'))}\(", text, re.M) or
            re.search(rf"name=f?\"[^\"]*{re.escape(spaced)}", text)):
        return False
    for name in ("list", "list-more"):
        for line in read(SUITE + name).splitlines():
            fields = line.split()
            if line.startswith("#") or not fields or fields[2] != path.removeprefix(
                    "tests/xenhost/"):
                continue
            chosen = [w.replace("_", " ") for w in fields[3:] if "=" not in w]
            # "pvh: a test": the list may choose by what is before the colon.
            if not chosen or any(w.split(": ")[-1] in spaced or w.endswith(":")
                                 for w in chosen):
                return True
    return False


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
    return listed, wrong


def main():
    given = sys.argv[1] if len(sys.argv) > 1 else "tests/CLAIMS"
    listed, wrong = check(sys.stdin.read() if given == "-" else read(given))
    for line in wrong:
        print(line, file=sys.stderr)
    tests = sum(len(tests) for *_, tests in listed)
    print(f"claims: {len(listed)} promises, held by {tests} tests, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
