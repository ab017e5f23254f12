# SPDX-License-Identifier: LGPL-2.1-only
"""The round-trip test of an .idl file's types."""

from emit_memory import loop, switch
from emit_util import c_int, start
from model import is_table_enum, walk


def all_types(unit):
    """The unit's types and all that they contain, parts first."""
    seen = []

    def visit(t):
        if t in seen:
            return
        if t.kind == 'struct':
            for inner in walk(t.fields):
                visit(inner)
        seen.append(t)
    for t in unit.types:
        visit(t)
    return seen


def fill_fields(code, fields, expr, struct):
    for f in fields:
        fill(code, f, expr + f.name, expr, struct)


def fill(code, f, e, parent, struct=None):
    t = f.type
    if t.kind == 'array':
        n = parent + t.len_name
        code('%s = xls_random_length();', n)
        code.call('%s = xls_idl_array(%s, sizeof(*%s))' % (e, n, e))
        with code.block('for (int i = 0; i < %s; i++)', n):
            if t.elem.kind in ('struct', 'foreign_struct'):
                code('%s_init(&%s[i]);', t.elem.ctype, e)
            fill_value(code, t.elem, f, e + '[i]')
    elif t.kind == 'union':
        code('%s(p, %s);', t.init_fn(struct), random_enum(t.enum))
        switch(code, t, parent + t.key_name, lambda a: a.type and fill(
            code, a, '%s.%s' % (e, a.name), e + '.'))
    elif t.kind == 'struct' and not t.ctype:
        fill_fields(code, t.fields, e + '.', None)
    else:
        fill_value(code, t, f, e)


def random_enum(t):
    return 'xls_random_enum(%s)' % (
        t.table if t.kind == 'foreign_enum' else t.ctype + '_values')


def fill_value(code, t, f, e):
    if t.kind == 'int':
        code.call('%s = xls_random_%s(%s, %s)' % (
            e, 'int' if t.signed else 'uint', c_int(f.lo), c_int(f.hi)))
    elif t.kind == 'string':
        code('free(%s);', e)
        code('%s = xls_random_string();', e)
    elif is_table_enum(t):
        code('%s = %s;', e, random_enum(t))
    elif t.kind == 'struct':
        code('%s_fill(&%s);', t.ctype, e)
    else:
        name = t.name if t.kind == 'bool' else t.ctype
        code('xls_random_%s(&%s);', name, e)


def equal_fields(code, fields, a, b):
    for f in fields:
        equal(code, f.type, a + f.name, b + f.name, a, b)


def differ(code, condition):
    code.call('if (' + condition, tail=')')
    code('    return false;')


def equal(code, t, a, b, pa, pb):
    if t.kind == 'array':
        differ(code, '%s != %s' % (pa + t.len_name, pb + t.len_name))
        with loop(code, pa + t.len_name):
            equal(code, t.elem, a + '[i]', b + '[i]', pa, pb)
    elif t.kind == 'union':
        differ(code, '%s != %s' % (pa + t.key_name, pb + t.key_name))
        switch(code, t, pa + t.key_name, lambda f: f.type and equal(
            code, f.type, '%s.%s' % (a, f.name), '%s.%s' % (b, f.name),
            a + '.', b + '.'))
    elif t.kind == 'struct' and not t.ctype:
        equal_fields(code, t.fields, a + '.', b + '.')
    elif t.kind == 'struct':
        differ(code, '!%s_equal(&%s, &%s)' % (t.ctype, a, b))
    elif t.kind == 'string':
        differ(code, '!xls_same_string(%s, %s)' % (a, b))
    elif t.kind == 'foreign_struct':
        differ(code, '!xls_same_%s(&%s, &%s)' % (t.ctype, a, b))
    elif t.kind == 'foreign_defbool':
        differ(code, 'strcmp(libxl_defbool_to_string(%s), '
               'libxl_defbool_to_string(%s))' % (a, b))
    elif t.kind == 'foreign_uuid':
        differ(code, 'libxl_uuid_compare(&%s, &%s)' % (a, b))
    else:
        differ(code, '%s != %s' % (a, b))


