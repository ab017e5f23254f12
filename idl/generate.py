#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Makes C types, their JSON form, a test and a reference page of an .idl
file; README.md describes the language."""

import argparse
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays as it is

import emit_c
import emit_doc
import emit_h
import emit_test
import parse
from model import IdlError

FILES = (('.h', emit_h.emit), ('.c', emit_c.emit),
         ('_test.c', emit_test.emit), ('.md', emit_doc.emit))


def write_all(folder, texts):
    """Puts the files in place only once all of them are written."""
    pending = []
    try:
        for name, text in texts:
            fd, temporary = tempfile.mkstemp(dir=folder, prefix=name + '.')
            pending.append((temporary, os.path.join(folder, name)))
            with open(fd, 'w', encoding='utf-8') as f:
                f.write(text)
            os.chmod(temporary, 0o644)
        while pending:
            os.rename(*pending[0])
            pending.pop(0)
    finally:
        for temporary, _ in pending:
            os.unlink(temporary)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('file', metavar='FILE.idl')
    p.add_argument('--out', required=True, metavar='DIR')
    p.add_argument('--base', required=True, metavar='NAME',
                   help='makes DIR/NAME.h, .c, _test.c and .md')
    args = p.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        unit = parse.parse(args.file, [here])
        write_all(args.out, [(args.base + suffix, emit(unit, args.base))
                             for suffix, emit in FILES])
    except IdlError as e:
        print(e, file=sys.stderr)
        return 1
    except OSError as e:
        print('%s: %s' % (e.filename or args.file, e.strerror),
              file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
