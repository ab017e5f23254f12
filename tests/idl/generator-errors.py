#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Mistakes in .idl files: the message, its line, and nothing written."""

import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
GENERATE = os.path.join(TOP, 'idl/generate.py')

HEAD = '''namespace("t_")
t_e = Enumeration("e", [(0, "A"), (1, "B")])
t_nonzero = Enumeration("nonzero", [(1, "A")])
libxl_uuid = Foreign("uuid", kind="uuid")
t_one = Struct("one", [("a", bool)])
'''
LINE = HEAD.count('\n') + 1     # of the text after it


def field(text):
    """A mistake in a field, on the second line of a Struct."""
    return 't_s = Struct("s", [\n    %s,\n    ])' % text, LINE + 1


CASES = {
    # Syntax
    'syntax error': ('t_s = Struct("s", [(]', LINE,
                     "closing parenthesis ']' does not match opening "
                     "parenthesis '('"),
    'stray statement': ('import os', LINE,
                        'expected namespace(...), include(...) or TYPE = '
                        'Struct(...), Enumeration(...) or Foreign(...)'),
    'unknown statement': ('hidden(True)', LINE, 'unknown statement hidden(); '
                          'there are namespace() and include()'),
    'nothing is executed': ('t_s = exec("raise SystemExit")', LINE,
                            'exec() does not define a type; Struct(), '
                            'Enumeration() and Foreign() do'),
    'namespace without a string': ('namespace(3)', LINE, "expected a string "
                                   "as namespace()'s argument"),
    'missing include': ('include("none.idl")', LINE, None),

    # Types
    'unlike names': ('t_x = Struct("s", [("a", bool)])', LINE,
                     't_x defines the type t_s: name both alike'),
    'duplicate type': ('t_one = Struct("one", [("a", bool)])', LINE,
                       't_one is already defined at DIR/bad.idl:5'),
    'type like a function': ('t_one_init = Struct("one_init", '
                             '[("a", bool)])', LINE,
                             't_one_init is already defined at '
                             'DIR/bad.idl:5'),
    'upper case type': ('t_S = Struct("S", [("a", bool)])', LINE,
                        'type name "t_S" is not lower case letters, digits '
                        'and _'),
    'struct without fields': ('t_s = Struct("s", [])', LINE,
                              'a Struct needs fields'),
    'unknown argument': ('t_s = Struct("s", [("a", bool)], dir=1)', LINE,
                         'unknown argument dir of Struct(); known: doc'),
    'too few arguments': ('t_s = Struct("s")', LINE, 'Struct() takes 2 '
                          'arguments without a name, not 1'),
    'comment end in doc': ('t_s = Struct("s", [("a", bool)], doc="*/")', LINE,
                           'doc goes into a C comment and a table: no /*, '
                           '*/ or control character'),
    'foreign kind': ('libxl_x = Foreign("x", kind="map")', LINE,
                     "a Foreign type's kind is one of struct, enum, defbool, "
                     "uuid"),
    'foreign struct without keys': (
        'libxl_x = Foreign("x", kind="struct")', LINE,
        'a Foreign struct, and nothing else, needs keys'),
    'foreign key of a struct type': (
        'libxl_x = Foreign("x", kind="struct", keys=[\n    ("a", t_one)])',
        LINE + 1, 'key a must be a builtin type or a Foreign enum, defbool '
        'or uuid'),
    'duplicate foreign key': (
        'libxl_x = Foreign("x", kind="struct", keys=[\n    ("a", bool),\n'
        '    ("a", bool)])', LINE + 2, 'duplicate key a'),

    # Enumerations
    'duplicate number': ('t_f = Enumeration("f", [\n    (1, "A"),\n'
                         '    (1, "B")])', LINE + 2,
                         'duplicate value: A is 1 already'),
    'duplicate value name': ('t_f = Enumeration("f", [\n    (1, "A"),\n'
                             '    (2, "A")])', LINE + 2,
                             'duplicate value A'),
    'constant of another enum': (
        't_f = Enumeration("f", [(0, "A")])\n'
        'f = Enumeration("f", [])', LINE + 1, 'f defines the type t_f: name '
        'both alike'),
    'same constant in two enums': (
        't_f = Enumeration("f", [(0, "A_B")])\n'
        't_f_a = Enumeration("f_a", [(0, "B")])', LINE + 1,
        'T_F_A_B is already defined at DIR/bad.idl:6'),
    'lower case value': ('t_f = Enumeration("f", [\n    (1, "a")])', LINE + 1,
                         'value "a" is not upper case letters, digits and _'),
    'number as text': ('t_f = Enumeration("f", [\n    ("1", "A")])', LINE + 1,
                       "expected an integer as a value's number"),
    'number too large': ('t_f = Enumeration("f", [\n    (1 << 31, "A")])',
                         LINE + 1, 'expected a constant'),
    'number past int': ('t_f = Enumeration("f", [\n    (2147483648, "A")])',
                        LINE + 1, '2147483648 does not fit into an int'),
    'enum without values': ('t_f = Enumeration("f", [])', LINE,
                            'an Enumeration needs values'),

    # Fields
    'unknown type': field('("a", t_none)') + ('unknown type t_none',),
    'unknown type in an array': field('("a", Array(t_none, "num_a"))')
        + ('unknown type t_none',),
    'unknown construct': field('("a", Bitmap())')
        + ('unknown construct Bitmap()',),
    'duplicate field': field('("a", bool), ("a", int)')
        + ('duplicate field a',),
    'field like a length': field('("num_a", int), ("a", Array(int, "num_a"))')
        + ('duplicate field num_a',),
    'length name': field('("a", Array(int, "count"))')
        + ('the length of a must be named num_a',),
    'array of arrays': field('("a", Array(Array(int, "num_b"), "num_a"))')
        + ('expected the name of a type',),
    'reserved word of C': field('("default", int)')
        + ('field name "default" is a reserved word of C or C++',),
    'reserved word of C++': field('("class", int)')
        + ('field name "class" is a reserved word of C or C++',),
    'field is no pair': field('("a",)')
        + ('expected a field: ("name", type) or ("name", type, {...})',),
    'unknown attribute': field('("a", int, {"defualt": 1})')
        + ('unknown attribute defualt; known: doc, default, min, max',),
    'attribute twice': field('("a", int, {"min": 1, "min": 2})')
        + ('duplicate attribute min',),

    # Defaults and ranges
    'default of another type': field('("a", int, {"default": "1"})')
        + ("bad default '1' for int",),
    'default true for int': field('("a", int, {"default": True})')
        + ('bad default True for int',),
    'default out of type': field('("a", uint8, {"default": 256})')
        + ('bad default 256 for uint8',),
    'default out of range': field('("a", int, {"max": 9, "default": 10})')
        + ('bad default 10 for int',),
    'default of an enum': field('("a", t_e, {"default": "C"})')
        + ("bad default 'C': t_e has A, B",),
    'default of a uuid': field('("a", libxl_uuid, {"default": "0"})')
        + ('bad default: this type has none',),
    'default of an array': field('("a", Array(int, "num_a"), '
                                 '{"default": []})')
        + ('bad default: this type has none',),
    'zero out of range': field('("a", int, {"min": 1})')
        + ('a needs a default: 0 is out of its range',),
    'enum without zero': field('("a", t_nonzero)')
        + ('a needs a default: t_nonzero has no value 0',),
    'min above max': field('("a", int, {"min": 2, "max": 1})')
        + ('min 2 is above max 1',),
    'max past the type': field('("a", uint8, {"max": 256})')
        + ('256 does not fit into uint8',),
    'range of a string': field('("a", string, {"max": 1})')
        + ('min and max are for integers',),

    # Unions
    'union key': field('("u", KeyedUnion(None, int, "k", []))')
        + ("a KeyedUnion's key must be an Enumeration",),
    'union without a member': field('("u", KeyedUnion(None, t_e, "k", '
                                    '[("a", None)]))')
        + ('KeyedUnion has nothing for B; give ("b", None) if it has no '
           'member',),
    'union of another value': field('("u", KeyedUnion(None, t_e, "k", '
                                    '[("c", None)]))')
        + ('t_e has no value C',),
    'union member twice': field('("u", KeyedUnion(None, t_e, "k", '
                                '[("a", None), ("a", int)]))')
        + ('duplicate member a',),
    'union key like a field': field('("k", int), ("u", KeyedUnion(None, t_e, '
                                    '"k", [("a", None), ("b", int)]))')
        + ('duplicate field k',),
    'union in an anonymous struct': field(
        '("a", Struct(None, [("u", KeyedUnion(None, t_e, "k", []))]))')
        + ('a KeyedUnion must be a field of a named Struct',),
    'union key without zero': field(
        '("u", KeyedUnion(None, t_nonzero, "k", [("a", None)]))')
        + ('the key k needs a keyvar_init_val: t_nonzero has no value 0',),
    'array in a union': field('("u", KeyedUnion(None, t_e, "k", '
                              '[("a", Array(int, "num_a"))]))')
        + ("a KeyedUnion's member cannot be an Array; put it into a "
           'Struct(None, ...)',),
    'inner struct with a name': field('("a", Struct("x", [("b", int)]))')
        + ('a Struct inside a Struct has no name: give None first',),
}


