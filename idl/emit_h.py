# SPDX-License-Identifier: LGPL-2.1-only
"""The public header."""

from emit_util import c_type, header_of, start


def members(code, fields):
    for f in fields:
        if f.type is None:
            continue
        if f.doc:
            code.comment(f.doc)
        t = f.type
        if t.kind == 'array':
            code('int %s;', t.len_name)
            code('%s*%s;', c_type(t.elem), f.name)
        elif t.kind == 'union':
            code('%s %s;', t.enum.ctype, t.key_name)
            with code.block('union', end='} %s;' % f.name):
                members(code, t.arms)
        elif t.kind == 'struct' and not t.ctype:
            if t.doc:
                code.comment(t.doc)
            with code.block('struct', end='} %s;' % f.name):
                members(code, t.fields)
        else:
            code('%s%s;', c_type(t), f.name)


def struct(code, s, api):
    if s.doc:
        code.comment(s.doc)
    with code.block('typedef struct %s', s.ctype, end='} %s;' % s.ctype):
        members(code, s.fields)
    t = s.ctype
    heads = ['void %s_init(%s *p)' % (t, t),
             'void %s_dispose(%s *p)' % (t, t),
             'void %s_copy(libxl_ctx *ctx, %s *dst, const %s *src)'
             % (t, t, t),
             'char *%s_to_json(libxl_ctx *ctx, const %s *p)' % (t, t),
             'int %s_from_json(libxl_ctx *ctx, %s *p, const char *s, '
             'char **error)' % (t, t)]
    for f in s.fields:
        if f.type.kind == 'union':
            heads.insert(1, 'void %s(%s *p, %s %s)'
                         % (f.type.init_fn(s), t, f.type.enum.ctype,
                            f.type.key_name))
    declare(code, heads, api)


def enum(code, e, api):
    if e.doc:
        code.comment(e.doc)
    with code.block('typedef enum %s', e.ctype, end='} %s;' % e.ctype):
        for v in e.values:
            if v.doc:
                code.comment(v.doc)
            code('%s = %d,', v.cname, v.value)
    t = e.ctype
    declare(code, ['const char *%s_to_string(%s e)' % (t, t),
                   'int %s_from_string(const char *s, %s *e)' % (t, t),
                   'char *%s_to_json(libxl_ctx *ctx, %s p)' % (t, t),
                   'int %s_from_json(libxl_ctx *ctx, %s *p, const char *s, '
                   'char **error)' % (t, t)], api)


def declare(code, heads, api):
    for head in heads:
        code(api)
        code.call(head)
    code()


CONVENTIONS = '''
/*
 * For every struct type T:
 *
 * T_init        sets every member to its default, which may take memory.
 * T_init_KEY    (with a union) disposes of the union's member, sets KEY and
 *               inits the member that belongs to it. Use nothing else to
 *               change KEY.
 * T_dispose     frees what p holds, not p, and zeroes it: twice is fine.
 * T_copy        makes dst, whose former contents are not freed, a deep copy.
 * T_to_json     malloc'ed text. NULL when p holds what T_from_json would
 *               refuse: a string that is not UTF-8, a number out of its
 *               range, an enum value that has no name, or too much of it.
 * T_from_json   p must be init'ed; what it held is freed. Keys that are
 *               missing give the default; anything that the type does not
 *               know is an error. On failure ERROR_INVAL, p is as after
 *               T_init, and *error (when error is not NULL) is a malloc'ed
 *               message that starts with the place in the text; on success
 *               *error is NULL.
 *
 * For every enum type E, E_to_string gives NULL for an unknown value, and
 * E_from_string and E_from_json, which ignore case, leave the value alone
 * when they fail (ERROR_INVAL).
 *
 * Failure to allocate memory aborts, as in libxl.
 */'''


def emit(unit, base):
    code = start(unit)
    macro = base.strip('_').upper()
    api = macro + '_API'
    code('#ifndef %s_H\n#define %s_H\n', macro, macro)
    code('#include <stdbool.h>\n#include <stdint.h>\n')
    code('#include <libxl.h>')
    for u in unit.includes:
        code('#include <%s>', header_of(u))
    code('\n#ifdef __cplusplus\nextern "C" {\n#endif\n')
    code('#define %s __attribute__((visibility("default")))' % api)
    code(CONVENTIONS)
    code()
    for t in unit.types:
        if t.kind == 'struct':
            struct(code, t, api)
        elif t.kind == 'enum':
            enum(code, t, api)
    code('#undef %s\n', api)
    code('#ifdef __cplusplus\n}\n#endif\n')
    code('#endif')
    return code.text()
