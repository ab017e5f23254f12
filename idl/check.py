# SPDX-License-Identifier: LGPL-2.1-only
"""The rules that a well-formed .idl file can still break."""

import re

from model import IdlError

# C11's words, and C++'s, since the header serves both.
RESERVED = frozenset('''
    auto break case char const continue default do double else enum extern
    float for goto if inline int long register restrict return short signed
    sizeof static struct switch typedef union unsigned void volatile while
    alignas alignof asm bool catch char8_t char16_t char32_t class co_await
    co_return co_yield concept const_cast consteval constexpr constinit
    decltype delete dynamic_cast explicit export false friend mutable
    namespace new noexcept nullptr operator private protected public
    reinterpret_cast requires static_assert static_cast template this
    thread_local throw true try typeid typename typeof using virtual wchar_t
    and and_eq bitand bitor compl not not_eq or or_eq xor xor_eq
    linux unix errno'''.split())

SUFFIXES = {
    'struct': ('init', 'dispose', 'copy', 'to_json', 'from_json'),
    'enum': ('to_string', 'from_string', 'to_json', 'from_json'),
}


class Checker:
    def __init__(self, path, unit):
        self.path = path
        self.unit = unit
        self.types = {}

    def fail(self, node, message):
        raise IdlError(self.path, node.lineno, message)

    # Names

    def identifier(self, node, name, what):
        if not re.fullmatch(r'[a-z][a-z0-9_]*', name):
            self.fail(node, '%s "%s" is not lower case letters, digits and _'
                      % (what, name))
        if name in RESERVED:
            self.fail(node, '%s "%s" is a reserved word of C or C++'
                      % (what, name))

    def unique(self, node, name, known, what):
        if name in known:
            self.fail(node, 'duplicate %s %s' % (what, name))

    def claim(self, node, name, where):
        """Takes a C name; where: (type or None, place of its definition)."""
        made, place = where
        if self.unit.names.setdefault(name, where) != where:
            self.fail(node, '%s is already defined at %s'
                      % (name, self.unit.names[name][1]))
        if made is not None:
            self.types[name] = made

    def claim_type(self, node, made):
        place = '%s:%d' % (self.path, node.lineno)
        self.claim(node, made.ctype, (made, place))
        names = ['%s_%s' % (made.ctype, s)
                 for s in SUFFIXES.get(made.kind, ())]
        if made.kind == 'enum':
            names += [v.cname for v in made.values]
        elif made.kind == 'struct':
            names += [f.type.init_fn(made) for f in made.fields
                      if f.type.kind == 'union']
        for name in names:
            self.claim(node, name, (None, place))

    def enum_value(self, node, enum, value):
        if not re.fullmatch(r'[A-Z0-9][A-Z0-9_]*', value.name):
            self.fail(node, 'value "%s" is not upper case letters, digits '
                      'and _' % value.name)
        if not -2**31 <= value.value < 2**31:
            self.fail(node, '%d does not fit into an int' % value.value)
        self.unique(node, value.name, [v.name for v in enum.values], 'value')
        for v in enum.values:
            if v.value == value.value:
                self.fail(node, 'duplicate value: %s is %d already'
                          % (v.name, v.value))

    # Fields

    def scalar(self, node, f):
        if f.type.kind in ('array', 'struct', 'union', 'enum',
                           'foreign_struct'):
            self.fail(node, 'key %s must be a builtin type or a Foreign enum, '
                      'defbool or uuid' % f.name)

    def limits(self, node, f, given):
        t = f.type.elem if f.type.kind == 'array' else f.type
        if t.kind != 'int':
            if given:
                self.fail(node, 'min and max are for integers')
            return
        f.lo = given.get('min', t.lo)
        f.hi = given.get('max', t.hi)
        if f.lo > f.hi:
            self.fail(node, 'min %d is above max %d' % (f.lo, f.hi))
        for bound in (f.lo, f.hi):
            if not t.lo <= bound <= t.hi:
                self.fail(node, '%d does not fit into %s' % (bound, t.name))

    def no_default(self, node, f):
        """May a field of this type start as zero?"""
        if f.type.kind == 'int' and not f.lo <= 0 <= f.hi:
            self.fail(node, '%s needs a default: 0 is out of its range'
                      % f.name)
        if f.type.kind == 'enum' and all(v.value for v in f.type.values):
            self.fail(node, '%s needs a default: %s has no value 0'
                      % (f.name, f.type.ctype))

    def default(self, node, t, value, lo=0, hi=0):
        """Returns the default as the emitters want it: a bool, int or str,
        an EnumValue, or the name of a foreign enum's constant."""
        if t.kind in ('bool', 'foreign_defbool'):
            good = type(value) is bool
        elif t.kind == 'int':
            good = type(value) is int and lo <= value <= hi
        elif t.kind == 'string':
            good = type(value) is str and '\0' not in value
        elif t.kind == 'enum':
            found = t.lookup(value) if type(value) is str else None
            if not found:
                self.fail(node, 'bad default %r: %s has %s'
                          % (value, t.ctype,
                             ', '.join(v.name for v in t.values)))
            return found
        elif t.kind == 'foreign_enum':
            good = type(value) is str and bool(
                re.fullmatch(r'LIBXL_[A-Z0-9_]+', value))
        else:
            self.fail(node, 'bad default: this type has none')
        if not good:
            self.fail(node, 'bad default %r for %s'
                      % (value, getattr(t, 'name', None) or t.ctype))
        return value
