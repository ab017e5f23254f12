# SPDX-License-Identifier: LGPL-2.1-only
"""Reads an .idl file into the model.

The syntax is Python's, so Python's own parser reads it; but nothing is
executed: the statements and calls that the language has are picked out of
the syntax tree, which also tells each one's line.
"""

import ast
import os
import re

from check import Checker
from model import (Array, BUILTINS, EnumValue, Enumeration, Field, Foreign,
                   IdlError, KeyedUnion, Struct, Unit)

FOREIGN_KINDS = ('struct', 'enum', 'defbool', 'uuid')


class Parser:
    def __init__(self, path, folders, units):
        self.path = path
        self.folders = folders
        self.units = units      # by real path; None: being read
        self.units[os.path.realpath(path)] = None
        self.unit = Unit(path, os.path.basename(path))
        self.check = Checker(path, self.unit)
        self.prefix = None

    def fail(self, node, message):
        raise IdlError(self.path, node.lineno, message)

    def parse(self):
        try:
            with open(self.path, encoding='utf-8') as f:
                tree = ast.parse(f.read(), self.path)
        except SyntaxError as e:
            raise IdlError(self.path, e.lineno or 1, e.msg) from None
        except (UnicodeDecodeError, ValueError) as e:
            raise IdlError(self.path, 1, str(e)) from None
        for node in tree.body:
            self.statement(node)
        self.units[os.path.realpath(self.path)] = self.unit
        return self.unit

    # Statements

    def statement(self, node):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = self.callee(node.value)
            args = node.value.args
            if name not in ('namespace', 'include'):
                self.fail(node, 'unknown statement %s(); there are '
                          'namespace() and include()' % name)
            if len(args) != 1 or node.value.keywords:
                self.fail(node, '%s() takes one string' % name)
            text = self.string(args[0], name + "()'s argument")
            if name == 'namespace':
                self.check.identifier(node, text, 'namespace')
                self.prefix = text
            else:
                self.include(node, text)
        elif (isinstance(node, ast.Assign) and len(node.targets) == 1
              and isinstance(node.targets[0], ast.Name)
              and isinstance(node.value, ast.Call)):
            self.definition(node, node.targets[0].id, node.value)
        else:
            self.fail(node, 'expected namespace(...), include(...) or '
                      'TYPE = Struct(...), Enumeration(...) or Foreign(...)')

    def include(self, node, name):
        folders = [os.path.dirname(self.path)] + self.folders
        paths = [os.path.join(d, name) for d in folders]
        path = next((p for p in paths if os.path.isfile(p)), None)
        if not path:
            self.fail(node, 'cannot find %s in %s'
                      % (name, ' or '.join(d or '.' for d in folders)))
        real = os.path.realpath(path)
        if real not in self.units:
            Parser(path, self.folders, self.units).parse()
        unit = self.units[real]
        if not unit:
            self.fail(node, '%s includes itself' % name)
        self.check.unique(node, name, [u.name for u in self.unit.includes],
                          'include')
        self.unit.includes.append(unit)
        for known, where in unit.names.items():
            self.check.claim(node, known, where)

    def definition(self, node, name, call):
        kind = self.callee(call)
        make = {'Struct': self.struct, 'Enumeration': self.enumeration,
                'Foreign': self.foreign}.get(kind)
        if not make:
            self.fail(node, '%s() does not define a type; Struct(), '
                      'Enumeration() and Foreign() do' % kind)
        if self.prefix is None and kind != 'Foreign':
            self.fail(node, 'namespace() must come first')
        raw = self.string(call.args[0], 'the type\'s name') \
            if call.args else self.fail(call, 'the type\'s name is missing')
        prefix = 'libxl_' if kind == 'Foreign' else self.prefix
        ctype = prefix + raw
        self.check.identifier(call, ctype, 'type name')
        if name != ctype:
            self.fail(node, '%s defines the type %s: name both alike'
                      % (name, ctype))
        made = make(call, ctype)
        self.check.claim_type(node, made)
        self.unit.types.append(made)

    # Types

    def enumeration(self, call, ctype):
        values, opts = self.arguments(call, 2, ('value_namespace', 'doc'))
        space = self.string(opts['value_namespace'], 'value_namespace') \
            if 'value_namespace' in opts else self.prefix
        # The type's name without its namespace, as in libxl.
        stem = (space + ctype[len(self.prefix):]).upper()
        made = Enumeration(ctype, [], self.unit, self.doc(opts))
        for node in self.items(values, 'an Enumeration\'s values'):
            parts = self.items(node, 'a value: (number, "NAME") or '
                               '(number, "NAME", "doc")', (2, 3))
            number = self.integer(parts[0], 'a value\'s number')
            name = self.string(parts[1], 'a value\'s name')
            doc = self.comment(parts[2]) if len(parts) == 3 else ''
            value = EnumValue(name, '%s_%s' % (stem, name), number,
                              node.lineno, doc)
            self.check.enum_value(node, made, value)
            made.values.append(value)
        if not made.values:
            self.fail(call, 'an Enumeration needs values')
        return made

    def struct(self, call, ctype):
        values, opts = self.arguments(call, 2, ('doc',))
        return Struct(ctype, self.fields(call, values, ctype is not None),
                      self.unit, self.doc(opts))

    def foreign(self, call, ctype):
        values, opts = self.arguments(call, 1, ('kind', 'keys'))
        kind = self.string(opts['kind'], 'kind') if 'kind' in opts else None
        if kind not in FOREIGN_KINDS:
            self.fail(call, 'a Foreign type\'s kind is one of %s'
                      % ', '.join(FOREIGN_KINDS))
        if (kind == 'struct') != ('keys' in opts):
            self.fail(call, 'a Foreign struct, and nothing else, needs keys')
        keys = []
        for node in self.items(opts['keys'], 'keys') \
                if kind == 'struct' else ():
            key = self.field(node, scalar_only=True)
            self.check.unique(node, key.name, [k.name for k in keys], 'key')
            keys.append(key)
        return Foreign(ctype, kind, keys, self.unit)

    def fields(self, call, values, union_allowed):
        fields, names = [], []
        for node in self.items(values, 'a Struct\'s fields'):
            f = self.field(node, union_allowed)
            for name in [f.name] + self.hidden_names(f.type):
                self.check.unique(node, name, names, 'field')
                names.append(name)
            fields.append(f)
        if not fields:
            self.fail(call, 'a Struct needs fields')
        return fields

    @staticmethod
    def hidden_names(t):
        """Members that a field brings with it."""
        if t.kind == 'array':
            return [t.len_name]
        return [t.key_name] if t.kind == 'union' else []

    def field(self, node, union_allowed=False, scalar_only=False):
        parts = self.items(node, 'a field: ("name", type) or '
                           '("name", type, {...})', (2, 3))
        name = self.string(parts[0], 'a field\'s name')
        self.check.identifier(node, name, 'field name')
        t = self.type(parts[1], name, union_allowed)
        f = Field(name, t, node.lineno)
        if scalar_only:
            self.check.scalar(node, f)
        known = ('min', 'max') if scalar_only else \
            ('doc', 'default', 'min', 'max')
        opts = self.options(parts[2], known) if len(parts) == 3 else {}
        f.doc = self.doc(opts)
        self.check.limits(parts[-1], f, {
            k: self.integer(opts[k], k) for k in ('min', 'max') if k in opts})
        if 'default' in opts:
            f.default = self.check.default(
                opts['default'], t, self.constant(opts['default']),
                f.lo, f.hi)
        elif not scalar_only:
            self.check.no_default(node, f)
        return f

    def type(self, node, name, union_allowed):
        if isinstance(node, ast.Name):
            return self.named(node)
        if isinstance(node, ast.Call):
            kind = self.callee(node)
            if kind == 'Array':
                return self.array(node, name)
            if kind == 'Struct':
                self.anonymous(node)
                return self.struct(node, None)
            if kind == 'KeyedUnion':
                if not union_allowed:
                    self.fail(node, 'a KeyedUnion must be a field of a named '
                              'Struct')
                return self.keyed_union(node)
            self.fail(node, 'unknown construct %s()' % kind)
        self.fail(node, 'expected a type')

    def named(self, node):
        if not isinstance(node, ast.Name):
            self.fail(node, 'expected the name of a type')
        t = BUILTINS.get(node.id) or self.check.types.get(node.id)
        if not t:
            self.fail(node, 'unknown type %s' % node.id)
        return t

    def array(self, call, name):
        if len(call.args) != 2 or call.keywords:
            self.fail(call, 'expected Array(type, "num_%s")' % name)
        elem = self.named(call.args[0])
        len_name = self.string(call.args[1], 'the length\'s name')
        if len_name != 'num_' + name:
            self.fail(call, 'the length of %s must be named num_%s'
                      % (name, name))
        return Array(elem, len_name)

    def keyed_union(self, call):
        self.anonymous(call)
        if len(call.args) != 4:
            self.fail(call, 'expected KeyedUnion(None, enum, "key", [...])')
        enum = self.named(call.args[1])
        if enum.kind != 'enum':
            self.fail(call, 'a KeyedUnion\'s key must be an Enumeration')
        key = self.string(call.args[2], 'the key\'s name')
        self.check.identifier(call, key, 'field name')
        opts = self.keywords(call, ('keyvar_init_val',))
        made = KeyedUnion(key, enum, [])
        for node in self.items(call.args[3], 'a KeyedUnion\'s members'):
            made.arms.append(self.arm(node, made))
        for v in enum.values:
            if v.name not in [a.value.name for a in made.arms]:
                self.fail(call, 'KeyedUnion has nothing for %s; give '
                          '("%s", None) if it has no member'
                          % (v.name, v.name.lower()))
        if 'keyvar_init_val' in opts:
            node = opts['keyvar_init_val']
            made.key_default = self.check.default(node, enum,
                                                  self.constant(node))
        else:
            made.key_default = enum.values[0]
            zero = [v for v in enum.values if v.value == 0]
            if not zero:
                self.fail(call, 'the key %s needs a keyvar_init_val: %s has '
                          'no value 0' % (key, enum.ctype))
            made.key_default = zero[0]
        return made

    def arm(self, node, union):
        parts = self.items(node, 'a member: ("value", type)', (2, 2))
        name = self.string(parts[0], 'a member\'s name')
        self.check.identifier(node, name, 'field name')
        value = union.enum.lookup(name.upper())
        if not value:
            self.fail(node, '%s has no value %s'
                      % (union.enum.ctype, name.upper()))
        self.check.unique(node, name, [a.name for a in union.arms], 'member')
        if isinstance(parts[1], ast.Constant) and parts[1].value is None:
            return Field(name, None, node.lineno, value=value)
        t = self.type(parts[1], name, False)
        if t.kind == 'array':
            self.fail(node, 'a KeyedUnion\'s member cannot be an Array; put '
                      'it into a Struct(None, ...)')
        f = Field(name, t, node.lineno, value=value)
        self.check.limits(node, f, {})
        self.check.no_default(node, f)
        return f

    # Pieces of syntax

    def callee(self, call):
        if not isinstance(call.func, ast.Name):
            self.fail(call, 'expected the name of a construct')
        return call.func.id

    def anonymous(self, call):
        first = call.args[0] if call.args else None
        if not isinstance(first, ast.Constant) or first.value is not None:
            self.fail(call, 'a %s inside a Struct has no name: give None '
                      'first' % self.callee(call))

    def arguments(self, call, count, keywords):
        if len(call.args) != count:
            self.fail(call, '%s() takes %d arguments without a name, not %d'
                      % (self.callee(call), count, len(call.args)))
        return call.args[-1], self.keywords(call, keywords)

    def keywords(self, call, known):
        for k in call.keywords:
            if k.arg not in known:
                self.fail(k.value, 'unknown argument %s of %s(); known: %s'
                          % (k.arg, self.callee(call), ', '.join(known)))
        return {k.arg: k.value for k in call.keywords}

    def options(self, node, known):
        if not isinstance(node, ast.Dict) or None in node.keys:
            self.fail(node, 'expected {"doc": ...} or the like')
        opts = {}
        for k, v in zip(node.keys, node.values):
            name = self.string(k, 'an attribute\'s name')
            if name not in known:
                self.fail(k, 'unknown attribute %s; known: %s'
                          % (name, ', '.join(known)))
            self.check.unique(k, name, opts, 'attribute')
            opts[name] = v
        return opts

    def items(self, node, what, counts=None):
        if not isinstance(node, ast.Tuple if counts else ast.List):
            self.fail(node, 'expected %s' % what)
        if counts and not counts[0] <= len(node.elts) <= counts[1]:
            self.fail(node, 'expected %s' % what)
        return node.elts

    def constant(self, node):
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            self.fail(node, 'expected a constant')

    def string(self, node, what):
        if not (isinstance(node, ast.Constant)
                and isinstance(node.value, str)):
            self.fail(node, 'expected a string as %s' % what)
        return node.value

    def integer(self, node, what):
        value = self.constant(node)
        if type(value) is not int:
            self.fail(node, 'expected an integer as %s' % what)
        return value

    def doc(self, opts):
        return self.comment(opts['doc']) if 'doc' in opts else ''

    def comment(self, node):
        text = self.string(node, 'doc')
        if re.search(r'\*/|/\*|[\x00-\x1f\x7f]', text):
            self.fail(node, 'doc goes into a C comment and a table: no /*, '
                      '*/ or control character')
        return text


def parse(path, folders):
    """Reads the file, looking for included ones beside the file that names
    them, then in folders."""
    return Parser(path, folders, {}).parse()
