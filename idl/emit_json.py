# SPDX-License-Identifier: LGPL-2.1-only
"""T_write, which makes a JSON value, and T_read, which checks one."""

from emit_memory import loop, switch
from emit_util import c_int, c_string
from model import is_table_enum

READ = 'struct xls_idl_reader *r, const struct xls_idl_at *up, ' \
       'const struct xls_json *v'


def value(t, e, f):
    """The expression that makes the JSON value of e, of a scalar or named
    type; f has the range."""
    if t.kind == 'int':
        return 'xls_idl_write_%s(w, %s, %s, %s)' % (
            'int' if t.signed else 'uint', e, c_int(f.lo), c_int(f.hi))
    if t.kind == 'bool':
        return 'xls_json_bool(%s)' % e
    if t.kind == 'string':
        return 'xls_idl_write_string(%s)' % e
    if is_table_enum(t):
        return 'xls_idl_write_enum(w, %s, %s)' % (t.table, e)
    if t.kind == 'foreign_defbool':
        return 'xls_idl_write_defbool(%s)' % e
    if t.kind == 'foreign_uuid':
        return 'xls_idl_write_uuid(&%s)' % e
    return '%s_write(w, &%s)' % (t.ctype, e)


def write_fields(code, fields, expr, o):
    for f in fields:
        write(code, f, f.name, expr, o)


def write(code, f, key, expr, o):
    t = f.type
    e = expr + f.name
    if t.kind == 'array':
        with code.block(''):
            code('struct xls_json *a = xls_json_array();\n')
            with loop(code, expr + t.len_name):
                code.call('xls_json_append(a, %s)'
                          % value(t.elem, e + '[i]', f))
            code('xls_json_set(%s, %s, a);', o, c_string(key))
    elif t.kind == 'union':
        k = expr + t.key_name
        code.call('xls_json_set(%s, %s, %s)'
                  % (o, c_string(t.key_name), value(t.enum, k, f)))
        switch(code, t, k, lambda a: a.type and write(
            code, a, '%s.%s' % (t.key_name, a.name), e + '.', o))
    elif t.kind == 'struct' and not t.ctype:
        inner = 'o%d' % (int(o[1:] or 0) + 1)
        with code.block(''):
            code('struct xls_json *%s = xls_json_object();\n', inner)
            write_fields(code, t.fields, e + '.', inner)
            code('xls_json_set(%s, %s, %s);', o, c_string(key), inner)
    else:
        code.call('xls_json_set(%s, %s, %s)'
                  % (o, c_string(key), value(t, e, f)))


class Names:
    """The local variables of one object being read."""

    def __init__(self, depth):
        n = str(depth) if depth else ''
        self.depth = depth
        self.at, self.m, self.keys = 'at' + n, 'm' + n, 'keys' + n
        self.v = 'm%s' % (depth - 1 or '') if depth else 'v'
        self.up = '&at%s' % (depth - 1 or '') if depth else 'up'


def json_keys(fields):
    for f in fields:
        if f.type.kind == 'union':
            yield f.type.key_name
            for a in f.type.arms:
                if a.type:
                    yield '%s.%s' % (f.type.key_name, a.name)
        else:
            yield f.name


def read_object(code, fields, expr, depth, struct=None):
    n = Names(depth)
    code('static const char *const %s[] = {', n.keys)
    with code.indent():
        for key in json_keys(fields):
            code('%s,', c_string(key))
        code('NULL')
    code('};')
    code('struct xls_idl_at %s = { .up = %s };', n.at, n.up)
    code('const struct xls_json *%s;\n', n.m)
    check(code, 'xls_idl_read_object(r, %s, %s, %s)' % (n.up, n.v, n.keys))
    for f in fields:
        if f.type.kind == 'union':
            read_union(code, f, expr, n, struct)
        else:
            read(code, f, f.name, expr, n)


def check(code, call):
    code.call('if (!' + call, tail=')')
    code('    return false;')


def member(code, n, key):
    code.call('%s = xls_idl_member(&%s, %s, %s)'
              % (n.m, n.at, n.v, c_string(key)))


def read(code, f, key, expr, n):
    t = f.type
    e = expr + f.name
    member(code, n, key)
    if t.kind == 'array':
        with code.block('if (%s)', n.m):
            read_array(code, f, e, expr, n)
    elif t.kind == 'struct' and not t.ctype:
        with code.block('if (%s)', n.m):
            read_object(code, t.fields, e + '.', n.depth + 1)
    else:
        code.call('if (%s && !%s' % (n.m, reader(t, f, n.at, n.m, e)),
                  tail=')')
        code('    return false;')


def reader(t, f, at, m, e):
    """The call that reads a scalar or named type into e."""
    where = '(r, &%s, %s, &%s' % (at, m, e)
    if t.kind == 'int':
        return 'xls_idl_read_%s%s, %s, %s)' % (t.name, where, c_int(f.lo),
                                               c_int(f.hi))
    if t.kind in ('bool', 'string'):
        return 'xls_idl_read_%s%s)' % (t.name, where)
    if t.kind in ('foreign_defbool', 'foreign_uuid'):
        return 'xls_idl_read_%s%s)' % (t.foreign, where)
    return '%s_read%s)' % (t.ctype, where)