def values(code, e):
    """A table of the names, apart from the one under test."""
    with code.block('static const libxl_enum_string_table %s_values[] =',
                    e.ctype, end='};'):
        for v in e.values:
            code('{ "%s", %s },', v.name.lower(), v.cname)
        code('{ NULL, -1 }')
    code()


def helpers(code, s):
    with code.function('static void %s_fill(%s *p)', s.ctype, s.ctype):
        fill_fields(code, s.fields, 'p->', s)
    with code.function('static bool %s_equal(const %s *a, const %s *b)',
                       s.ctype, s.ctype, s.ctype):
        equal_fields(code, s.fields, 'a->', 'b->')
        code('return true;')


def struct_test(code, s):
    t = s.ctype
    with code.function('static void test_%s(void **state)', t):
        code('libxl_ctx *ctx = *state;')
        code('%s a, b, c;', t)
        code('char *text, *again, *error;\n')
        with code.block('for (int round = 0; round < ROUNDS; round++)'):
            code('''\
TYPE_init(&a);
TYPE_init(&b);
assert_true(TYPE_equal(&a, &b));
TYPE_fill(&a);
text = TYPE_to_json(ctx, &a);
assert_non_null(text);
if (TYPE_from_json(ctx, &b, text, &error))
    fail_msg("%s\\n%s", error, text);
assert_null(error);
assert_true(TYPE_equal(&a, &b));
again = TYPE_to_json(ctx, &b);
assert_string_equal(text, again);
TYPE_copy(ctx, &c, &a);
TYPE_dispose(&a);
assert_true(TYPE_equal(&b, &c));
TYPE_dispose(&a);
TYPE_dispose(&b);
TYPE_dispose(&c);
free(text);
free(again);'''.replace('TYPE', t))


def enum_test(code, e):
    t = e.ctype
    with code.function('static void test_%s(void **state)', t):
        code('libxl_ctx *ctx = *state;')
        code('%s a, b;', t)
        code('const char *name;')
        code('char *text, *error;\n')
        with code.block('for (int round = 0; round < ROUNDS; round++)'):
            code('''\
a = xls_random_enum(TYPE_values);
text = TYPE_to_json(ctx, a);
assert_non_null(text);
if (TYPE_from_json(ctx, &b, text, &error))
    fail_msg("%s\\n%s", error, text);
assert_int_equal(a, b);
name = TYPE_to_string(a);
assert_non_null(name);
assert_int_equal(TYPE_from_string(name, &b), 0);
assert_int_equal(a, b);
free(text);'''.replace('TYPE', t))


def emit(unit, base):
    code = start(unit)
    code('#include "%s.h"\n', base)
    code('#include <setjmp.h>\n#include <stdarg.h>\n#include <stddef.h>')
    code('#include <stdlib.h>\n#include <string.h>\n')
    code('#include <cmocka.h>\n')
    code('#include "common/idl/idl.h"\n#include "random.h"\n')
    code('#define ROUNDS 1000\n')
    for t in all_types(unit):
        if t.kind == 'enum':
            values(code, t)
        elif t.kind == 'struct':
            helpers(code, t)
    tested = [t for t in unit.types if t.kind in ('struct', 'enum')]
    for t in tested:
        (struct_test if t.kind == 'struct' else enum_test)(code, t)
    with code.function('int main(void)'):
        with code.block('const struct CMUnitTest tests[] =', end='};'):
            for t in tested:
                code('cmocka_unit_test(test_%s),', t.ctype)
        code('\nxls_random_start();')
        code.call('return cmocka_run_group_tests_name("%s", tests, '
                  'xls_random_ctx_open, xls_random_ctx_close)' % base)
    return code.text()