class GeneratorErrors(unittest.TestCase):
    maxDiff = None

    def run_generator(self, folder, name='bad.idl'):
        out = os.path.join(folder, 'out')
        os.makedirs(out, exist_ok=True)
        p = subprocess.run([sys.executable, GENERATE,
                            os.path.join(folder, name), '--out', out,
                            '--base', '_bad'], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, check=False)
        return p, out

    def test_mistakes(self):
        for name, (text, line, message) in CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, 'bad.idl')
                with open(path, 'w', encoding='utf-8') as f:
                    f.write(HEAD + text + '\n')
                p, out = self.run_generator(folder)
                if message is None:
                    message = 'cannot find none.idl in %s or %s' % (
                        folder, os.path.dirname(os.path.realpath(GENERATE)))
                self.assertEqual(p.stderr, '%s:%d: %s\n' % (
                    path, line, message.replace('DIR', folder)))
                self.assertEqual(p.stdout, '')
                self.assertEqual(p.returncode, 1)
                self.assertEqual(os.listdir(out), [])

    def test_namespace_comes_first(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'bad.idl')
            with open(path, 'w', encoding='utf-8') as f:
                f.write('\nt_s = Struct("s", [("a", bool)])\n')
            p, _ = self.run_generator(folder)
            self.assertEqual(p.stderr,
                             path + ':2: namespace() must come first\n')

    def test_mistake_in_an_included_file(self):
        with tempfile.TemporaryDirectory() as folder:
            inner = os.path.join(folder, 'inner.idl')
            with open(inner, 'w', encoding='utf-8') as f:
                f.write('namespace("i_")\n\ni_s = Struct("s", [])\n')
            with open(os.path.join(folder, 'bad.idl'), 'w',
                      encoding='utf-8') as f:
                f.write('include("inner.idl")\n')
            p, out = self.run_generator(folder)
            self.assertEqual(p.stderr, inner + ':3: a Struct needs fields\n')
            self.assertEqual(os.listdir(out), [])

    def test_file_that_includes_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'bad.idl')
            with open(path, 'w', encoding='utf-8') as f:
                f.write('include("bad.idl")\n')
            p, _ = self.run_generator(folder)
            self.assertEqual(p.stderr,
                             path + ':1: bad.idl includes itself\n')

    def test_failure_keeps_the_files_of_the_run_before(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'bad.idl')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(HEAD)
            p, out = self.run_generator(folder)
            self.assertEqual((p.returncode, p.stderr), (0, ''))
            names = ['_bad.c', '_bad.h', '_bad.md', '_bad_test.c']
            self.assertEqual(sorted(os.listdir(out)), names)
            before = [self.read(out, n) for n in names]
            with open(path, 'a', encoding='utf-8') as f:
                f.write('t_s = Struct("s", [])\n')
            p, out = self.run_generator(folder)
            self.assertEqual(p.returncode, 1)
            self.assertEqual([self.read(out, n) for n in names], before)

    def test_same_input_gives_same_output(self):
        texts = []
        for seed in '1', '2':
            with tempfile.TemporaryDirectory() as folder:
                env = dict(os.environ, PYTHONHASHSEED=seed)
                subprocess.run(
                    [sys.executable, GENERATE, 'everything.idl', '--out',
                     folder, '--base', '_e'], check=True, env=env,
                    cwd=os.path.dirname(os.path.abspath(__file__)))
                texts.append([(n, self.read(folder, n))
                              for n in sorted(os.listdir(folder))])
        self.assertEqual(texts[0], texts[1])

    def test_output_folder_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'good.idl')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(HEAD)
            p = subprocess.run([sys.executable, GENERATE, path, '--out',
                                os.path.join(folder, 'none'), '--base', 'x'],
                               stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(p.returncode, 1)
            self.assertTrue(p.stderr.endswith(': No such file or directory\n'),
                            p.stderr)

    @staticmethod
    def read(folder, name):
        with open(os.path.join(folder, name), encoding='utf-8') as f:
            return f.read()


if __name__ == '__main__':
    unittest.main()
