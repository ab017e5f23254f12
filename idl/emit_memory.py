# SPDX-License-Identifier: LGPL-2.1-only
"""_init, _dispose and _copy."""

from emit_util import c_default


def loop(code, length):
    """The head of a loop around one statement."""
    code('for (int i = 0; i < %s; i++)', length)
    return code.indent()


def needs_dispose(t):
    if t.kind == 'struct' and not t.ctype:
        return any(needs_dispose(f.type) for f in t.fields)
    return t.kind in ('string', 'struct', 'foreign_struct', 'array', 'union')


def init_fields(code, fields, expr, struct=None):
    for f in fields:
        init(code, f, expr + f.name, struct)


def init(code, f, e, struct=None):
    t = f.type
    if f.default is not None:
        value = c_default(t, f.default)
        if t.kind == 'string':
            code.call('%s = xls_idl_strdup(%s)' % (e, value))
        elif t.kind == 'foreign_defbool':
            code('libxl_defbool_set(&%s, %s);', e, value)
        else:
            code('%s = %s;', e, value)
    elif t.kind == 'struct' and not t.ctype:
        init_fields(code, t.fields, e + '.')
    elif t.kind in ('struct', 'foreign_struct'):
        code('%s_init(&%s);', t.ctype, e)
    elif t.kind == 'union':
        code('%s(p, %s);', t.init_fn(struct), t.key_default.cname)


def dispose_fields(code, fields, expr):
    for f in fields:
        if f.type is not None and needs_dispose(f.type):
            dispose(code, f.type, expr + f.name, expr)


def dispose(code, t, e, parent):
    if t.kind == 'string':
        code('free(%s);', e)
    elif t.kind == 'array':
        if needs_dispose(t.elem):
            with loop(code, parent + t.len_name):
                dispose(code, t.elem, e + '[i]', parent)
        code('free(%s);', e)
    elif t.kind == 'union':
        dispose_union(code, t, e, parent)
    elif t.kind == 'struct' and not t.ctype:
        dispose_fields(code, t.fields, e + '.')
    else:
        code('%s_dispose(&%s);', t.ctype, e)


def dispose_union(code, t, e, parent):
    def arm(f):
        if f.type is not None and needs_dispose(f.type):
            dispose(code, f.type, '%s.%s' % (e, f.name), e + '.')
    switch(code, t, parent + t.key_name, arm)


def switch(code, t, key, arm):
    """One case per value of the union's key; a value that the enum does not
    have matches none."""
    code('switch (%s) {', key)
    for f in t.arms:
        code('case %s:', f.value.cname)
        with code.indent():
            arm(f)
            code('break;')
    code('}')


def copy_fields(code, fields, dst, src):
    for f in fields:
        copy(code, f.type, dst + f.name, src + f.name, dst, src)


def copy(code, t, d, s, dst, src):
    if t.kind == 'string':
        code.call('%s = xls_idl_strdup(%s)' % (d, s))
    elif t.kind == 'array':
        code('%s = %s;', dst + t.len_name, src + t.len_name)
        code.call('%s = xls_idl_array(%s, sizeof(*%s))'
                  % (d, src + t.len_name, d))
        with loop(code, src + t.len_name):
            copy(code, t.elem, d + '[i]', s + '[i]', dst, src)
    elif t.kind == 'union':
        code('%s = %s;', dst + t.key_name, src + t.key_name)
        switch(code, t, src + t.key_name, lambda f: f.type and copy(
            code, f.type, '%s.%s' % (d, f.name), '%s.%s' % (s, f.name),
            d + '.', s + '.'))
    elif t.kind == 'struct' and not t.ctype:
        copy_fields(code, t.fields, d + '.', s + '.')
    elif t.kind in ('struct', 'foreign_struct'):
        code.call('%s_copy(ctx, &%s, &%s)' % (t.ctype, d, s))
    else:
        code('%s = %s;', d, s)


def uses_ctx(fields):
    for f in fields:
        t = f.type
        if t is None:
            continue
        if t.kind == 'array':
            t = t.elem
        if t.kind == 'foreign_struct' or (t.kind == 'struct' and t.ctype):
            return True
        if t.kind in ('union', 'struct') \
                and uses_ctx(t.arms if t.kind == 'union' else t.fields):
            return True
    return False


def functions(code, s):
    t = s.ctype
    with code.function('void %s_init(%s *p)', t, t):
        code('memset(p, 0, sizeof(*p));')
        init_fields(code, s.fields, 'p->', s)
    for f in s.fields:
        if f.type.kind == 'union':
            init_union(code, s, f)
    with code.function('void %s_dispose(%s *p)', t, t):
        code('if (!p)')
        code('    return;')
        dispose_fields(code, s.fields, 'p->')
        code('memset(p, 0, sizeof(*p));')
    with code.function('void %s_copy(libxl_ctx *ctx, %s *dst, const %s *src)',
                       t, t, t):
        if not uses_ctx(s.fields):
            code('(void)ctx;')
        code('memset(dst, 0, sizeof(*dst));')
        copy_fields(code, s.fields, 'dst->', 'src->')


def init_union(code, s, f):
    t = f.type
    with code.function('void %s(%s *p, %s %s)', t.init_fn(s), s.ctype,
                       t.enum.ctype, t.key_name):
        e = 'p->' + f.name
        dispose_union(code, t, e, 'p->')
        code('memset(&%s, 0, sizeof(%s));', e, e)
        code('p->%s = %s;', t.key_name, t.key_name)
        switch(code, t, t.key_name, lambda a: a.type and init(
            code, a, '%s.%s' % (e, a.name)))
