# SPDX-License-Identifier: LGPL-2.1-only
"""What an .idl file says, checked: see README.md for the language."""

from dataclasses import dataclass, field


class IdlError(Exception):
    """A mistake in an .idl file; str() is FILE:LINE: message."""

    def __init__(self, path, line, message):
        super().__init__('%s:%d: %s' % (path, line, message))


@dataclass(frozen=True)
class Builtin:
    name: str                   # in the .idl
    ctype: str
    kind: str                   # bool, string or int
    lo: int = 0                 # integers: the C type's range
    hi: int = 0

    @property
    def signed(self):
        return self.lo < 0


BUILTINS = {t.name: t for t in (
    Builtin('bool', 'bool', 'bool'),
    Builtin('string', 'char *', 'string'),
    Builtin('int', 'int', 'int', -2**31, 2**31 - 1),
    Builtin('uint8', 'uint8_t', 'int', 0, 2**8 - 1),
    Builtin('uint16', 'uint16_t', 'int', 0, 2**16 - 1),
    Builtin('uint32', 'uint32_t', 'int', 0, 2**32 - 1),
    Builtin('uint64', 'uint64_t', 'int', 0, 2**64 - 1),
    Builtin('int64', 'int64_t', 'int', -2**63, 2**63 - 1),
)}


@dataclass(eq=False)
class Field:
    """A member of a Struct or, with `value`, of a KeyedUnion; a key of a
    foreign struct too."""
    name: str
    type: object                # None: a KeyedUnion's value without a member
    line: int
    doc: str = ''
    default: object = None      # None: 0, NULL, false or empty
    lo: int = 0
    hi: int = 0
    value: object = None        # EnumValue


@dataclass(eq=False)
class EnumValue:
    name: str
    cname: str
    value: int
    line: int
    doc: str = ''


@dataclass(eq=False)
class Enumeration:
    ctype: str
    values: list
    unit: object
    doc: str = ''
    kind: str = 'enum'

    @property
    def table(self):
        return self.ctype + '_table'

    def lookup(self, name):
        return next((v for v in self.values if v.name == name), None)


@dataclass(eq=False)
class Struct:
    ctype: str                  # None: anonymous
    fields: list
    unit: object
    doc: str = ''
    kind: str = 'struct'


@dataclass(eq=False)
class Array:
    elem: object
    len_name: str
    kind: str = 'array'


@dataclass(eq=False)
class KeyedUnion:
    key_name: str
    enum: Enumeration
    arms: list                  # of Field, one per value of the enum
    key_default: object = None  # EnumValue
    kind: str = 'union'

    def init_fn(self, struct):
        return '%s_init_%s' % (struct.ctype, self.key_name)


@dataclass(eq=False)
class Foreign:
    """A type of libxl's; foreign is struct, enum, defbool or uuid."""
    ctype: str
    foreign: str
    keys: list                  # of Field
    unit: object

    @property
    def kind(self):
        return 'foreign_' + self.foreign

    @property
    def table(self):
        return self.ctype + '_string_table'


@dataclass(eq=False)
class Unit:
    """One .idl file."""
    path: str
    name: str                   # the file's name, without folder
    types: list = field(default_factory=list)       # defined here
    includes: list = field(default_factory=list)    # Units
    names: dict = field(default_factory=dict)       # known here, C names too


def is_table_enum(t):
    return t.kind in ('enum', 'foreign_enum')


def walk(fields):
    """Every type that the fields name, members of anonymous structs and of
    unions and elements of arrays included."""
    for f in fields:
        t = f.type
        if t is None:
            continue
        if t.kind == 'array':
            t = t.elem
        if t.kind == 'union':
            yield t.enum
            yield from walk(t.arms)
        elif t.kind == 'struct' and not t.ctype:
            yield from walk(t.fields)
        else:
            yield t


def used_types(unit):
    """The named types that the unit's structs use, each once, in order of
    their first use; a type's own parts are not followed."""
    seen = []
    for s in unit.types:
        if s.kind == 'struct':
            for t in walk(s.fields):
                if t not in seen:
                    seen.append(t)
    return seen
