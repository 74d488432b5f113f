# SPDX-License-Identifier: Apache-2.0
"""Which test covers which capability of other loaders: the rows of two tables that compare them, LOADERS (1 to 43) and STORES (19 to 54).

Each row says what it is about, and the tests that show it over a mount; or why there is none.
"""
import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


class Not(str):
    """Why no test here covers a row."""


CONVERTER = Not("of the converter, not of views")

LOADERS = {
    1: ("filters over obs, TileDB's examples", ["where::test_rows_are_those_of_pandas", "where::test_an_option_that_is_refused", "paths::test_refused"]),
    2: ("categories by value, an unknown one selects nothing", ["where::test_rows_are_those_of_pandas", "where::test_no_rows"]),
    3: ("missing values in filters", ["where::test_rows_are_those_of_pandas"]),
    4: ("a list of rows and a filter, the list's order", ["rows_file::test_with_where", "rows_file::test_the_order_of_the_list"]),
    5: ("genes by filter or list, the order asked", ["genes::test_an_expression", "genes::test_a_file_gives_the_order"]),
    6: ("several files with other genes joined", CONVERTER),
    7: ("obs accompanies a batch, aligned", ["formats::test_obs_accompanies_a_batch"]),
    8: ("row numbers of a batch", ["where::test_every_file_of_an_epoch", "equal::test_path_and_options"]),
    9: ("layers and raw", ["genes::test_layers_codecs_and_types", "equal::test_path_and_options"]),
    10: ("obsm accompanies a batch", ["formats::test_obsm_accompanies_a_batch"]),
    11: ("a mount keeps its generation", CONVERTER),
    12: ("dense batches", ["formats::test_scipy_and_numpy_agree", "formats::test_mapped"]),
    13: ("sparse batches, by many processes", ["formats::test_scipy_and_numpy_agree", "concurrency::test_a_thousand_views_by_eight_processes"]),
    14: ("batches of one row", ["formats::test_batches_of_one_row"]),
    15: ("labels as codes, and their names", ["formats::test_obs_accompanies_a_batch"]),
    16: ("composite keys", Not("a reader joins columns; the mount gives each")),
    17: ("storage order", ["equal::test_path_and_options", "where::test_every_file_of_an_epoch"]),
    18: ("normalising and tokens", Not("not asked for: values are those of the source")),
    19: ("one shuffle for all ranks", ["elastic::test_global_batches_do_not_depend_on_the_ranks"]),
    20: ("a sound permutation", Not("tests/unit and tests/mount/test_quality.py: of orders, whatever the view")),
    21: ("blocks and windows", ["where::test_every_file_of_an_epoch", "equal::test_path_and_options"]),
    22: ("another library's order of partition", Not("ranks are dealt from one order by design")),
    23: ("another order every epoch", ["elastic::test_epochs_and_seeds_differ"]),
    24: ("each row once an epoch", ["where::test_rows_are_those_of_pandas", "where::test_beyond_the_table", "elastic::test_where_agrees_with_a_scan"]),
    25: ("the same order everywhere", ["where::test_every_file_of_an_epoch"]),
    26: ("whatever the number of workers", ["concurrency::test_a_thousand_views_by_eight_processes"]),
    27: ("a report of quality", Not("test_quality_json.py: of every view")),
    28: ("shuffling on a GPU", Not("the order is a pure function: nothing to shuffle")),
    29: ("equal batches for all ranks", ["where::test_every_file_of_an_epoch", "elastic::test_where_agrees_with_a_scan"]),
    30: ("what the last step does", ["where::test_every_file_of_an_epoch", "elastic::test_where_agrees_with_a_scan", "elastic::test_padding_more_than_once"]),
    31: ("elastic world size", ["elastic::test_global_batches_do_not_depend_on_the_ranks"]),
    32: ("ranks that share data", ["equal::test_path_and_options"]),
    33: ("resuming in the middle", ["elastic::test_any_batch_first_thing"]),
    34: ("resuming with other ranks", ["elastic::test_a_run_goes_on_with_other_ranks"]),
    35: ("where a row is", ["elastic::test_where_agrees_with_a_scan", "elastic::test_where_of_the_mount"]),
    36: ("lengths without reading", ["formats::test_sizes_of_all_formats", "formats::test_however_it_is_read"]),
    37: ("random splits", ["splits::test_parts_are_those_of_the_reference", "splits::test_sizes"]),
    38: ("shares that do not sum to 1", ["splits::test_refused"]),
    39: ("splits without leaks", ["splits::test_parts_are_those_of_the_reference", "splits::test_what_moves_no_row"]),
    40: ("stratified and grouped splits; lists of rows", ["splits::test_no_donor_on_both_sides", "splits::test_stratified_within_one", "splits::test_of_a_list"]),
    41: ("weights and balance", ["draw::test_weights", "draw::test_balanced", "draw::test_class_weights"]),
    42: ("batches of one class", ["draw::test_pure"]),
    43: ("stores mixed by proportion", Not("views are of one collection")),
}

