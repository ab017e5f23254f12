# SPDX-License-Identifier: LGPL-2.1-only
"""The reference page of an .idl file's types."""

import json

from emit_util import banner


def cell(text):
    return text.replace('|', '\\|')


def type_name(unit, t):
    if t.kind == 'array':
        return 'array of ' + type_name(unit, t.elem)
    if t.kind == 'struct' and not t.ctype:
        return 'object'
    if t.kind in ('int', 'bool', 'string'):
        return t.name
    return '[%s](#%s)' % (t.ctype, t.ctype) \
        if t in unit.types and t.kind in ('struct', 'enum') else t.ctype


def number_range(f):
    t = f.type.elem if f.type.kind == 'array' else f.type
    if t.kind == 'int' and (f.lo, f.hi) != (t.lo, t.hi):
        return ', %d to %d' % (f.lo, f.hi)
    return ''


def default(f):
    t = f.type
    if f.default is not None:
        if t.kind == 'enum':
            return '"%s"' % f.default.name.lower()
        if t.kind in ('bool', 'foreign_defbool'):
            return 'true' if f.default else 'false'
        return json.dumps(f.default, ensure_ascii=False) \
            if t.kind == 'string' else str(f.default)
    if t.kind == 'enum':
        return '"%s"' % next(v.name.lower() for v in t.values
                             if v.value == 0)
    return {'bool': 'false', 'int': '0', 'string': 'null', 'array': '[]',
            'foreign_defbool': 'null'}.get(t.kind, '')


def rows(unit, fields, prefix=''):
    for f in fields:
        t = f.type
        if t.kind == 'union':
            yield (prefix + t.key_name, type_name(unit, t.enum),
                   '"%s"' % t.key_default.name.lower(), f.doc)
            for a in t.arms:
                if a.type:
                    a_name = '%s.%s' % (t.key_name, a.name)
                    yield (prefix + a_name, type_name(unit, a.type), '',
                           'only with %s "%s"' % (t.key_name,
                                                  a.value.name.lower()))
                    if a.type.kind == 'struct' and not a.type.ctype:
                        yield from rows(unit, a.type.fields,
                                        '%s%s.' % (prefix, a_name))
            continue
        yield (prefix + f.name, type_name(unit, t) + number_range(f),
               default(f), f.doc)
        if t.kind == 'struct' and not t.ctype:
            yield from rows(unit, t.fields, prefix + f.name + '.')


def emit(unit, base):
    out = ['<!-- %s -->' % line for line in banner(unit)]
    out += ['', '# Types of `%s.h`' % base, '',
            'Names are those of the C members and of the JSON keys alike. A '
            'key that is missing from JSON',
            'gives the default; an unknown one is an error.']
    for t in unit.types:
        if t.kind not in ('struct', 'enum'):
            continue
        out += ['', '## ' + t.ctype, '']
        if t.doc:
            out += [t.doc, '']
        if t.kind == 'enum':
            out += ['| JSON | C | Value | Meaning |', '|---|---|---|---|']
            out += ['| "%s" | `%s` | %d | %s |'
                    % (v.name.lower(), v.cname, v.value, cell(v.doc))
                    for v in t.values]
        else:
            out += ['| Key | Type | Default | Meaning |', '|---|---|---|---|']
            out += ['| `%s` | %s | %s | %s |'
                    % (name, kind, cell(dflt), cell(doc))
                    for name, kind, dflt, doc in rows(unit, t.fields)]
    return '\n'.join(out) + '\n'