def read_array(code, f, e, expr, n):
    t = f.type
    code('struct xls_idl_at el = { .up = &%s };\n', n.at)
    check(code, 'xls_idl_read_array(r, &%s, %s)' % (n.at, n.m))
    code('%s = xls_json_len(%s);', expr + t.len_name, n.m)
    code.call('%s = xls_idl_array(%s, sizeof(*%s))'
              % (e, expr + t.len_name, e))
    with code.block('for (int i = 0; i < %s; i++)', expr + t.len_name):
        code('el.index = i;')
        if t.elem.kind in ('struct', 'foreign_struct'):
            code('%s_init(&%s[i]);', t.elem.ctype, e)
        check(code, reader(t.elem, f, 'el', 'xls_json_at(%s, i)' % n.m,
                           e + '[i]'))


def read_union(code, f, expr, n, struct):
    t = f.type
    e = expr + f.name
    member(code, n, t.key_name)
    with code.block('if (%s)', n.m):
        code('%s key;\n', t.enum.ctype)
        check(code, reader(t.enum, f, n.at, n.m, 'key'))
        code('%s(p, key);', t.init_fn(struct))

    with code.block(''):
        code('static const struct xls_idl_arm arms[] = {')
        with code.indent():
            for a in t.arms:
                if a.type:
                    code('{ %s, %s },', c_string('%s.%s' % (t.key_name,
                                                            a.name)),
                         a.value.cname)
            code('{ NULL, 0 }')
        code('};\n')
        check(code, 'xls_idl_read_arms(r, up, v, arms, %s, %s, %s)'
              % (c_string(t.key_name), expr + t.key_name, t.enum.table))

    def arm(a):
        if a.type:
            read(code, a, '%s.%s' % (t.key_name, a.name), e + '.', n)
    switch(code, t, expr + t.key_name, arm)


def enum_reader(code, e):
    with code.function('static bool %s_read(%s, %s *p)', e.ctype, READ,
                       e.ctype):
        code('int value;\n')
        check(code, 'xls_idl_read_enum(r, up, v, %s, &value)' % e.table)
        code('*p = value;')
        code('return true;')


def functions(code, s):
    t = s.ctype
    with code.function('static struct xls_json *%s_write('
                       'struct xls_idl_writer *w, const %s *p)', t, t):
        if not uses_writer(s.fields):
            code('(void)w;')
        code('struct xls_json *o = xls_json_object();\n')
        write_fields(code, s.fields, 'p->', 'o')
        code('return o;')
    with code.function('static bool %s_read(%s, %s *p)', t, READ, t):
        read_object(code, s.fields, 'p->', 0, s)
        code('return true;')


def uses_writer(fields):
    """Is there a value that may be impossible to write?"""
    for f in fields:
        t = f.type.elem if f.type.kind == 'array' else f.type
        if t.kind == 'struct' and not t.ctype:
            if uses_writer(t.fields):
                return True
        elif t.kind not in ('bool', 'string', 'foreign_defbool',
                            'foreign_uuid'):
            return True
    return False


KEY_KINDS = {'bool': 'BOOL', 'string': 'STRING', 'enum': 'ENUM',
             'foreign_enum': 'ENUM', 'foreign_defbool': 'DEFBOOL',
             'foreign_uuid': 'UUID'}


def foreign_struct(code, t):
    """libxl's own types, by way of their JSON text."""
    with code.block('static const struct xls_idl_key %s_keys[] =', t.ctype,
                    end='};'):
        for k in t.keys:
            if k.type.kind == 'int':
                u = '' if k.type.signed else 'u'
                kind = u.upper() + 'INT'
                extra = ', .%smin = %s, .%smax = %s' % (u, c_int(k.lo), u,
                                                        c_int(k.hi))
            else:
                kind = KEY_KINDS[k.type.kind]
                extra = ', .table = %s' % k.type.table \
                    if kind == 'ENUM' else ''
            entry = '{ .name = %s, .kind = XLS_IDL_KEY_%s%s },' % (
                c_string(k.name), kind, extra)
            code(entry if len(entry) < 75 else entry.replace(
                extra, ',\n  ' + extra[2:]))
        code('{ .name = NULL }')
    code()
    with code.function('static struct xls_json *%s_write('
                       'struct xls_idl_writer *w, const %s *p)',
                       t.ctype, t.ctype):
        code('/* libxl takes a plain pointer, but does not write to it. */')
        code.call('return xls_idl_write_text(w, %s_to_json(w->ctx, (%s *)p))'
                  % (t.ctype, t.ctype))
    with code.function('static bool %s_read(%s, %s *p)', t.ctype, READ,
                       t.ctype):
        code('char *text;')
        code('int rc;\n')
        check(code, 'xls_idl_read_foreign(r, up, v, %s_keys)' % t.ctype)
        code('text = xls_json_print(v, false);')
        code('rc = %s_from_json(r->ctx, p, text);', t.ctype)
        code('free(text);')
        code('if (rc)')
        code.call('    return xls_idl_refused(r, up, %s, rc)'
                  % c_string(t.ctype))
        code('return true;')


def included_struct(code, t):
    """A type of another .idl file, by way of its public functions."""
    with code.function('static struct xls_json *%s_write('
                       'struct xls_idl_writer *w, const %s *p)',
                       t.ctype, t.ctype):
        code.call('return xls_idl_write_text(w, %s_to_json(w->ctx, p))'
                  % t.ctype)
    with code.function('static bool %s_read(%s, %s *p)', t.ctype, READ,
                       t.ctype):
        code('char *text, *error;')
        code('int rc;\n')
        check(code, 'xls_idl_read_object(r, up, v, NULL)')
        code('text = xls_json_print(v, false);')
        code.call('rc = %s_from_json(r->ctx, p, text, &error)' % t.ctype)
        code('free(text);')
        code('if (rc)')
        code('    return xls_idl_failed_inside(r, up, error);')
        code('return true;')
