#!/usr/bin/env python3
"""Writes the Unicode tables of the Cedar validator: scripts/unicode-tables.py

Needs Debian's unicode-data (Scripts.txt, ScriptExtensions.txt) and libicu-dev (the identifier status of UTS 39, which ICU carries).
"""
import ctypes
import glob
import re

UCD = '/usr/share/unicode/'
OUT = 'src/AuthSidecar.Cedar/Validation/'
HEADER = '# Derived from the Unicode Character Database and UTS 39, version %s. Copyright Unicode, Inc.; https://www.unicode.org/license.txt\n'


def version():
    return re.search(r'Scripts-([\d.]+)\.txt', open(UCD + 'Scripts.txt', encoding='utf-8').readline())[1]


def allowed_ranges():
    path = glob.glob('/usr/lib/*/libicui18n.so')[0]
    icu = ctypes.CDLL(path)
    common = ctypes.CDLL(path.replace('i18n', 'uc'))
    suffix = next(n for n in range(60, 100) if hasattr(icu, 'uspoof_getRecommendedSet_%d' % n))
    ranges = []
    for name in ('Recommended', 'Inclusion'):
        error = ctypes.c_int(0)
        get = getattr(icu, 'uspoof_get%sSet_%d' % (name, suffix))
        get.restype = ctypes.c_void_p
        chars = ctypes.c_void_p(get(ctypes.byref(error)))
        count = getattr(common, 'uset_getItemCount_%d' % suffix)(chars)
        for i in range(count):
            start, end = ctypes.c_int32(), ctypes.c_int32()
            getattr(common, 'uset_getItem_%d' % suffix)(chars, i, ctypes.byref(start), ctypes.byref(end), None, 0, ctypes.byref(error))
            ranges.append((start.value, end.value))
    return merge(sorted((s, e, ()) for s, e in ranges))


def script_ranges():
    names = {}
    for line in open(UCD + 'PropertyValueAliases.txt', encoding='utf-8'):
        parts = [p.strip() for p in line.split('#')[0].split(';')]
        if parts[0] == 'sc':
            names[parts[2]] = parts[1]
    scripts = {}
    for file in ('Scripts.txt', 'ScriptExtensions.txt'):
        for line in open(UCD + file, encoding='utf-8'):
            parts = [p.strip() for p in line.split('#')[0].split(';')]
            if len(parts) < 2:
                continue
            start, _, end = parts[0].partition('..')
            for c in range(int(start, 16), int(end or start, 16) + 1):
                scripts[c] = tuple(sorted(names.get(s, s) for s in parts[1].split()))
    # Common and inherited characters go with every script: written without one. What is not there at all goes with none.
    return merge((c, c, () if s in (('Zyyy',), ('Zinh',)) else s) for c, s in sorted(scripts.items()))


def merge(ranges):
    merged = []
    for start, end, value in ranges:
        if merged and merged[-1][1] + 1 >= start and merged[-1][2] == value:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), value)
        else:
            merged.append((start, end, value))
    return merged


def write(name, ranges):
    with open(OUT + name, 'w', encoding='utf-8') as file:
        file.write(HEADER % version())
        for start, end, value in ranges:
            file.write(' '.join(['%X' % start, '%X' % end, *value]) + '\n')


write('identifiers.txt', allowed_ranges())
write('scripts.txt', script_ranges())
