# SPDX-License-Identifier: LGPL-2.1-only
"""The C file of an .idl file's types."""

import emit_json
import emit_memory
from emit_util import c_string, start
from model import is_table_enum, used_types


def table(code, e):
    with code.block('static const libxl_enum_string_table %s[] =', e.table,
                    end='};'):
        for v in e.values:
            code('{ %s, %s },', c_string(v.name.lower()), v.cname)
        code('{ NULL, -1 }')
    code()


def enum(code, e):
    t = e.ctype
    with code.function('const char *%s_to_string(%s e)', t, t):
        code('return xls_idl_enum_name(%s, e);', e.table)
    with code.function('int %s_from_string(const char *s, %s *e)', t, t):
        code('int value;\n')
        code('if (!xls_idl_enum_value(%s, s, &value))', e.table)
        code('    return ERROR_INVAL;')
        code('*e = value;')
        code('return 0;')
    with code.function('char *%s_to_json(libxl_ctx *ctx, %s p)', t, t):
        code('struct xls_idl_writer w = { .ctx = ctx };\n')
        code.call('return xls_idl_write_end(&w, '
                  'xls_idl_write_enum(&w, %s, p))' % e.table)
    with code.function('int %s_from_json(libxl_ctx *ctx, %s *p, '
                       'const char *s, char **error)', t, t):
        code('struct xls_idl_reader r;')
        code('bool ok;\n')
        code('ok = xls_idl_read_begin(&r, ctx, s) &&')
        code('     %s_read(&r, NULL, r.root, p);', t)
        code('xls_idl_read_end(&r, error);')
        code('return ok ? 0 : ERROR_INVAL;')


def struct_json(code, s):
    t = s.ctype
    with code.function('char *%s_to_json(libxl_ctx *ctx, const %s *p)', t, t):
        code('struct xls_idl_writer w = { .ctx = ctx };\n')
        code.call('return xls_idl_write_end(&w, %s_write(&w, p))' % t)
    with code.function('int %s_from_json(libxl_ctx *ctx, %s *p, '
                       'const char *s, char **error)', t, t):
        code('struct xls_idl_reader r;')
        code('%s new;', t)
        code('bool ok;\n')
        code('%s_init(&new);', t)
        code('ok = xls_idl_read_begin(&r, ctx, s) &&')
        code('     %s_read(&r, NULL, r.root, &new);', t)
        code('xls_idl_read_end(&r, error);')
        with code.block('if (!ok)'):
            code('%s_dispose(&new);', t)
            code('%s_init(&new);', t)
        code('%s_dispose(p);', t)
        code('*p = new;')
        code('return ok ? 0 : ERROR_INVAL;')


def emit(unit, base):
    code = start(unit)
    code('#include "%s.h"\n', base)
    code('#include <stdlib.h>\n#include <string.h>\n')
    code('#include "common/idl/idl.h"\n#include "common/json/json.h"\n')

    used = used_types(unit)
    enums = [t for t in unit.types if t.kind == 'enum']
    enums += [t for t in used if is_table_enum(t) and t not in enums]
    for e in enums:
        if e.kind == 'enum':
            table(code, e)
        emit_json.enum_reader(code, e)
        if e in unit.types and e.kind == 'enum':
            enum(code, e)
    for t in used:
        if t.kind == 'foreign_struct':
            emit_json.foreign_struct(code, t)
        elif t.kind == 'struct' and t not in unit.types:
            emit_json.included_struct(code, t)
    for s in unit.types:
        if s.kind == 'struct':
            emit_memory.functions(code, s)
            emit_json.functions(code, s)
            struct_json(code, s)
    return code.text()