STORES = {
    19: ("sizes are told", ["named::test_view_json", "paths::test_explanations_of_views"]),
    20: ("single rows", ["genes::test_a_file_gives_the_order"]),
    21: ("rows by a list, repeats too", ["rows_file::test_the_order_of_the_list", "rows_file::test_a_longer_list_than_rows"]),
    22: ("one width", ["genes::test_an_expression"]),
    23: ("obs columns of a batch", ["formats::test_obs_accompanies_a_batch"]),
    24: ("names of cells", ["formats::test_obs_accompanies_a_batch"]),
    25: ("the table of genes", ["tables::test_columns", "tables::test_csv"]),
    26: ("row numbers of a batch", ["where::test_every_file_of_an_epoch"]),
    27: ("which file a row came from", CONVERTER),
    28: ("neighbours", Not("not asked for")),
    29: ("obsm and layers beside X", ["formats::test_layers_accompany_a_batch", "formats::test_obsm_accompanies_a_batch"]),
    30: ("arrays of more dimensions", CONVERTER),
    31: ("sparse arrays wrapped without a copy", ["formats::test_scipy_and_numpy_agree"]),
    32: ("dense batches", ["formats::test_scipy_and_numpy_agree"]),
    33: ("each row once", ["where::test_rows_are_those_of_pandas"]),
    34: ("blocks", ["where::test_every_file_of_an_epoch"]),
    35: ("a store shuffled beforehand", Not("not needed: batches are shuffled when they are read")),
    36: ("sequential order", ["where::test_every_file_of_an_epoch"]),
    37: ("a seed gives the same bytes", ["equal::test_path_and_options", "elastic::test_any_batch_first_thing"]),
    38: ("any epoch first", ["elastic::test_any_batch_first_thing", "elastic::test_epochs_and_seeds_differ"]),
    39: ("resuming", ["elastic::test_any_batch_first_thing"]),
    40: ("any size of batches", ["formats::test_batches_of_one_row", "equal::test_path_and_options"]),
    41: ("the last, partial batch", ["where::test_every_file_of_an_epoch"]),
    42: ("the number of batches", ["named::test_view_json", "where::test_every_file_of_an_epoch"]),
    43: ("ranks apart, and together all", ["where::test_rows_are_those_of_pandas"]),
    44: ("equal batches", ["elastic::test_where_agrees_with_a_scan"]),
    45: ("ranks get other rows each epoch", ["elastic::test_epochs_and_seeds_differ"]),
    46: ("workers in a rank", ["concurrency::test_a_thousand_views_by_eight_processes"]),
    47: ("masks and subsets", ["where::test_rows_are_those_of_pandas", "rows_file::test_shuffled"]),
    48: ("replacement", ["draw::test_weights", "draw::test_any_batch_first_thing_and_ranks"]),
    49: ("weights", ["draw::test_weights"]),
    50: ("classes balanced or pure", ["draw::test_balanced", "draw::test_pure", "draw::test_class_weights"]),
    51: ("a layout by groups", CONVERTER),
    52: ("an order given by the user", ["rows_file::test_the_order_of_the_list"]),
    53: ("any language", ["formats::test_r_reads_an_archive", "formats::test_archives_are_zip_files", "formats::test_however_it_is_read"]),
    54: ("many processes", ["concurrency::test_a_thousand_views_by_eight_processes"]),
}

ROWS = [(table, number, *row) for table, rows in (("LOADERS", LOADERS), ("STORES", STORES)) for number, row in rows.items()]


def test_no_row_is_left_out():
    assert sorted(LOADERS) == list(range(1, 44)) and sorted(STORES) == list(range(19, 55))


@pytest.mark.parametrize("table, number, about, tests", ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_the_tests_are_there(table, number, about, tests):
    assert about and (tests or isinstance(tests, Not))
    for test in [] if isinstance(tests, Not) else tests:
        file, name = test.split("::")
        text = (HERE / f"test_views_{file}.py").read_text()
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{table} {number} ({about}): no {name} in test_views_{file}.py"
