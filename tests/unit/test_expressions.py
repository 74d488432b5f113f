# SPDX-License-Identifier: Apache-2.0
"""Expressions select the rows that pandas selects: TileDB's examples, random expressions over columns of every kind, numbers at
the limits of their types; and what is wrong is refused with its place."""
import math
import re
import shutil

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

import expression_data  # (which also makes tests/mount importable)
import craft
from expression_data import FLOATS, INTEGERS, ROWS, TYPES, WORDS, Refused, Selector


@pytest.fixture(scope="module")
def table():
    return expression_data.make_table()


@pytest.fixture(scope="module", params=[(), ("--shard-rows", "701")], ids=["whole", "sharded"])
def select(request, table, tmp_path_factory):
    collection = expression_data.convert(tmp_path_factory.mktemp("expressions"), table.columns, *request.param)
    selector = Selector(collection)
    yield selector
    selector.close()


# --- the model -----------------------------------------------------------------------------------------------------

OPERATORS = {"==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
             ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def true_rows(truth):
    """What df[truth] selects."""
    return np.flatnonzero(pd.Series(truth).fillna(False).to_numpy(bool)).tolist()


def compare_text(series, op, constant):
    """Bytes in order; what is missing equals nothing and has no place in the order."""
    missing = series.isna()
    holds = [not gone and OPERATORS[op](value.encode(), constant.encode()) for value, gone in zip(series.astype(object), missing)]
    return pd.Series(holds) | (missing & (op == "!="))


def is_text(series):
    return series.dtype == object or isinstance(series.dtype, pd.CategoricalDtype)


def compare(series, op, constant):
    if constant is None:
        return series.isna() if op == "==" else series.notna()
    return compare_text(series, op, constant) if is_text(series) else OPERATORS[op](series, constant)


def is_in(series, constants):
    truth = compare(series, "==", constants[0])
    for constant in constants[1:]:
        truth = truth | compare(series, "==", constant)
    return truth


def like(series, pattern):
    parts = re.findall(r"\\(?s:.)|(?s:.)", pattern)
    regex = "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
    return pd.Series([isinstance(value, str) and bool(re.fullmatch(regex, value, re.S)) for value in series.astype(object)])


# --- random expressions --------------------------------------------------------------------------------------------

def spelled(name):
    return name if name.isidentifier() else f'attr("{name}")'


def quoted(text):
    """As Python would write it, or with an escape a character."""
    return "'" + "".join(f"\\U{ord(c):08x}" for c in text) + "'" if len(text) == 2 else repr(text)


NUMERIC = [*INTEGERS, *FLOATS, "flag", "nint", "nbyte", "a name", "dotted.name"]
numbers = st.sampled_from([-3, -1, 0, 1, 2, 5, 300, 0.5, 0.1, 3.0, -1.5, 2.5, 1e9, True, False])
texts = {"cat": TYPES + ["nope"], "ordered": TYPES + ["M"], "word": WORDS + ["zz"], "digits": ["0", "1", "5"], "yes": ["True"]}
operators = st.sampled_from(list(OPERATORS))


def spelled_number(draw, value):
    plain = repr(value)
    return draw(st.sampled_from([plain, f"val({plain})", f"-({-value!r})" if value and not isinstance(value, bool) else plain]))


@st.composite
def comparisons(draw):
    """(text, model): a leaf. The model takes the DataFrame."""
    name = draw(st.sampled_from(NUMERIC + list(texts)))
    constants = st.sampled_from(texts[name]) if name in texts else numbers
    kind = draw(st.sampled_from(["compare", "reverse", "chain", "in", "not in", "none", "none"]))
    column = spelled(name)

    def spell(value):
        return quoted(value) if isinstance(value, str) else spelled_number(draw, value)
    if kind == "none":
        op = draw(st.sampled_from(["==", "!="]))
        return f"{column} {op} None", lambda frame: compare(frame[name], op, None)
    if kind in ("in", "not in"):
        values = draw(st.lists(constants, min_size=1, max_size=12))
        text = f"{column} {kind} [{', '.join(spell(value) for value in values)}]"
        return text, lambda frame: ~is_in(frame[name], values) if kind == "not in" else is_in(frame[name], values)
    a, op = draw(constants), draw(operators)
    if kind == "compare":
        return f"{column}{op}{spell(a)}", lambda frame: compare(frame[name], op, a)
    if kind == "reverse":
        return f"{spell(a)} {op} {column}", lambda frame: compare(frame[name], MIRRORED[op], a)
    b, then = draw(constants), draw(operators)
    return (f"{spell(a)} {op} {column} {then} {spell(b)}",
            lambda frame: compare(frame[name], MIRRORED[op], a) & compare(frame[name], then, b))


@st.composite
def patterns(draw):
    name = draw(st.sampled_from(["cat", "word", "ordered", "_index"]))
    pattern = draw(st.text(st.sampled_from("%%__ab1é\\ T"), max_size=6))
    pattern += "\\" if re.search(r"(?<!\\)(\\\\)*\\$", pattern) else ""
    negated = draw(st.booleans())
    return (f"{name} {'not ' * negated}like {pattern!r}",
            lambda frame: ~like(frame[name], pattern) if negated else like(frame[name], pattern))


def as_number(series):
    return series.astype("Int64") if str(series.dtype) in ("UInt8", "Int64") else series.astype("f8")


@st.composite
def arithmetic(draw):
    """Sums and quotients: of small numbers, so that pandas' are exact."""
    a, b = draw(st.sampled_from(NUMERIC)), draw(st.sampled_from(NUMERIC))
    sign, op, constant = draw(st.sampled_from("+-*/")), draw(operators), draw(numbers)
    combine = {"+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y}[sign]
    hypothesis.assume(not (sign == "/" and ("nint" in (a, b) or "nbyte" in (a, b))))    # pandas' x / NA, 0 / 0 differ by version
    if draw(st.booleans()):
        return (f"-{spelled(a)} {sign} (+{spelled(b)}) {op} {float(constant)!r} * 2",
                lambda frame: OPERATORS[op](combine(-as_number(frame[a]), as_number(frame[b])), 2.0 * constant))
    return (f"{spelled(a)} {sign} {spelled(b)} {op} {spelled(a)} + 1",
            lambda frame: OPERATORS[op](combine(as_number(frame[a]), as_number(frame[b])), as_number(frame[a]) + 1))


flags = st.sampled_from(["flag", "nflag"]).map(lambda name: (name, lambda frame: frame[name]))
flags_compared = st.tuples(st.sampled_from(["flag", "nflag"]), st.sampled_from(["==", "!="]), st.booleans()).map(
    lambda drawn: (f"{drawn[0]} {drawn[1]} {drawn[2]}", lambda frame: compare(frame[drawn[0]], drawn[1], drawn[2])))
leaves = comparisons() | patterns() | arithmetic() | flags | flags_compared


def joined(word):
    def join(terms):
        def model(frame):
            truth = terms[0][1](frame)
            for _, other in terms[1:]:
                truth = truth & other(frame) if word in ("and", "&") else truth | other(frame)
            return truth
        return f" {word} ".join(f"({text})" for text, _ in terms), model
    return lambda inner: st.lists(inner, min_size=2, max_size=4).map(join)


def negated(inner):
    return inner.map(lambda term: (f"not ({term[0]})", lambda frame: ~term[1](frame)))


def expressions():
    def grow(inner):
        return joined("and")(inner) | joined("or")(inner) | joined("&")(inner) | joined("|")(inner) | negated(inner)
    return st.recursive(leaves, grow, max_leaves=6)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=400, print_blob=True,
                     suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(expression=expressions())
def test_random_expressions(select, table, expression):
    text, model = expression
    with np.errstate(all="ignore"):
        assert select(text) == true_rows(model(table.frame)), text


# --- what TileDB's users write -------------------------------------------------------------------------------------

TILEDB_ROWS = 600
TILEDB = {
    'n_genes > 500': lambda f: f.n_genes > 500,
    'louvain == "NK cells"': lambda f: f.louvain == "NK cells",
    'percent_mito > 0.02': lambda f: f.percent_mito > 0.02,
    'is_b_cell == True': lambda f: f.is_b_cell,
    'is_b_cell == False': lambda f: ~f.is_b_cell,
    'is_b_cell': lambda f: f.is_b_cell,
    'is_b_cell == 1': lambda f: f.is_b_cell,
    '0 <= n_genes < 500': lambda f: f.n_genes < 500,
    'louvain in ["NK cells","CD4 T cells"]': lambda f: f.louvain.isin(["NK cells", "CD4 T cells"]),
    'louvain not in ["NK cells", "CD4 T cells"]': lambda f: ~f.louvain.isin(["NK cells", "CD4 T cells"]),
    'louvain in ["NK cells",]': lambda f: f.louvain == "NK cells",
    '1 > n_genes': lambda f: f.n_genes < 1,
    '500 > n_genes': lambda f: f.n_genes < 500,
    'n_genes > -(+(-1))': lambda f: f.n_genes > 1,
    'n_genes > 5_00': lambda f: f.n_genes > 500,
    'not n_genes == 480': lambda f: f.n_genes != 480,
    'n_genes > 500 and percent_mito < 0.02 or louvain == "B cells"':
        lambda f: ((f.n_genes > 500) & (f.percent_mito < 0.02)) | (f.louvain == "B cells"),
    'n_genes > 500 and (percent_mito < 0.02 or louvain == "B cells")':
        lambda f: (f.n_genes > 500) & ((f.percent_mito < 0.02) | (f.louvain == "B cells")),
    '(n_genes > 500) & (n_genes < 1000)': lambda f: (f.n_genes > 500) & (f.n_genes < 1000),
    '(n_genes > 900) | (n_genes < 100)': lambda f: (f.n_genes > 900) | (f.n_genes < 100),
    "attr('n_genes') == 480": lambda f: f.n_genes == 480,
    'n_genes > val(100.0)': lambda f: f.n_genes > 100,
    'val(100) < attr("n_genes") <= val(-(-480))': lambda f: (f.n_genes > 100) & (f.n_genes <= 480),
    'is_primary_data == True and tissue_general in ["pancreas","kidney"] and nnz >= 300':
        lambda f: f.is_primary_data & f.tissue_general.isin(["pancreas", "kidney"]) & (f.nnz >= 300),
    'louvain == "nope"': lambda f: f.n_genes < 0,
    'louvain != "nope"': lambda f: f.n_genes >= 0,
    'louvain < "CD4 T cells"': lambda f: f.louvain.astype(str) < "CD4 T cells",
    'not (n_genes > 500 or is_b_cell)': lambda f: ~((f.n_genes > 500) | f.is_b_cell),
    'louvain like "%T cells"': lambda f: f.louvain.str.endswith("T cells"),
    'louvain not like "b%"': lambda f: f.n_genes >= 0,
    'n_counts / n_genes > 3': lambda f: f.n_counts / f.n_genes > 3,
    'n_counts > 3 * n_genes + 1': lambda f: f.n_counts > 3 * f.n_genes + 1,
    '_index in ["c3", "c500", "d"]': lambda f: f.index.isin([3, 500]),
    'attr("_index") == "c7"': lambda f: f.index == 7,
}


@pytest.fixture(scope="module")
def pbmc(tmp_path_factory):
    """(DataFrame, Selector) of a table like that of TileDB's tests."""
    rng = np.random.default_rng(5)
    louvain = ["B cells", "CD4 T cells", "CD8 T cells", "NK cells"]
    tissue = ["blood", "kidney", "pancreas"]
    columns = {"n_genes": rng.integers(0, 1000, TILEDB_ROWS), "n_counts": rng.integers(0, 4000, TILEDB_ROWS).astype("f4"),
               "percent_mito": rng.choice(np.array([0.01, 0.02, 0.03], "f4"), TILEDB_ROWS), "is_b_cell": rng.random(TILEDB_ROWS) < 0.3,
               "louvain": rng.integers(0, 4, TILEDB_ROWS), "is_primary_data": rng.random(TILEDB_ROWS) < 0.8,
               "tissue_general": rng.integers(0, 3, TILEDB_ROWS), "nnz": rng.integers(0, 600, TILEDB_ROWS).astype("u2")}
    columns["n_genes"][:5] = 480
    frame = pd.DataFrame({**columns, "louvain": pd.Categorical.from_codes(columns["louvain"], louvain),
                          "tissue_general": pd.Categorical.from_codes(columns["tissue_general"], tissue)})
    for name, categories in [("louvain", louvain), ("tissue_general", tissue)]:
        columns[name] = expression_data.Categorical(columns[name].astype("i1"), categories)
    columns["_index"] = [f"c{i}" for i in range(TILEDB_ROWS)]
    selector = Selector(expression_data.convert(tmp_path_factory.mktemp("pbmc"), columns))
    yield frame, selector
    selector.close()


@pytest.mark.parametrize("text", TILEDB)
def test_tiledb(pbmc, text):
    frame, select = pbmc
    assert select(text) == true_rows(TILEDB[text](frame)), text


# --- the rules of the header ---------------------------------------------------------------------------------------

def test_missing_values(select, table):
    """Kleene's logic where there is a mask, two values where there is NaN or code -1."""
    frame = table.frame
    for text, truth in {
        "nint != 1": frame.nint != 1, "not nint == 1": ~(frame.nint == 1), "not (nint != 1)": frame.nint == 1,
        "nint == 1 or nint != 1": frame.nint.notna(), "nint == 1 or flag": (frame.nint == 1) | frame.flag,
        "not (nint == 1 and flag)": ~((frame.nint == 1) & frame.flag), "nint not in [1]": frame.nint != 1,
        "nint + long > 0": frame.nint + frame.long > 0, "nint == None": frame.nint.isna(),
        "single != 3": frame.single != 3, "not single == 3": frame.single != 3, "single not in [3, 1]": ~frame.single.isin([3, 1]),
        "not single < 3": ~(frame.single < 3), "single == None": frame.single.isna(), "single != None": frame.single.notna(),
        'cat != "NK cells"': frame.cat != "NK cells", 'not cat == "NK cells"': frame.cat != "NK cells",
        'cat not in ["NK cells"]': ~frame.cat.isin(["NK cells"]), "cat == None": frame.cat.isna(), "cat != None": frame.cat.notna(),
        "None != cat": frame.cat.notna(), 'ordered < "NK cells"': frame.ordered < "NK cells",
        'not ordered < "NK cells"': ~(frame.ordered < "NK cells"), "long == None": frame.long.isna(), "word != None": frame.word.notna(),
        "nflag": frame.nflag, "not nflag": ~frame.nflag, "nflag == False": ~frame.nflag, "nflag == None": frame.nflag.isna(),
        "half == None": frame.half.isna(), "double / 0.5 == 0 or double == None": (frame.double == 0) | frame.double.isna(),
    }.items():
        assert select(text) == true_rows(truth), text


def test_categories_that_were_numbers(select, table):
    frame = table.frame
    values = frame.digits.astype(object).map(float, na_action="ignore").astype("f8")
    for text, truth in {"digits == 1": values == 1, "digits < 1.5": values < 1.5, "digits in [10, -1.5, 7]": values.isin([10, -1.5]),
                        "digits != 0": values != 0, "digits == 0.00001": values == 1e-5, 'digits < "1e"': compare(frame.digits, "<", "1e"),
                        "yes == True": frame.yes == "True", "yes != True": frame.yes != "True", "yes == False": frame.yes == "False",
                        "0 <= yes < 1": frame.yes == "False"}.items():
        assert select(text) == true_rows(truth), text


def test_long_lists(select, table):
    frame = table.frame
    odd = list(range(1, 5000, 2))
    assert select(f"_index in {[f'cell_{i}' for i in odd]}") == [i for i in odd if i < ROWS]
    assert select(f"long in {odd}") == true_rows(frame.long.isin(odd))
    assert select(f"half in {odd}") == true_rows(frame.half.isin(odd))
    assert select(f"nint not in {odd}") == true_rows((frame.nint % 2 == 0) | (frame.nint < 0))
    assert select(f"long + 1 in {odd}") == true_rows((frame.long + 1).isin(odd))
    assert select(" or ".join(f"(tiny == {i})" for i in range(-1000, 4))) == true_rows(frame.tiny < 4)


def test_spellings(select, table):
    frame = table.frame
    same = {"int == 5": ["int==5", " \t\n int\r\n==\f5 ", "(int) == (5)", "((int == 5))", "int == 0x5", "int == 0b101", "int == 0o5", "int == 5.",
                         "int == .5e1", "int == 50E-1", "int == 0_5.0", "int == 2 + 3", "int == 10 / 2", "int - 5 == 0", "not not int == 5",
                         "int == 5 and True == flag or int == 5 and not flag", "5 == int == 5", "int in [5]", "int in[5,5]"],
            'word == "it\'s"': [r"word == 'it\'s'", r"word == 'it\x27s'", r'word == "it\047s"', r'word == "\u0069t\U00000027s"', 'word=="it\\\n\'s"'],
            r'word == "a\nb"': [r"word == 'a\x0ab'", r'word like "a\n_"', r"word == 'a\12b'"],
            r'word == "\\"': [r"word == '\x5c'", r'word like "\\\\"', r'word < "a" and word > "Z"'],
            'word like "a_b" and word != "a b"': [r'word == "a_b" or word == "a%b" or word == "a\nb"'],
            r'word == "a_b"': [r'word like "a\_b"', r'word like "%\_%"', r"word like 'a\\_b'"]}
    for text, others in same.items():
        rows = select(text)
        assert 0 < len(rows) < ROWS
        for other in others:
            assert select(other) == rows, other
    assert select('word == "\\q"') == [] and select(b'word == "\xff\xfe"') == [] and len(select(b'word != "\xff"')) == ROWS
    assert select('attr("a name") == 1') == true_rows(frame["a name"] == 1)


def test_genes(table, tmp_path):
    genes = Selector(expression_data.convert(tmp_path, {"_index": ["a"]}), "var")
    assert genes('_index in ["CD4","CD8A"]') == [0, 1] and genes("not coding") == [2] and genes("mean > 1 or coding") == [0, 1, 2]
    with pytest.raises(Refused) as refused:
        genes("n_genes == 1")
    assert refused.value.args[1].startswith("genes: at character 1, ")
    genes.close()


def test_no_rows(tmp_path):
    select = Selector(expression_data.convert(tmp_path, {"_index": [], "n": np.zeros(0, "i4"), "c": expression_data.Categorical(np.zeros(0, "i1"), [])}))
    assert select("n == 1") == [] and select('c == "x" or _index == "y"') == [] and select("c == 3") == []
    select.close()


# --- numbers at the limits -----------------------------------------------------------------------------------------

def interesting_integers():
    near = [sign * (2**bits + d) for sign in (1, -1) for bits in (7, 8, 15, 16, 31, 32, 52, 53, 54, 62, 63) for d in (-1, 0, 1)]
    return sorted({0, 1, -1, 2**64 - 1, 2**64 - 2, 2**64 - 2048, *near})


def interesting_floats():
    whole = [float(value) for value in interesting_integers()]
    return whole + [0.5, -0.5, 0.1, 2.0**64, 1e39, 1e300, -1e300, 5e-324, 1e-46, 65504.0, 65520.0, 16777217.0, math.nextafter(2.0**53, 0)]


@pytest.fixture(scope="module")
def limits(tmp_path_factory):
    """({name: values}, Selector): columns with values at the limits of every type."""
    columns = {}
    with np.errstate(over="ignore"):
        floats = np.array(interesting_floats() + [np.nan, np.inf, -np.inf, -0.0])
        for name, dtype in FLOATS.items():
            columns[name] = floats.astype(dtype)
    for name, dtype in INTEGERS.items():
        info = np.iinfo(dtype)
        fitting = [value for value in interesting_integers() if info.min <= value <= info.max]
        columns[name] = np.array([fitting[i % len(fitting)] for i in range(len(floats))], dtype)
    selector = Selector(expression_data.convert(tmp_path_factory.mktemp("limits"), {**columns, "_index": [f"c{i}" for i in range(len(floats))]}))
    yield columns, selector
    selector.close()


def beside(constant, dtype):
    """A float as a constant beside a column of narrower floats."""
    if isinstance(constant, float) and dtype in ("f2", "f4"):
        with np.errstate(over="ignore"):
            rounded = float(np.dtype(dtype).type(constant))
        return rounded if math.isfinite(rounded) and rounded else constant
    return constant


@pytest.mark.parametrize("name", [*INTEGERS, *FLOATS])
def test_exact_comparisons(limits, name):
    """Python compares integers with floats exactly."""
    columns, select = limits
    dtype = {**INTEGERS, **FLOATS}[name]
    values = columns[name].astype("f8").tolist() if dtype[0] == "f" else [int(value) for value in columns[name]]
    for constant in interesting_integers() + interesting_floats():
        exact = beside(constant, dtype)
        for op, holds in OPERATORS.items():
            assert select(f"{name} {op} {constant!r}") == [i for i, value in enumerate(values) if holds(value, exact)], (op, constant)
        assert select(f"{name} in [{constant!r}, 7]") == [i for i, value in enumerate(values) if value in (exact, 7)], constant


def test_exact_arithmetic(limits):
    """Sums, differences and products of integers do not wrap around, and are compared with floats exactly."""
    columns, select = limits
    longs, ulongs, doubles = ([value.item() for value in columns[name]] for name in ("long", "ulong", "double"))
    for text, truth in {
        "long + long > 9223372036854775807": [a + a > 2**63 - 1 for a in longs],
        "long - ulong < -9223372036854775808": [a - b < -2**63 for a, b in zip(longs, ulongs)],
        "-long > 9223372036854775807": [-a > 2**63 - 1 for a in longs],
        "long + 0 == double": [a == b for a, b in zip(longs, doubles)],
        "double >= ulong * 1": [b >= a for a, b in zip(ulongs, doubles)],
        "long * 3 < ulong * 2": [a * 3 < b * 2 for a, b in zip(longs, ulongs)],
        "long * long > 18446744073709551615 * 18446744073709551": [a * a > (2**64 - 1) * 18446744073709551 for a in longs],
        "ulong / 3 > 6e18": [float(a) / 3 > 6e18 for a in ulongs],
        "ulong + 0 in [18446744073709551614, 18446744073709551615.0, 1]": [a in (2**64 - 2, 1, 2**64) for a in ulongs],
    }.items():
        assert select(text) == [i for i, holds in enumerate(truth) if holds], text


# --- what is refused -----------------------------------------------------------------------------------------------

MISTAKES = [
    # text, character, phrases
    ("", 1, ["expected an expression such as", "found nothing"]),
    ("   ", 1, ["found nothing"]),
    ("n_genes >", 10, ["expected a column, a number or a string, found the end"]),
    ("> 5", 1, ["expected a column, a number or a string, found `>`"]),
    ("n_genes = 5", 9, ["found `=`: write =="]),
    ("n_genes > 5 louvain", 13, ["expected an operator or the end, found `louvain`"]),
    ("n_genes > 5 && is_b_cell", 13, ["write and"]),
    ("n_genes > 5 || is_b_cell", 13, ["write or"]),
    ("n_genes > 5 AND is_b_cell", 13, ["found `AND`: write and"]),
    ("n_genes <> 5", 9, ["write !="]),
    ("louvain IN ['a']", 9, ["write in"]),
    ("n_genes is None", 9, ["found `is`: write == or !="]),
    ("~is_b_cell", 1, ["found `~`: write not"]),
    ("!is_b_cell", 1, ["write not"]),
    ("n_genes // 2 == 1", 9, ["expected an operator or the end, found `//`"]),
    ("n_genes ** 2 == 1", 9, ["`**`"]),
    ("n_genes % 2 == 1", 9, ["`%`"]),
    ("n_genes ^ 2", 9, ["`^`"]),
    ("(n_genes > 5", 13, ["expected ), found the end"]),
    ("n_genes > 5)", 12, ["found `)`"]),
    ("()", 2, ["found `)`"]),
    ("(1, 2) == n_genes", 3, ["expected ), found `,`"]),
    ("n_genes > 1 & n_genes < 2", 13, ["expected brackets around each comparison, since & binds tighter", "`1 & n_genes`", "a > 1 and b < 2"]),
    ("n_genes > 1 | is_b_cell", 13, ["since | binds tighter", "or"]),
    ("(n_genes > 1) == True", 1, ["expected a column, a constant or arithmetic, found `(n_genes > 1)`, which is true or false"]),
    ("(n_genes > 1) + 1 > 1", 1, ["which is true or false"]),
    ("n_genes", 1, ["expected a comparison or a boolean column, found `n_genes`"]),
    ("n_genes + 1", 1, ["expected a comparison or a boolean column, found `n_genes + 1`"]),
    ("is_b_cell and louvain", 15, ["found `louvain`"]),
    ("True", 1, ["expected a comparison or a boolean column, found `True`"]),
    ("not 3", 5, ["found `3`"]),
    ("500 & is_b_cell", 1, ["found `500`"]),
    ("-is_b_cell", 1, ["found `-is_b_cell`"]),
    ("louvain in []", 13, ["expected at least one value in the list, found none"]),
    ("louvain in ('a', 'b')", 12, ["expected a list in square brackets, as in [\"a\", \"b\"], found `(`"]),
    ("louvain in {'a'}", 12, ["expected a list in square brackets", "`{`"]),
    ("louvain in 'a'", 12, ["expected a list in square brackets", "`'a'`"]),
    ("'a' in louvain", 8, ["expected a list in square brackets, as in [\"a\", \"b\"], found `louvain`"]),
    ("'a' in ['a']", 1, ["expected a column before in, found the constant `'a'`"]),
    ("louvain in ['a' 'b']", 17, ["expected , or ] in the list, found `'b'`"]),
    ("louvain in ['a', 1]", 18, ["expected a string to compare with `'a'`, found `1`, which is a number"]),
    ("louvain in ['a', None]", 18, ["found None", "write or `louvain` == None"]),
    ("n_genes in [1, nnz]", 16, ["expected constants in the list, found `nnz`"]),
    ("n_genes in [1, 'a']", 16, ["expected a number to compare with `n_genes`, found `'a'`, which is a string"]),
    ("n_genes in [1", 14, ["expected , or ] in the list, found the end"]),
    ("n_genes in [1] in [2]", 16, ["expected in and like to stand alone, found `in`"]),
    ("n_genes == 1 in [2]", 14, ["found `in` after another comparison: join the two with and"]),
    ("n_genes not 5", 9, ["expected an operator or the end, found `not`"]),
    ("n_genes == nnz", 9, ["expected a constant or arithmetic on one side of ==, found the columns `n_genes` and `nnz`"]),
    ("louvain < tissue_general", 9, ["found the columns `louvain` and `tissue_general`"]),
    ("0 < n_genes < nnz", 13, ["found the columns"]),
    ("1 < 2", 1, ["expected a column on one side of <, found the constants `1` and `2`"]),
    ("1 < 2 < n_genes", 1, ["found the constants"]),
    ("n_gene > 5", 1, ['found "n_gene": did you mean "n_genes"?']),
    ("is_b_cell and LOUVAIN == 'a'", 15, ['did you mean "louvain"?']),
    ("zzzzzzzz > 5", 1, ['expected the name of a column, found "zzzzzzzz": there are "_index", "n_genes", ']),
    ("n_genes > 5 and is_b_cell == true", 30, ['found "true": write True']),
    ("louvain == null", 12, ['found "null"']),
    ("a.b == 1", 1, ['expected attr("a.b") for a name that has a dot']),
    ("n_genes > 1 and obs.n_genes == 1", 17, ['attr("obs.n_genes")']),
    ("n_genes > 1 and RNA_snn_res.0.8== '1'", 17, ['attr("RNA_snn_res.0.8")']),
    ('attr("a.b") == 1', 1, ['found "a.b"']),
    ("attr(n_genes) == 1", 6, ['expected the name of a column in quotes, as in attr("name"), found `n_genes`']),
    ('attr("n_genes" == 1', 16, ["expected ), found `==`"]),
    ("val(n_genes) == 1", 5, ["expected a constant in val(...), found `n_genes`"]),
    ("n_genes == val(1", 17, ["expected ), found the end"]),
    ("len(louvain) == 1", 1, ["expected no function but attr(\"name\") and val(constant), found `len`"]),
    ('obs["n_genes"] == 1', 4, ['a column is named by attr("name")']),
    ("n_genes == 'a'", 12, ["expected a number to compare with `n_genes`, found `'a'`, which is a string"]),
    ("'5' < n_genes", 1, ["expected a number to compare with `n_genes`"]),
    ("_index == 5", 11, ["expected a string to compare with `_index`, found `5`, which is a number"]),
    ("_index == True", 11, ["which is a boolean"]),
    ("louvain == 5", 12, ['expected a string to compare with "louvain", which has categories such as "B cells", found `5`']),
    ("louvain == True", 12, ["expected a string to compare with"]),
    ("n_genes < None", 9, ["expected == or != with None, found <"]),
    ("n_genes + 1 == None", 16, ["expected None to be compared with a column, found `n_genes + 1`"]),
    ("None == None", 1, ["found the constants"]),
    ("louvain + 1 == 2", 1, ["expected a number or a column of numbers beside +, found `louvain`"]),
    ("n_genes * 'a' == 2", 11, ["beside *, found `'a'`"]),
    ("-louvain == 2", 2, ["beside -, found `louvain`"]),
    ("n_genes / 0 > 1", 11, ["expected a number to divide by, found `0`"]),
    ("n_genes > 1 / (1 - 1)", 15, ["expected a number to divide by"]),
    ("n_genes * n_genes * n_genes > 1", 19, ["expected integers that stay below 2^126", "1.0 * n"]),
    ("n_genes like 'a'", 1, ["expected a column of strings or categories before like, found `n_genes`"]),
    ("'a' like 'a'", 1, ["before like"]),
    ("louvain like 5", 14, ["expected a pattern in quotes after like"]),
    ("louvain like louvain", 14, ["expected a pattern in quotes after like"]),
    (r"louvain like 'a\\'", 14, ["expected a character after the last backslash"]),
    ("louvain == 'abc", 12, ["expected a string that ends with ', found `'abc`"]),
    ('louvain == "abc\'', 12, ['expected a string that ends with "']),
    ("louvain == 'a\nb'", 12, ["expected a string that ends with '"]),
    ("louvain == 'abc\\'", 12, ["expected a string that ends with '"]),
    (r"louvain == 'a\xg1'", 14, [r"expected \x and 2 hexadecimal digits"]),
    (r"louvain == '\ud800'", 13, [r"expected \u and 4 hexadecimal digits"]),
    (r"louvain == '\U00110000'", 13, [r"expected \U and 8"]),
    (r"louvain == '\N{DEGREE SIGN}'", 13, [r"found \N{...}"]),
    ("n_genes > 5x", 11, ["expected a number such as 500, 0.25 or 1e6, found `5x`"]),
    ("n_genes > 1.2.3", 11, ["found `1.2.3`"]),
    ("n_genes > 0x", 11, ["found `0x`"]),
    ("n_genes > 007", 11, ["found `007`"]),
    ("n_genes > 1__0", 11, ["found `1__0`"]),
    ("n_genes > 1e", 11, ["found `1e`"]),
    ("n_genes > 3j", 11, ["found `3j`"]),
    ("n_genes > 18446744073709551616", 11, ["expected an integer below 2^64", "write it as a float"]),
    ("n_genes > 1 # comment", 13, ["found `#`"]),
    ("n_genes > 1; n_genes", 12, ["found `;`"]),
    ("é == 1", 1, ['found "é"']),
    ("louvain == 'é' and nope == 1", 20, ['found "nope"']),
    ("(" * 101 + "is_b_cell" + ")" * 101, 101, ["expected at most 100 levels"]),
    ("not " * 101 + "is_b_cell", 401, ["expected at most 100 levels"]),
    ("n_genes > " + "-" * 101 + "1", 111, ["expected at most 100 levels"]),
    ("n_genes " + "+ 1 " * 120 + "> 1", 8 + 1 + 4 * 99, ["expected at most 100 levels of arithmetic"]),
    ("(" * 1000000, 101, ["expected at most 100 levels"]),
    ("val(" * 1000000, 404, ["expected at most 100 levels"]),
]


@pytest.mark.parametrize("text, character, phrases", MISTAKES, ids=[mistake[0][:40] for mistake in MISTAKES])
def test_mistakes(pbmc, text, character, phrases):
    _, select = pbmc
    with pytest.raises(Refused) as refused:
        select(text)
    errno, sentence = refused.value.args
    assert errno == "EINVAL" and sentence.startswith(f"where: at character {character}, expected "), sentence
    assert all(phrase in sentence for phrase in phrases), sentence
    assert len(sentence) < 700


def test_nesting_up_to_the_limit(pbmc):
    frame, select = pbmc
    rows = true_rows(frame.is_b_cell)
    assert select("(" * 100 + "is_b_cell" + ")" * 100) == rows
    assert select("not " * 98 + "is_b_cell") == rows
    assert select("n_genes" + " + 1" * 97 + " > 600") == true_rows(frame.n_genes + 97 > 600)
    assert select(" and ".join(["is_b_cell"] * 5000)) == rows
    deep = "is_b_cell"
    for i in range(47):
        deep = f"({deep} and n_genes >= 0 or n_genes < 0)"
    assert select(deep) == rows


@hypothesis.settings(deadline=None, derandomize=True, max_examples=600, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(words=st.lists(st.sampled_from([
    "n_genes", "louvain", "is_b_cell", "percent_mito", "_index", "attr(", "val(", "(", ")", "[", "]", ",", ".", "==", "!=", "<", ">=", "=", "and", "or",
    "not", "in", "like", "is", "&", "|", "~", "+", "-", "*", "/", "%", "1", "0.5", "1e400", "'a'", '"NK cells"', "None", "True", "\\", "'", '"', "é", "\x01"]),
    max_size=12))
def test_any_words(pbmc, words):
    """Whatever the words are, there are rows or one sentence that names a place."""
    _, select = pbmc
    text = " ".join(words)
    try:
        assert all(0 <= row < TILEDB_ROWS for row in select(text))
    except Refused as refused:
        assert re.match(r"where: at character \d+, expected ", refused.args[1]), refused
        assert int(re.search(r"\d+", refused.args[1])[0]) <= len(text) + 1


@hypothesis.settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(text=st.binary(max_size=30).map(lambda drawn: drawn.replace(b"\0", b"")))
def test_any_bytes(pbmc, text):
    try:
        pbmc[1](text)
    except Refused as refused:
        assert re.match(r"where: at character \d+, expected ", refused.args[1]), refused


# --- many rows, and damage -----------------------------------------------------------------------------------------

def test_many_rows(tmp_path):
    """More than one thread's share, over shards that no chunk agrees with."""
    rng = np.random.default_rng(3)
    rows = 1_000_003
    columns = {"n": rng.integers(0, 100, rows).astype("i4"), "x": rng.random(rows, dtype="f4"),
               "c": expression_data.Categorical(rng.integers(-1, 3, rows).astype("i1"), ["a", "b", "c"]),
               "m": expression_data.Nullable(rng.integers(0, 9, rows), rng.random(rows) < 0.1)}
    index = [f"c{i}" for i in range(rows)]
    select = Selector(expression_data.convert(tmp_path, {**columns, "_index": index}, "--shard-rows", "77777"))
    n, x, c, m = columns["n"], columns["x"], columns["c"].codes, columns["m"]
    for text, truth in {'n > 95 and x < 0.3 or c == "b" and m == 3': ((n > 95) & (x < np.float32(0.3))) | ((c == 1) & (m.values == 3) & ~m.mask),
                        "n * 2 - m > 190": (n * 2 - m.values > 190) & ~m.mask,
                        '_index like "%9999" and not c == None': np.array([i % 10000 == 9999 for i in range(rows)]) & (c != -1)}.items():
        assert select(text) == np.flatnonzero(truth).tolist(), text
    select.close()


@pytest.mark.parametrize("name, text", [("obs.1.values.npy", "tiny == 1"), ("obs.13.mask.npy", "nint == 1"), ("obs.0.text.npy", '_index == "a"'),
                                        ("obs.0.offsets.npy", '_index == "a"'), ("obs.16.values.npy", 'cat == "NK cells"'),
                                        ("obs.16.categories.text.npy", 'cat == "NK cells"')])
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_damage(table, tmp_path, name, text, how):
    """A flipped byte, and a file that is cut short under the reader, are EIO with the file's name."""
    if how == "flipped" and "categories" in name:
        return                                          # in the page of the header, which is checked by whoever opens the collection
    collection = expression_data.convert(tmp_path, table.columns)
    path = collection / name
    size = path.stat().st_size
    if how == "flipped":
        content = bytearray(path.read_bytes())
        content[size - 1] ^= 0x10
        path.chmod(0o644)
        path.write_bytes(content)
    select = Selector(collection)
    if how == "cut":
        select("byte == 1")                             # the collection is open
        with open(path, "r+b") as file:
            file.truncate(128)
    with pytest.raises(Refused) as refused:
        select(text)
    assert refused.value.args[0] == "EIO" and name in refused.value.args[1], refused.value.args
    assert select("byte == 1") == true_rows(table.frame.byte == 1)
    select.close()
    shutil.rmtree(collection)


@pytest.mark.parametrize("name, place, value, text, phrase", [
    ("obs.16.values.npy", 4200, 10, 'cat == "NK cells"', "expected codes from -1 to 9, found 10 in row 4200"),
    ("obs.16.values.npy", 0, -2, 'cat == "NK cells"', "found -2 in row 0"),
    ("obs.0.offsets.npy", 4000, 3, 'not _index == "a"', "expected line 3999 within"),
    ("obs.0.offsets.npy", 4000, 2**63, 'not _index == "a"', "expected line 3999 within"),
    ("obs.0.offsets.npy", 0, 100, 'not _index == "a"', "expected line 0 within"),
    ("obs.0.offsets.npy", 4096, 2**40, 'not _index == "a"', "expected line 4095 within"),
])
def test_wrong_but_whole(table, tmp_path, name, place, value, text, phrase):
    """Codes and offsets that no converter writes, with the right checksums."""
    collection = expression_data.convert(tmp_path, table.columns)
    (collection / name).chmod(0o644)
    array = np.lib.format.open_memmap(collection / name, "r+")
    array[place] = value
    array.flush()
    for path in collection.glob("*sums*"):
        path.chmod(0o644)
    craft.sum_again(collection, name)
    select = Selector(collection)
    with pytest.raises(Refused) as refused:
        select(text)
    assert refused.value.args[0] == "EIO" and name in refused.value.args[1] and phrase in refused.value.args[1], refused.value.args
    select.close()
